import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, inject, it } from 'vitest'
import { hostEnvironment, must, run } from '../stage/process.ts'
import { signerFingerprint, signingKey } from '../stage/rpm.ts'
import { ROOT } from '../support/sources.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { rpmIn } from './rpm-root.ts'

const { one } = inject('packages')
const NAME = 'aem-reseal-0.1.0-1'
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

type Component = {
  readonly group?: string
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly licenses: readonly { license: { id: string } }[]
}
const sbom = JSON.parse(readFileSync(join(one, `${NAME}.cdx.json`), 'utf8')) as {
  readonly bomFormat: string
  readonly specVersion: string
  readonly metadata: { readonly timestamp: string }
  readonly components: readonly Component[]
}
const fullName = ({ group, name }: Component): string => (group === undefined ? name : `${group}/${name}`)

/** Every package folder below node_modules, by name and version. */
const folders = new Map(
  readdirSync(join(ROOT, 'node_modules'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.name === 'package.json')
    .map((entry) => entry.parentPath.slice(ROOT.length).replace(/^\//, ''))
    .filter((folder) => /(^|\/)node_modules\/(@[^/]+\/)?[^/]+$/.test(folder))
    .map((folder) => {
      const { name, version } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'))
      return [`${name}@${version}`, folder] as const
    }),
)
const folderOf = (component: Component): string =>
  folders.get(`${fullName(component)}@${component.version}`) ?? `nowhere: ${fullName(component)}`

/** A clone of this repository in another place, with what is changed here and with the packages that the build needs. */
async function cloneTo(place: string, umask: string): Promise<void> {
  const git = (...args: readonly string[]) => must(['git', '-C', ROOT, ...args])
  await must(['sh', '-c', `umask ${umask} && git clone --quiet --no-hardlinks "$0" "$1"`, ROOT, place])
  const changed = await git('diff', '--name-only', '--diff-filter=d', 'HEAD')
  const others = await git('ls-files', '--others', '--exclude-standard')
  for (const file of `${changed}${others}`.split('\n').filter(Boolean)) {
    mkdirSync(dirname(join(place, file)), { recursive: true })
    cpSync(join(ROOT, file), join(place, file), { force: true })
  }
  // esbuild reads more packages than it takes code from.
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>
  }
  const needed = Object.keys(packages).filter((folder) => folder !== '' && packages[folder]?.dev !== true)
  for (const folder of [...needed, 'node_modules/esbuild', 'node_modules/@esbuild'])
    cpSync(join(ROOT, folder), join(place, folder), { recursive: true })
}

describe('two builds of one commit', () => {
  it('are the same bytes on two paths, by users with other settings, before signing', async () => {
    const places = [
      join(temporaryDirectory(), 'a'),
      join(temporaryDirectory(), 'a much longer/path of another'),
    ]
    const [first, second] = places as [string, string]
    await Promise.all([cloneTo(first, '022'), cloneTo(second, '077')])
    const home = temporaryDirectory()
    writeFileSync(
      join(home, '.rpmmacros'),
      '%packager Somebody\n%vendor Somewhere\n%dist .fc99\n%_buildhost there\n',
    )
    const build = (place: string, env: Record<string, string>) =>
      must([process.execPath, 'tools/package.mjs'], {
        env: { ...hostEnvironment(), ...env },
        cwd: place,
      })
    await build(first, {})
    await build(second, { HOME: home, TZ: 'Asia/Tokyo', LC_ALL: 'C.UTF-8', USER: 'somebody' })
    const names = (place: string): string[] => readdirSync(join(place, 'dist/package')).sort()
    expect(names(first)).toEqual([
      'SHA256SUMS',
      `${NAME}.cdx.json`,
      `${NAME}.files.sha256`,
      `${NAME}.noarch.rpm`,
    ])
    for (const name of names(first)) {
      const [a, b] = places.map((place) => readFileSync(join(place, 'dist/package', name)))
      expect([name, sha256(a as Buffer)]).toEqual([name, sha256(b as Buffer)])
    }
    const rpm = join(first, 'dist/package', `${NAME}.noarch.rpm`)
    const commit = (await must(['git', '-C', first, 'log', '-1', '--format=%ct'])).trim()
    const tags = await must(['rpm', '-qp', '--qf', '%{BUILDHOST} %{BUILDTIME} %{VENDOR} %{PACKAGER}', rpm])
    expect(tags).toBe(`reproducible ${commit} (none) The aem-reseal contributors`)
    const times = await must(['rpm', '-qp', '--qf', '[%{FILEMTIMES}\n]', rpm])
    expect(new Set(times.trim().split('\n'))).toEqual(new Set([commit]))
  })
})

describe('what lies beside the package', () => {
  it('is a list of digests that fits', async () => {
    const sums = readFileSync(join(one, 'SHA256SUMS'), 'utf8')
    expect(
      sums
        .trim()
        .split('\n')
        .map((line) => line.slice(66)),
    ).toEqual([`${NAME}.cdx.json`, `${NAME}.files.sha256`, `${NAME}.noarch.rpm`])
    await must(['sha256sum', '--check', '--quiet', 'SHA256SUMS'], { cwd: one })
  })

  it('has the digest of every file in the package', async () => {
    const query = '[%{FILEMODES:octal} %{FILEDIGESTS}  %{FILENAMES}\n]'
    const listed = (await must(['rpm', '-qp', '--qf', query, await rpmIn(one)])).trim().split('\n')
    const digests = listed
      .filter((line) => / [0-9a-f]{64} /.test(line))
      .map((line) => line.split(' ').slice(1).join(' '))
    // rpm gives the ghost a digest of nothing at all.
    expect(
      readFileSync(join(one, `${NAME}.files.sha256`), 'utf8')
        .trim()
        .split('\n')
        .sort(),
    ).toEqual(digests.sort())
    expect(digests.length).toBeGreaterThan(20)
  })
})

describe('the bill of materials', () => {
  let program: string
  beforeAll(() => {
    program = readFileSync(join(ROOT, 'dist/aem-reseal.mjs'), 'utf8')
  })

  it('is CycloneDX 1.5 with the time of the commit', async () => {
    expect([sbom.bomFormat, sbom.specVersion]).toEqual(['CycloneDX', '1.5'])
    const commit = Number(await must(['git', '-C', ROOT, 'log', '-1', '--format=%ct']))
    expect(Date.parse(sbom.metadata.timestamp)).toBe(commit * 1000)
  })

  it('lists exactly the packages that esbuild names in the bundle', () => {
    // esbuild writes the path of each file above its code where it does not minify.
    const inBundle = [...program.matchAll(/^\s*\/\/ (node_modules\/.*)\/?[^/]*$/gm)]
      .map(([, path]) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path ?? '')?.[1])
      .filter((folder) => folder !== undefined)
    expect([...new Set(inBundle)].sort()).toEqual(sbom.components.map(folderOf).sort())
    expect(sbom.components.length).toBeGreaterThan(10)
    for (const name of ['execa', 'zod', 'commander', '@inquirer/prompts'])
      expect(sbom.components.map(fullName)).toContain(name)
    for (const name of ['esbuild', 'vitest', 'fast-check'])
      expect(sbom.components.map(fullName)).not.toContain(name)
  })

  it('names each by purl, licence and the digest of package-lock.json', () => {
    const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
    for (const component of sbom.components) {
      const { purl, version, licenses } = component
      expect(decodeURIComponent(purl)).toBe(`pkg:npm/${fullName(component)}@${version}`)
      expect(licenses[0]?.license.id).toBe(lock.packages[folderOf(component)].license)
    }
  })
})

describe('licence texts', () => {
  it('of all that is bundled are in the package, byte for byte', async () => {
    const folder = temporaryDirectory()
    await must(['sh', '-c', 'rpm2cpio "$0" | cpio -idm --quiet', await rpmIn(one)], { cwd: folder })
    const texts = readdirSync(join(folder, 'usr/share/licenses/aem-reseal'))
    const inPackage = new Set(
      texts.map((name) => sha256(readFileSync(join(folder, 'usr/share/licenses/aem-reseal', name)))),
    )
    expect(texts).toContain('LICENSE')
    for (const component of sbom.components) {
      const own = readdirSync(join(ROOT, folderOf(component))).filter((name) =>
        /^(licen[cs]e|copying|notice)/i.test(name),
      )
      expect([fullName(component), own.length > 0]).toEqual([fullName(component), true])
      for (const name of own)
        expect([
          fullName(component),
          inPackage.has(sha256(readFileSync(join(ROOT, folderOf(component), name)))),
        ]).toEqual([fullName(component), true])
    }
    const licence = await must(['rpm', '-qp', '--qf', '%{LICENSE}', await rpmIn(one)])
    expect(new Set(licence.split(' AND '))).toEqual(
      new Set(['GPL-2.0-or-later', ...sbom.components.map(({ licenses }) => licenses[0]?.license.id)]),
    )
  })
})

/** rpmlint 2.4.0 (Debian 12) calls a package without a signature an error, so the signed one is looked at. */
async function expectNoLintErrors(rpm: string, database: string): Promise<void> {
  const home = temporaryDirectory()
  writeFileSync(join(home, '.rpmmacros'), `%_dbpath ${database}\n`)
  const env = { ...hostEnvironment(), HOME: home }
  const done = await run(['/usr/bin/rpmlint', rpm], { env, timeoutMs: 120_000 })
  // Its last line: `1 packages and 0 specfiles checked; 0 errors, 14 warnings, ...`.
  expect(done.stdout).toMatch(/1 packages and 0 specfiles checked; 0 errors, /)
  expect(done.stdout).not.toMatch(/: E: /)
}

describe('a signature', () => {
  it('is made by the key that the builder names, on a copy; rpm -K knows it, and rpmlint finds no error', async () => {
    const key = await signingKey()
    const out = temporaryDirectory()
    const fingerprint = await signerFingerprint()
    await must([process.execPath, 'tools/package.mjs', '--out', out, '--sign', fingerprint], {
      env: { ...hostEnvironment(), GNUPGHOME: key },
      cwd: ROOT,
    })
    await run(['gpgconf', '--kill', 'all'], { env: { ...hostEnvironment(), GNUPGHOME: key } })
    expect(readFileSync(join(out, `${NAME}.noarch.rpm`))).toEqual(
      readFileSync(join(one, `${NAME}.noarch.rpm`)),
    )
    const signed = join(out, 'signed', `${NAME}.noarch.rpm`)
    const database = join(temporaryDirectory(), 'db')
    const rpm = (...args: readonly string[]) => run(['rpm', '--dbpath', database, ...args])
    expect((await rpm('--initdb')).exit).toBe(0)
    expect((await rpm('-K', signed)).stdout).toContain('SIGNATURES NOT OK')
    expect((await rpm('--import', join(key, 'public.asc'))).exit).toBe(0)
    expect(await rpm('-K', signed)).toMatchObject({
      exit: 0,
      stdout: expect.stringContaining('digests signatures OK'),
    })
    const sums = readFileSync(join(out, 'SHA256SUMS'), 'utf8')
    await expectNoLintErrors(signed, database)
    expect(sums).toContain(`${sha256(readFileSync(signed))}  signed/${NAME}.noarch.rpm`)
  })
})
