import type { Failure } from '../core/failure.ts'
import type { Host } from '../host/host.ts'
import { valueOrNull } from '../host/host.ts'
import { checkGrub } from '../observe/device/check-grub.ts'
import type { ObservedRefresh } from '../observe/device/refresh-needs.ts'
import type { Dom0 } from '../observe/dom0/dom0.ts'
import type { KnownFile } from '../observe/launch/measured-initramfs.ts'
import { type CommandCall, command } from '../tables/commands.ts'
import { makeFailure } from '../tables/failures.ts'
import type { Ui } from '../ui/ui.ts'

/** Beside the old one in grub2. */
const GRUB_BESIDE = 'aem-reseal-grub.cfg'

/**
 * Brings a device up to date. What takes long and can fail comes first: the initramfs, made as
 * anti-evil-maid-install makes that of an external device, but in dom0, so that it is known what was made. Then each file
 * is replaced in one rename, Xen last of the images, grub.cfg last of all. Whenever it ends, every file on the device is
 * whole; a run that ended half-way is done again.
 *
 * @returns what was made from dom0's own files
 * @throws Failure `refresh-failed`
 */
export async function refreshFiles(
  dom0: Dom0,
  ui: Pick<Ui, 'progress'>,
  observed: ObservedRefresh,
): Promise<readonly KnownFile[]> {
  const { host } = dom0
  const { device, plan } = observed
  const media = valueOrNull(
    await host.openMedia({ uuid: device.uuid ?? '', mountPoint: device.mountPoint, write: true }),
  )
  if (media === null) throw failure(`${device.label} could not be opened for writing`)
  const { root } = media
  const work = await host.makeWorkDirectory()
  try {
    const made: KnownFile[] = []
    for (const { kernel } of plan.initramfs)
      made.push(
        await ui.progress(`making the initramfs of ${kernel} (some minutes)`, () =>
          makeInitramfs(host, work.root, kernel),
        ),
      )
    const order = ['config', 'kernel', 'tboot', 'xen']
    const sources = plan.copies
      .toSorted((a, b) => order.indexOf(a.role) - order.indexOf(b.role))
      .map(({ name, sha256 }) => ({ from: `/boot/${name}`, name, sha256 }))
    for (const { from, name, sha256 } of [
      ...made.map((file) => ({ ...file, from: `${work.root}/${file.name}` })),
      ...sources,
    ])
      await ui.progress(`copying ${name}`, () => host.copyFile(from, `${root}/${name}`, sha256))
    await runOrThrow(host, command('sync-filesystem', { path: root }))
    if (plan.makesGrubConfig) await ui.progress('making grub.cfg', () => makeGrubConfig(dom0, root, observed))
    await runOrThrow(host, command('sync-filesystem', { path: root }))
    return made
  } catch (error) {
    // The device may be gone: what lies beside is no boot file, and the next run removes it.
    await host.removeFile(`${root}/grub2/${GRUB_BESIDE}`).catch(() => undefined)
    throw error
  } finally {
    await work.close()
    await media.close()
  }
}

async function makeInitramfs(host: Host, directory: string, kernel: string): Promise<KnownFile> {
  const name = `initramfs-${kernel}.img`
  await runOrThrow(host, command('make-initramfs', { file: `${directory}/${name}`, kernel }))
  const digests = valueOrNull(await host.digestFile(`${directory}/${name}`))
  if (digests === null || digests.sizeBytes === 0) throw failure(`dracut left no initramfs for ${kernel}`)
  return { name, sha256: digests.sha256 }
}

/** Made beside, read as GRUB would, and only then put in place: GRUB finds the old one or a good new one. */
async function makeGrubConfig(dom0: Dom0, root: string, { device }: ObservedRefresh): Promise<void> {
  const { host } = dom0
  const beside = `${root}/grub2/${GRUB_BESIDE}`
  await host.removeFile(beside)
  await runOrThrow(host, command('make-grub-config', { mountPoint: root, name: GRUB_BESIDE }))
  const check = await checkGrub(dom0, root, device, beside)
  if (check.state !== 'current')
    throw failure(`the new grub.cfg has no good AEM entry for this device: ${check.against} (${check.state})`)
  await host.renameFile(beside, `${root}/grub2/grub.cfg`)
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
