import { type CommandCall, command } from '../../commands.ts'
import { Failure } from '../../core/failure.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { makeFailure } from '../../messages.ts'
import { checkGrub } from '../../observe/boot-device.ts'
import type { KnownFile } from '../../observe/known-files.ts'
import type { ObservedRefresh } from '../../observe/refresh.ts'
import type { Ui } from '../../ui/ui.ts'

/** Beside the old ones; AEM's GRUB script and dracut's names take none of them for a boot file. */
const GRUB_BESIDE = 'aem-reseal-grub.cfg'
const initramfsBeside = (kernel: string): string => `aem-reseal-${kernel}.img`

/**
 * Brings a device up to date. What can fail for long reasons comes first and beside: the initramfs, made as
 * anti-evil-maid-install makes that of an external device. Then each file is replaced in one rename, Xen last of the
 * images, grub.cfg last of all. Whenever it ends, every file on the device is whole; a run that ended half-way is done anew.
 *
 * @returns what was made from dom0's own files
 * @throws Failure `refresh-failed`
 */
export async function refreshFiles(
  host: Host,
  ui: Pick<Ui, 'progress'>,
  observed: ObservedRefresh,
): Promise<readonly KnownFile[]> {
  const { device, plan } = observed
  const media = valueOrNull(
    await host.openMedia({ uuid: device.uuid ?? '', mountPoint: device.mountPoint, write: true }),
  )
  if (media === null) throw failure(`${device.label} could not be opened for writing`)
  const { root } = media
  try {
    const made: KnownFile[] = []
    for (const { kernel } of plan.initramfs)
      made.push(
        await ui.progress(`making the initramfs of ${kernel} (some minutes)`, () =>
          makeInitramfs(host, root, kernel),
        ),
      )
    const order = ['config', 'kernel', 'tboot', 'xen']
    for (const file of plan.copies.toSorted((a, b) => order.indexOf(a.role) - order.indexOf(b.role)))
      await ui.progress(`copying ${file.name}`, () =>
        host.copyFile(`/boot/${file.name}`, `${root}/${file.name}`, file.sha256),
      )
    for (const { kernel } of plan.initramfs)
      await host.renameFile(`${root}/${initramfsBeside(kernel)}`, `${root}/initramfs-${kernel}.img`)
    await runOrThrow(host, command('sync-filesystem', { path: root }))
    if (plan.makesGrubConfig) await ui.progress('making grub.cfg', () => makeGrubConfig(host, root, observed))
    await runOrThrow(host, command('sync-filesystem', { path: root }))
    return made
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    await removeBeside(host, root, observed)
    throw error
  } finally {
    await media.close()
  }
}

async function makeInitramfs(host: Host, root: string, kernel: string): Promise<KnownFile> {
  const beside = `${root}/${initramfsBeside(kernel)}`
  await host.removeFile(beside)
  await runOrThrow(host, command('make-initramfs', { file: beside, kernel }))
  const digests = valueOrNull(await host.digestFile(beside))
  if (digests === null || digests.sizeBytes === 0) throw failure(`dracut left no initramfs for ${kernel}`)
  return { name: `initramfs-${kernel}.img`, sha256: digests.sha256 }
}

/** Made beside, read as GRUB would, and only then put in place: GRUB finds the old one or a good new one. */
async function makeGrubConfig(host: Host, root: string, { device }: ObservedRefresh): Promise<void> {
  const beside = `${root}/grub2/${GRUB_BESIDE}`
  await host.removeFile(beside)
  await runOrThrow(host, command('make-grub-config', { mountPoint: root, name: GRUB_BESIDE }))
  const check = await checkGrub(host, root, device, beside)
  if (check.state !== 'current')
    throw failure(`the new grub.cfg has no good AEM entry for this device: ${check.against} (${check.state})`)
  await host.renameFile(beside, `${root}/grub2/grub.cfg`)
}

async function removeBeside(host: Host, root: string, { plan }: ObservedRefresh): Promise<void> {
  const left = [
    `${root}/grub2/${GRUB_BESIDE}`,
    ...plan.initramfs.map(({ kernel }) => `${root}/${initramfsBeside(kernel)}`),
  ]
  // The device may be gone: what lies beside is no boot file and is removed by the next run.
  for (const path of left) await host.removeFile(path).catch(() => undefined)
}

async function runOrThrow(host: Host, call: CommandCall): Promise<void> {
  const run = await host.run(call)
  if (run.state === 'seen' && run.value.exit === 0) return
  const program = call.argv[0] ?? ''
  if (run.state === 'absent') throw failure(`${program} is not installed`)
  if (run.state === 'unknown') throw failure(run.why)
  throw failure(`${program} ended with ${run.value.exit}`, run.value.stderr.trim())
}

function failure(what: string, verbatim?: string): Failure {
  return makeFailure('refresh-failed', { what }, verbatim)
}
