import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { begin, type Namespace } from './namespace.ts'
import { type Finished, must, run } from './process.ts'

const here = import.meta.dirname
const PRODUCT = path.resolve(here, '../../dist/aem-reseal.mjs')
const SEAL_UNIT = 'aem/usr/lib/systemd/system/anti-evil-maid-seal.service'

/** A systemd of its own: the one stand-in of the stage that decides about a seal, here as the real thing. */
export interface RealSystemd {
  /** The command that enters its namespaces; a program and its arguments follow it. */
  enter: readonly string[]
  run: (argv: readonly string[], timeoutMs?: number) => Promise<Finished>
  must: (argv: readonly string[]) => Promise<string>
  write: (file: string, text: string) => Promise<void>
  end: () => Promise<void>
}

/** Names what is missing, with the way to get it. @throws Error */
function requireSystemd(): void {
  if (process.getuid?.() !== 0) throw new Error('a systemd of its own needs root: namespaces, mounts')
  if (!existsSync('/lib/systemd/systemd')) throw new Error('missing; next: apt-get install systemd')
  if (!existsSync(PRODUCT)) throw new Error('dist/aem-reseal.mjs is missing; next: npm run build')
}

/** AEM's seal unit with another program, so that a seal is a file that appears; basic.target wants it, as in dom0. */
async function writeUnits(folder: string): Promise<void> {
  const seal = await readFile(path.join(here, SEAL_UNIT), 'utf8')
  const bare = (name: string, more = ''): string =>
    `[Unit]\nDescription=${name}\nDefaultDependencies=no\n${more}`
  const units: Record<string, string> = {
    'anti-evil-maid-seal.service': seal.replace(/^ExecStart=.*$/m, 'ExecStart=/usr/bin/touch /run/sealed'),
    'stage.target': bare('stage'),
    'local-fs.target': bare('local-fs'),
    'basic.target': bare('basic', 'Wants=anti-evil-maid-seal.service\n'),
    'sysinit.target': bare('sysinit'),
    'shutdown.target': bare('shutdown'),
  }
  await mkdir(folder)
  for (const [name, text] of Object.entries(units)) await writeFile(path.join(folder, name), text)
}

/** Starts it, up to its first target; basic.target, which starts the seal, is left to the test. */
export async function startRealSystemd(): Promise<RealSystemd> {
  requireSystemd()
  const folder = await mkdtemp(path.join(tmpdir(), 'aem-systemd-'))
  const units = path.join(folder, 'units')
  await writeUnits(units)
  await mkdir(path.join(folder, 'layers'))
  const scripts = ['systemd-cgroup.sh', 'systemd.sh'].map((name) => path.join(here, 'namespace', name))
  const [outer = '', inner = ''] = scripts
  const namespace: Namespace = await begin(
    ['unshare', '--mount', 'bash', outer, folder, inner, process.execPath, PRODUCT, units],
    (pid) => [
      'nsenter',
      '--target',
      `${pid}`,
      '--mount',
      '--pid',
      '--cgroup',
      '--ipc',
      '--uts',
      '--wdns=/',
      '--',
    ],
  )
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TERM: 'xterm-256color' }
  const systemd: RealSystemd = {
    enter: namespace.enter,
    run: (argv, timeoutMs = 60_000) => run([...namespace.enter, ...argv], { env, timeoutMs }),
    must: (argv) => must([...namespace.enter, ...argv], { env }),
    write: async (file, text) => {
      await must([...namespace.enter, 'sh', '-c', 'mkdir -p "$(dirname "$1")" && cat >"$1"', '-', file], {
        env,
        input: text,
      })
    },
    end: async () => {
      await namespace.end()
      await rm(folder, { recursive: true, force: true })
    },
  }
  try {
    await isUp(systemd)
    return systemd
  } catch (error) {
    await systemd.end()
    throw error
  }
}

async function isUp(systemd: RealSystemd): Promise<void> {
  for (let n = 0; n < 100; n++) {
    const { stdout } = await systemd.run(['systemctl', 'is-active', 'stage.target'])
    if (stdout.trim() === 'active') return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('systemd did not come up in its namespaces')
}
