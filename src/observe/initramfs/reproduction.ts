/* Long: one look that must stay whole: work directory, dracut, both images, and what is left behind are undone together. */

import { compareImages, type RawDifference } from '../../core/initramfs/compare-images.ts'
import {
  compareModules,
  hasModuleDifference,
  listModules,
  parseModulesDep,
  renderModuleList,
} from '../../core/initramfs/kernel-modules.ts'
import type { InitramfsImage } from '../../core/initramfs/read-image.ts'
import type { FreshImage, Reproduction } from '../../core/initramfs/reproduction.ts'
import { impossible } from '../../core/initramfs/reproduction-words.ts'
import { type DracutCall, describeDracutCall, findDracutCall } from '../../core/initramfs/words.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { type CommandId, command, isKernelRelease } from '../../tables/commands.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { readTextOrNull } from '../read-text.ts'
import { observeConfigObstacle } from './dracut-config.ts'
import { readInitramfs } from './image.ts'
import { observeOrigins } from './origins.ts'

export type ReproductionRequest = {
  /** The image now, on a device that is mounted. */
  readonly path: string
  /** As GRUB names it: `/initramfs-RELEASE.img`. */
  readonly name: string
  readonly kernelRelease: string
  /** Of the stored bytes that were predicted, lower-case hex. */
  readonly sha256: string
}

/** An initramfs of more is none; the largest seen has some 100 MB. */
const MAX_IMAGE_BYTES = 1024 * 1024 * 1024
/** dracut builds the tree, its own copy of the image and early archive below /var/tmp (dracut(8), --tmpdir). */
const TREE_FACTOR = 4
const SPARE_BYTES = 16 * 1024 * 1024

const DRACUT: Readonly<Record<DracutCall, CommandId & `reproduce-initramfs-${string}`>> = {
  force: 'reproduce-initramfs-force',
  f: 'reproduce-initramfs-f',
  'f-kver': 'reproduce-initramfs-f-kver',
  'kver-force': 'reproduce-initramfs-kver-force',
}

/**
 * Makes an initramfs again and compares it byte for byte: the one proof that there is of an image that no package has a digest
 * of. The image itself gives hints alone: the words dracut was called with and the names of kernel modules.
 *
 * A `fresh` file stays until the host is closed or `disposeFresh` is called.
 * @param onProgress told what is being done; the whole takes 7 to 70 s
 */
export async function reproduceInitramfs(
  dom0: Dom0,
  request: ReproductionRequest,
  onProgress: (what: string) => void = () => undefined,
): Promise<Reproduction> {
  const { host } = dom0
  const { kernelRelease: release } = request
  if (!host.writable) return impossible('read-only-machine', '')
  if (!isKernelRelease(release) || request.name !== `/initramfs-${release}.img`)
    return impossible('name', request.name)
  onProgress('reading the initramfs')
  const checked = await readChecked(host, request)
  if ('state' in checked) return checked
  const call = findCall(checked, release)
  if (call.call === null) return impossible('words-unknown', call.words)
  const known = await readTextOrNull(host, `/lib/modules/${release}/modules.dep`)
  if (known === null) return impossible('kernel-missing', `/lib/modules/${release}/modules.dep is not there`)
  const work = await host.makeWorkDirectory()
  const lacking = await observeLackingSpace(host, work.root, checked.sizeBytes)
  let result = lacking
  try {
    result ??= await compareWithFresh(dom0, request, checked, {
      call: call.call,
      directory: work.root,
      knownModules: parseModulesDep(known),
      onProgress,
    })
    return result
  } finally {
    const keeps = result !== null && 'fresh' in result && result.fresh !== null
    if (!keeps) await work.close()
  }
}

/** Removes the file of a reproduction that nobody wants any more. */
export async function disposeFresh(host: Host, reproduction: Reproduction): Promise<void> {
  if ('fresh' in reproduction && reproduction.fresh !== null) await host.removeFile(reproduction.fresh.path)
}

type Work = {
  readonly call: DracutCall
  readonly directory: string
  readonly knownModules: ReadonlySet<string>
  readonly onProgress: (what: string) => void
}

async function compareWithFresh(
  dom0: Dom0,
  { kernelRelease: release, sha256 }: ReproductionRequest,
  checked: InitramfsImage,
  work: Work,
): Promise<Reproduction> {
  const { host } = dom0
  const words = describeDracutCall(work.call, release)
  work.onProgress('making the initramfs again by dracut (some 10 to 40 seconds)')
  const first = await makeFresh(host, release, work, null)
  if ('state' in first) return first
  if (first.sha256 === sha256) return { state: 'same', words, sha256 }
  const fresh = await readFresh(host, first)
  if ('state' in fresh) return fresh
  const differences = compareImages(checked, fresh)
  const names = listModules(checked.main, release)
  const isTried =
    hasModuleDifference(differences, release) && names?.every((name) => work.knownModules.has(name)) === true
  if (isTried && names !== null) {
    work.onProgress("making it once more with the checked image's kernel modules")
    const second = await makeFresh(host, release, work, names)
    if ('state' in second) return second
    if (second.sha256 === sha256) {
      const modules = compareModules(names, listModules(fresh.main, release) ?? [])
      return { state: 'same-with-modules', words, sha256, modules }
    }
    await host.removeFile(second.path)
  }
  return explainDifferent(dom0, first, differences)
}

