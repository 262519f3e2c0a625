// Builds the RPM package with its bill of materials and its lists of digests, into dist/package/.
//
//   npm run package                       unsigned: the same bytes for the same commit, wherever it is built
//   npm run package -- --sign KEY         and a copy in dist/package/signed/, signed by that key of gpg
//   npm run package -- --release 2        another release number of the same version
//   npm run package -- --out DIR          into that directory, which is emptied first
import { createHash } from 'node:crypto'
import {
  copyFile,
  lutimes,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { buildProgram } from './build.mjs'
import { generateShellFiles } from './generate-shell-files.mjs'
import { listBundledPackages } from './package/bundled.mjs'
import { FILES, LINKS, listLicenceFiles } from './package/files.mjs'
import { buildRpm, describeSource, signRpm } from './package/rpm.mjs'
import { renderSbom } from './package/sbom.mjs'
import { renderSpec } from './package/spec.mjs'

const TOP = new URL('../', import.meta.url)

const { values: options } = parseArgs({
  options: {
    sign: { type: 'string' },
    release: { type: 'string', default: '1' },
    out: { type: 'string', default: fileURLToPath(new URL('dist/package', TOP)) },
  },
})
if (!/^[0-9]+(\.[0-9A-Za-z]+)*$/.test(options.release))
  throw new Error(`no release number: ${options.release}`)

const { version, license } = JSON.parse(await readFile(new URL('package.json', TOP), 'utf8'))
const source = await describeSource(fileURLToPath(TOP))
if (source.isDirty) console.error('the tree has changes that are not committed: this package is of no commit')

const out = resolve(options.out)
const work = await mkdtemp(join(tmpdir(), 'aem-reseal-package-'))
try {
  await rm(out, { recursive: true, force: true })
  await mkdir(out, { recursive: true })
  const metafile = await buildProgram(join(work, 'aem-reseal.mjs'))
  const bundled = await listBundledPackages(metafile, TOP)
  const files = [...FILES, ...(await listLicenceFiles(bundled, TOP))]
  const licences = [...new Set(bundled.map((each) => each.license))].sort()
  const expression = [license, ...licences.filter((each) => each !== license)].join(' AND ')
  const { spec, markLua, launcher } = await renderSpec(TOP, {
    version,
    release: options.release,
    license: expression,
    epoch: source.epoch,
    files,
  })
  await writeFile(join(work, 'update-mark.lua'), markLua)
  await writeFile(join(work, 'launch.cjs'), launcher)
  await writeShellFiles(join(work, 'shell'))
  const staging = join(work, 'staging')
  await stage(files, staging)
  const rpm = await buildRpm({ spec, staging, work, epoch: source.epoch })
  const name = `aem-reseal-${version}-${options.release}`
  await copyFile(rpm, join(out, `${name}.noarch.rpm`))
  const program = await digest(join(work, 'aem-reseal.mjs'))
  const sbom = renderSbom({ version, license, epoch: source.epoch, programSha256: program }, bundled)
  await writeFile(join(out, `${name}.cdx.json`), sbom)
  await writeFile(join(out, `${name}.files.sha256`), await listDigests(files, staging))
  if (options.sign !== undefined)
    await signRpm(join(out, `${name}.noarch.rpm`), join(out, 'signed'), options.sign)
  await writeSums(out)
} finally {
  await rm(work, { recursive: true, force: true })
}

/** Completions and manual pages, dated as the package is. */
async function writeShellFiles(folder) {
  process.env.SOURCE_DATE_EPOCH = String(source.epoch)
  for (const [path, text] of await generateShellFiles()) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
}

/** Every file in its place, with the time of the commit. */
async function stage(files, staging) {
  for (const { source: from, destination } of files) {
    const to = join(staging, destination)
    await mkdir(dirname(to), { recursive: true })
    await copyFile(
      from.startsWith('build/') ? join(work, from.slice('build/'.length)) : new URL(from, TOP),
      to,
    )
    await lutimes(to, source.epoch, source.epoch)
  }
  for (const { destination, target } of LINKS) {
    const to = join(staging, destination)
    await mkdir(dirname(to), { recursive: true })
    await symlink(target, to)
    await lutimes(to, source.epoch, source.epoch)
  }
  for (const path of ['etc/aem-reseal', 'var/spool/aem-reseal', 'var/cache/aem-reseal'])
    await mkdir(join(staging, path), { recursive: true })
}

async function digest(path) {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}

/** The digests of the installed files, for `sha256sum -c` in dom0, and to compare builds of unlike versions of rpm. */
async function listDigests(files, staging) {
  const lines = []
  for (const { destination } of files)
    lines.push(`${await digest(join(staging, destination))}  ${destination}\n`)
  return lines.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join('')
}

async function writeSums(folder) {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
  const lines = []
  for (const name of names) lines.push(`${await digest(join(folder, name))}  ${name}\n`)
  await writeFile(join(folder, 'SHA256SUMS'), lines.join(''))
  process.stdout.write(lines.join(''))
}
