// What the package holds. One line a file: where it comes from, where it goes, its mode, and how rpm marks it.
import { readdir } from 'node:fs/promises'

const LIB = '/usr/lib/aem-reseal'
const LIBEXEC = '/usr/libexec/aem-reseal'
const DOC = '/usr/share/doc/aem-reseal'
const SHARE = '/usr/share'

/**
 * Sources are paths in this repository; `build/` stands for what the build just made.
 *
 * @type {readonly { source: string, destination: string, mode: number, mark?: '%doc' | '%license' | '%config(noreplace)' }[]}
 */
export const FILES = [
  { source: 'build/aem-reseal.mjs', destination: `${LIB}/aem-reseal.mjs`, mode: 0o755 },
  { source: 'build/launch.cjs', destination: `${LIB}/launch.cjs`, mode: 0o755 },
  { source: 'build/update-mark.lua', destination: `${LIB}/update-mark.lua`, mode: 0o644 },
  { source: 'packaging/notice/notice', destination: `${LIBEXEC}/notice`, mode: 0o755 },
  { source: 'packaging/notice/in-terminal', destination: `${LIBEXEC}/in-terminal`, mode: 0o755 },
  {
    source: 'packaging/notice/aem-reseal-notice.desktop',
    destination: '/etc/xdg/autostart/aem-reseal-notice.desktop',
    mode: 0o644,
    mark: '%config(noreplace)',
  },
  {
    source: 'packaging/notice/profile.sh',
    destination: '/etc/profile.d/aem-reseal.sh',
    mode: 0o644,
    mark: '%config(noreplace)',
  },
  ...['README.md', 'CHANGELOG.md', 'docs/install.md', 'docs/guide.md', 'docs/security-model.md'].map(toDoc),
  ...['docs/contract.md', 'docs/commands.md'].map(toDoc),
  toShell('bash-completion/completions/aem-reseal'),
  toShell('zsh/site-functions/_aem-reseal'),
  toShell('fish/vendor_completions.d/aem-reseal.fish'),
  toShell('man/man1/aem-reseal.1', '%doc'),
  toShell('man/man8/aem-reseal-gate.8', '%doc'),
  { source: 'LICENSE', destination: '/usr/share/licenses/aem-reseal/LICENSE', mode: 0o644, mark: '%license' },
]

/** Links in the package: the place in PATH leads to the launcher; the gate's drop-in names the program itself. */
export const LINKS = [{ destination: '/usr/bin/aem-reseal', target: '../lib/aem-reseal/launch.cjs' }]

/** Directories that are the package's own, gone with it. */
export const DIRECTORIES = [
  '/etc/aem-reseal',
  LIB,
  LIBEXEC,
  DOC,
  '/usr/share/licenses/aem-reseal',
  '/var/spool/aem-reseal',
]

function toDoc(source) {
  const name = source.split('/').at(-1)
  return { source, destination: `${DOC}/${name}`, mode: 0o644, mark: '%doc' }
}

/** A file of tools/generate-shell-files.mjs. @param {string} path below /usr/share */
function toShell(path, mark) {
  return {
    source: `build/shell/${path}`,
    destination: `${SHARE}/${path}`,
    mode: 0o644,
    ...(mark && { mark }),
  }
}

/**
 * The licence text of each package whose code is in the bundle.
 *
 * @param {readonly { name: string, version: string, folder: string }[]} packages @param {URL} top
 * @returns {Promise<typeof FILES>} @throws when a package brings none
 */
export async function listLicenceFiles(packages, top) {
  const files = []
  for (const { name, version, folder } of packages) {
    const texts = (await readdir(new URL(`${folder}/`, top))).filter((file) =>
      /^(licen[cs]e|copying|notice)/i.test(file),
    )
    if (texts.length === 0) throw new Error(`${name} brings no licence text`)
    for (const text of texts.sort())
      files.push({
        source: `${folder}/${text}`,
        destination: `/usr/share/licenses/aem-reseal/${name.replace('/', '-')}-${version}-${text}`,
        mode: 0o644,
        mark: '%license',
      })
  }
  return files
}