async function explainDifferent(
  dom0: Dom0,
  fresh: FreshImage,
  differences: readonly RawDifference[],
): Promise<Reproduction> {
  const { host } = dom0
  const obstacle = await observeConfigObstacle(host)
  if (obstacle !== null) return impossible('not-reproducible', obstacle, fresh)
  return {
    state: 'different',
    differences: await observeOrigins(dom0, differences),
    total: differences.length,
    fresh,
  }
}

/** Reads the image once: its digest and the hints are of the same bytes. */
async function readChecked(
  host: Host,
  { path, name, sha256 }: ReproductionRequest,
): Promise<InitramfsImage | Reproduction> {
  const size = valueOrNull(await host.statFile(path))?.sizeBytes
  if (size !== undefined && size > MAX_IMAGE_BYTES) return impossible('too-large', name)
  const image = await readInitramfs(host, path)
  if (typeof image === 'string') return impossible('unreadable', image)
  if (image.sha256 !== sha256) return impossible('not-the-predicted', name)
  if (image.missing !== null) return impossible('unpacker-missing', image.missing)
  const [form] = image.odd
  return form === undefined ? image : { state: 'odd-form', form }
}

async function readFresh(host: Host, { path }: FreshImage): Promise<InitramfsImage | Reproduction> {
  const image = await readInitramfs(host, path)
  if (typeof image === 'string') return impossible('unreadable', image)
  if (image.missing !== null) return impossible('unpacker-missing', image.missing)
  if (image.main.has('squash-root.img') || image.main.has('squashfs-root.img'))
    return impossible('not-reproducible', 'dracut here uses the module squash, whose images differ each time')
  const [form] = image.odd
  return form === undefined ? image : impossible('own-result-odd', form)
}

function findCall(image: InitramfsImage, release: string): { call: DracutCall | null; words: string } {
  const file = [...image.main].find(([path]) => /^(usr\/)?lib\/dracut\/build-parameter\.txt$/.test(path))
  const words = file?.[1].content?.toString('latin1') ?? null
  if (words === null) return { call: null, words: 'lib/dracut/build-parameter.txt is not in it' }
  return { call: findDracutCall(words, release), words: JSON.stringify(words.trim().slice(0, 200)) }
}

async function makeFresh(
  host: Host,
  release: string,
  { call, directory }: Work,
  modules: readonly string[] | null,
): Promise<FreshImage | Reproduction> {
  const path = `${directory}/${modules === null ? 'fresh' : 'fresh-with-modules'}.img`
  // Where the list is not there dracut makes its own, of the modules that are loaded.
  const list = `${directory}/modules`
  if (modules !== null) await host.writeFileAtomic(list, Buffer.from(renderModuleList(modules)), 0o600)
  const run = await host.run(command(DRACUT[call], { file: path, kernel: release, modules: list }))
  if (run.state === 'absent') return impossible('dracut-failed', 'dracut is not installed')
  if (run.state === 'unknown') return impossible('dracut-failed', run.why)
  const said = run.value.stderr.trim().split('\n').slice(-3).join('; ').slice(0, 500)
  if (run.value.exit !== 0)
    return impossible(
      /No space left on device/i.test(run.value.stderr) ? 'no-space' : 'dracut-failed',
      said || `it ended with ${run.value.exit}`,
    )
  const digests = valueOrNull(await host.digestFile(path))
  if (digests === null || digests.sizeBytes === 0) return impossible('dracut-failed', 'it left no image')
  return { path, sha256: digests.sha256 }
}

async function observeLackingSpace(
  host: Host,
  directory: string,
  sizeBytes: number,
): Promise<Reproduction | null> {
  // Two images at the most, and dracut's tree.
  for (const [path, needed] of [
    [directory, 2 * sizeBytes + SPARE_BYTES],
    ['/var/tmp', TREE_FACTOR * sizeBytes + SPARE_BYTES],
  ] as const) {
    const free = valueOrNull(await host.freeBytes(path))
    const inMib = (bytes: number): number => Math.ceil(bytes / 1024 / 1024)
    if (free !== null && free < needed)
      return impossible('no-space', `${path} has ${inMib(free)} MiB, and ${inMib(needed)} are needed`)
  }
  return null
}
