import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { hostEnvironment, must } from './process.ts'
import type { PackageSpec } from './releases.ts'

/** Folder of what was built before; every entry's name holds a digest of all that went into it. */
const CACHE = path.join(tmpdir(), 'aem-reseal-stage-cache')
const SIGNER = 'Stage Test Signing Key <stage@example.invalid>'

/**
 * Gives the folder of something that takes long to make, making it when it is not there.
 * Two runs at the same time both make it; the first rename wins.
 */
export async function cached(
  kind: string,
  inputs: readonly (string | Buffer)[],
  make: (folder: string) => Promise<void>,
) {
  const hash = createHash('sha256')
  for (const input of inputs) hash.update(createHash('sha256').update(input).digest())
  const folder = path.join(CACHE, `${kind}-${hash.digest('hex').slice(0, 20)}`)
  if (existsSync(folder)) return folder
  await mkdir(CACHE, { recursive: true, mode: 0o700 })
  const draft = await mkdtemp(path.join(CACHE, 'draft-'))
  try {
    await make(draft)
    await rename(draft, folder).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
      await rm(draft, { recursive: true })
    })
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    throw error
  }
  return folder
}

/** A signing key for tests, in a gpg folder of its own; `public.asc` is its public half. */
export async function signingKey(): Promise<string> {
  return cached('gpg', ['rsa3072 1', SIGNER], async (folder) => {
    await chmod(folder, 0o700)
    const env = { ...hostEnvironment(), GNUPGHOME: folder }
    await must(
      [
        'gpg',
        '--batch',
        '--pinentry-mode',
        'loopback',
        '--passphrase',
        '',
        '--quick-gen-key',
        SIGNER,
        'rsa3072',
        'sign',
        'never',
      ],
      { env },
    )
    await writeFile(
      path.join(folder, 'public.asc'),
      await must(['gpg', '--batch', '--armor', '--export'], { env }),
    )
    await must(['gpgconf', '--kill', 'all'], { env })
  })
}

/** Fingerprint of the test signing key, upper-case hex. */
export async function signerFingerprint(): Promise<string> {
  const env = { ...hostEnvironment(), GNUPGHOME: await signingKey() }
  const listing = await must(['gpg', '--batch', '--with-colons', '--fingerprint'], { env })
  const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(listing)?.[1]
  if (!fingerprint) throw new Error(`no fingerprint in ${listing}`)
  return fingerprint
}

function specText(spec: PackageSpec): string {
  const files = Object.entries(spec.files).map(([file, entry]) => {
    if (entry === null) return `%ghost %attr(0600,root,root) ${file}`
    return `%attr(${(entry.mode ?? 0o644).toString(8).padStart(4, '0')},root,root) ${file}`
  })
  return [
    `Name: ${spec.name}`,
    ...(spec.epoch === undefined ? [] : [`Epoch: ${spec.epoch}`]),
    `Version: ${spec.version}`,
    `Release: ${spec.release}`,
    `Summary: ${spec.summary ?? `${spec.name} for the stage`}`,
    'License: GPL-2.0-or-later',
    'BuildArch: x86_64',
    'AutoReqProv: no',
    '%description',
    'Made for tests.',
    '%install',
    'cp -a %{payload}/. %{buildroot}/',
    '%files',
    ...files,
    '',
  ].join('\n')
}

/** Builds and signs one package. @returns path of the .rpm */
export async function buildPackage(spec: PackageSpec): Promise<string> {
  const key = await signingKey()
  const contents = Object.values(spec.files).map((entry) => entry?.content ?? 'ghost')
  const folder = await cached(
    'rpm',
    [
      specText(spec),
      await readFile(path.join(key, 'public.asc')),
      await readFile(import.meta.filename),
      ...contents,
    ],
    (draft) => build(spec, draft, key),
  )
  const rpm = (await readdir(folder)).find((file) => file.endsWith('.rpm'))
  if (!rpm) throw new Error(`no package in ${folder}`)
  return path.join(folder, rpm)
}

async function build(spec: PackageSpec, draft: string, key: string): Promise<void> {
  const payload = path.join(draft, 'payload')
  await mkdir(payload)
  for (const [file, entry] of Object.entries(spec.files)) {
    const target = path.join(payload, file)
    await mkdir(path.dirname(target), { recursive: true })
    await writeFile(target, entry?.content ?? '')
    if (entry) await chmod(target, entry.mode ?? 0o644)
  }
  const specFile = path.join(draft, 'package.spec')
  await writeFile(specFile, specText(spec))
  const defines = {
    _topdir: path.join(draft, 'top'),
    _rpmdir: draft,
    _rpmfilename: '%{name}-%{version}-%{release}.x86_64.rpm',
    _tmppath: path.join(draft, 'tmp'),
    payload,
    _build_id_links: 'none',
    debug_package: '%{nil}',
    __os_install_post: '%{nil}',
    _binary_payload: 'w1.gzdio',
    _buildhost: 'stage',
    _dbpath: path.join(draft, 'db'),
  }
  const define = Object.entries(defines).flatMap(([name, value]) => ['--define', `${name} ${value}`])
  const env = { ...hostEnvironment(), HOME: draft, GNUPGHOME: key }
  await must(['rpmbuild', '-bb', '--quiet', '--target', 'x86_64-linux', ...define, specFile], { env })
  const rpm = (await readdir(draft)).find((file) => file.endsWith('.rpm'))
  if (!rpm) throw new Error(`rpmbuild made no package of ${spec.name}`)
  // One at a time: gpg's agent is shared, and ended below.
  const alone = ['flock', path.join(CACHE, 'sign.lock')]
  await must(
    [
      ...alone,
      'rpmsign',
      '--define',
      `_gpg_name ${SIGNER}`,
      '--define',
      `_gpg_path ${key}`,
      '--define',
      '__gpg /usr/bin/gpg',
      '--define',
      '_gpg_digest_algo sha256',
      '--addsign',
      path.join(draft, rpm),
    ],
    { env },
  )
  await must([...alone, 'gpgconf', '--kill', 'all'], { env })
  for (const left of ['payload', 'top', 'tmp', 'db', 'package.spec', '.gnupg'])
    await rm(path.join(draft, left), { recursive: true, force: true })
}
