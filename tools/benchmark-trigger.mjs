import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/*
 * What the package's file trigger adds to an update of Xen: the same update by the same rpm in two roots, with the package
 * installed and without, in turns.
 */

const TURNS = 41
const TOP = fileURLToPath(new URL('../', import.meta.url))

function run(program, args) {
  return execFileSync(program, args, { cwd: TOP, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** A package with one file or none. @param evr such as `1:22.11.0-1` */
function buildStub(folder, name, evr, path = null) {
  const [, epoch, version, release] = /^(\d+):([^-]+)-(.+)$/.exec(evr)
  const spec = join(folder, `${name}-${release}.spec`)
  const install =
    path === null ? '' : `install -D /dev/null %{buildroot}${path}\necho ${evr} >%{buildroot}${path}`
  writeFileSync(
    spec,
    `Name: ${name}
Epoch: ${epoch}
Version: ${version}
Release: ${release}
Summary: stub
License: none
BuildArch: noarch
%description
stub
%install
${install}
%files
${path ?? ''}
`,
  )
  run('rpmbuild', ['-bb', '--define', `_topdir ${folder}`, '--define', `_rpmdir ${folder}/out`, spec])
  return join(folder, `out/noarch/${name}-${version}-${release}.noarch.rpm`)
}

function makeRoot(folder, name, packages) {
  const root = join(folder, name)
  for (const one of ['run', 'var/spool', 'var/lib/rpm', 'etc', 'tmp'])
    mkdirSync(join(root, one), { recursive: true })
  const rpm = (...args) => run('rpm', ['--root', root, '--dbpath', '/var/lib/rpm', ...args])
  rpm('--initdb')
  rpm('-i', ...packages)
  return rpm
}

const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]

/** Prints the ratio; says why not where it cannot be measured. */
export function reportTrigger() {
  if (process.getuid?.() !== 0) {
    console.log('update of Xen with the trigger: not measured, a root of its own needs root')
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'aem-reseal-trigger-'))
  try {
    run(process.execPath, ['tools/package.mjs', '--release', '1', '--out', join(folder, 'own')])
    const own = readdirSync(join(folder, 'own')).find((file) => file.endsWith('.rpm'))
    const needed = [
      buildStub(folder, 'nodejs', '1:22.11.0-1.fc41'),
      buildStub(folder, 'tpm2-tools', '0:5.7-2.fc41'),
    ]
    const xen = [1, 2].map((release) =>
      buildStub(folder, 'xen-hypervisor', `2001:4.19.3-${release}.fc41`, `/boot/xen-4.19.3-${release}.gz`),
    )
    const roots = [
      makeRoot(folder, 'with', [...needed, xen[0], join(folder, 'own', own)]),
      makeRoot(folder, 'without', [...needed, xen[0]]),
    ]
    const times = roots.map(() => [])
    for (let turn = 1; turn <= TURNS; turn++)
      for (const [at, rpm] of roots.entries()) {
        const begin = process.hrtime.bigint()
        rpm('-U', '--oldpackage', xen[turn % 2])
        times[at].push(Number(process.hrtime.bigint() - begin) / 1e6)
      }
    if (!existsSync(join(folder, 'with/var/spool/aem-reseal/update-mark')))
      throw new Error('the trigger left no mark')
    const [withIt, without] = times.map(median)
    console.log(
      `rpm -U of Xen with the trigger / without: ${withIt.toFixed(0)} ms / ${without.toFixed(0)} ms, ratio ${(withIt / without).toFixed(2)}, ${(withIt - without).toFixed(1)} ms more (median of ${TURNS})`,
    )
  } catch (error) {
    console.log(`update of Xen with the trigger: not measured, ${String(error).split('\n')[0]}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
