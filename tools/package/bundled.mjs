// Which packages' code is in the bundle, from esbuild's metafile.
import { readFile } from 'node:fs/promises'

/**
 * @typedef {{ name: string, version: string, license: string, folder: string, integrity: string }} BundledPackage
 *   `integrity`: SHA-512 of its archive, lower-case hex, as package-lock.json has it
 */

/**
 * Only what came into the output counts: esbuild reads files that it leaves out again.
 *
 * @param {import('esbuild').Metafile} metafile @param {URL} top the repository
 * @returns {Promise<readonly BundledPackage[]>} in the order of their folders
 */
export async function listBundledPackages(metafile, top) {
  const [output] = Object.values(metafile.outputs)
  const used = Object.entries(output.inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0)
  const folders = new Set(used.map(([path]) => packageFolderOf(path)).filter((folder) => folder !== null))
  const lock = JSON.parse(await readFile(new URL('package-lock.json', top), 'utf8'))
  const packages = []
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(
      await readFile(new URL(`${folder}/package.json`, top), 'utf8'),
    )
    const locked = lock.packages[folder]
    if (locked?.version !== version)
      throw new Error(`${folder} is ${version}, package-lock.json says ${locked?.version}: run npm ci`)
    if (typeof license !== 'string') throw new Error(`${folder} names no licence`)
    const [, sha512] = /^sha512-(\S+)$/.exec(locked.integrity ?? '') ?? []
    if (sha512 === undefined) throw new Error(`package-lock.json has no SHA-512 of ${folder}`)
    packages.push({
      name,
      version,
      license,
      folder,
      integrity: Buffer.from(sha512, 'base64').toString('hex'),
    })
  }
  return packages
}

/** `node_modules/a/node_modules/@b/c/d.js` is of `node_modules/a/node_modules/@b/c`; null for the program's own files. */
export function packageFolderOf(path) {
  return /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? null
}
