// Runs rpmbuild and rpmsign.
import { execFile } from 'node:child_process'
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * What of the builder's machine would get into the package is set here: rpm's own settings of Debian and Fedora differ, and
 * anybody may have some in ~/.rpmmacros.
 */
const FIXED = {
  _buildhost: 'reproducible',
  // rpm up to 4.19; build_mtime_policy is what newer ones call the second.
  use_source_date_epoch_as_buildtime: '1',
  clamp_mtime_to_source_date_epoch: '1',
  build_mtime_policy: 'clamp_to_source_date_epoch',
  _target_platform: 'noarch-linux',
  _target_os: 'linux',
  optflags: '-O2',
  _binary_payload: 'w9.gzdio',
  _binary_filedigest_algorithm: '8',
  _build_id_links: 'none',
  debug_package: '%{nil}',
  __os_install_post: '%{nil}',
  _unpackaged_files_terminate_build: '1',
  source_date_epoch_from_changelog: '0',
}
const UNSET = ['vendor', 'distribution', 'disturl', 'bugurl', 'dist', 'distsuffix', 'disttag']

/**
 * @param {string} top the repository
 * @returns {Promise<{ epoch: number, isDirty: boolean }>} seconds since 1970 of the commit, or of SOURCE_DATE_EPOCH where
 *   there is no git @throws where there is neither
 */
export async function describeSource(top) {
  const git = (...args) => run('git', ['-C', top, ...args]).then(({ stdout }) => stdout.trim())
  const given = process.env.SOURCE_DATE_EPOCH
  const epoch = given ?? (await git('log', '-1', '--format=%ct').catch(() => ''))
  if (!/^[0-9]{1,10}$/.test(epoch))
    throw new Error('the time of the commit is not known: build in a clone, or set SOURCE_DATE_EPOCH')
  const changes = await git('status', '--porcelain').catch(() => '')
  return { epoch: Number(epoch), isDirty: changes !== '' }
}

/** @returns {Promise<string>} path of the package */
export async function buildRpm({ spec, staging, work, epoch }) {
  const file = join(work, 'aem-reseal.spec')
  await writeFile(file, spec)
  const own = {
    staging,
    _topdir: join(work, 'top'),
    _tmppath: join(work, 'tmp'),
    _dbpath: join(work, 'db'),
    _rpmdir: join(work, 'rpms'),
    _rpmfilename: '%{name}-%{version}-%{release}.%{arch}.rpm',
  }
  const define = Object.entries({ ...FIXED, ...own }).flatMap(([name, value]) => [
    '--define',
    `${name} ${value}`,
  ])
  const unset = UNSET.map((name) => `--undefine=${name}`)
  await mkdir(join(work, 'home'))
  const env = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C',
    TZ: 'UTC',
    HOME: join(work, 'home'),
    SOURCE_DATE_EPOCH: String(epoch),
  }
  await say('rpmbuild', ['-bb', '--quiet', ...unset, ...define, file], env)
  const [name] = await readdir(own._rpmdir)
  return join(own._rpmdir, name)
}

/** A signed copy: the unsigned file stays as it is, to be compared. @param {string} key as `gpg --local-user` takes it */
export async function signRpm(rpm, folder, key) {
  await mkdir(folder, { recursive: true })
  const copy = join(folder, basename(rpm))
  await copyFile(rpm, copy)
  const defines = [`_gpg_name ${key}`, '__gpg /usr/bin/gpg', '_gpg_digest_algo sha256']
  const define = defines.flatMap((each) => ['--define', each])
  await say('rpmsign', [...define, '--addsign', copy], process.env)
}

async function say(program, args, env) {
  const done = await run(program, args, { env, maxBuffer: 16 << 20 }).catch((error) => {
    const next = error.code === 'ENOENT' ? `: install ${program}` : ''
    throw new Error(`${program} failed${next}\n${error.stdout ?? ''}${error.stderr ?? error.message}`)
  })
  // rpmbuild leaves out a scriptlet that it cannot read, says so, and ends with 0.
  if (program === 'rpmbuild' && done.stderr !== '') throw new Error(`rpmbuild says:\n${done.stderr}`)
}
