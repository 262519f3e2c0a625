import { parseLuksUuids } from '../../core/aem/configuration.ts'
import type { SealBank } from '../../core/aem/tpm.ts'
import { emptyPcr, extendPcr } from '../../core/launch/pcr.ts'
import type { LuksHeaders } from '../../core/launch/predict-luks.ts'
import type { Host } from '../../host/host.ts'
import { command, isUuid } from '../../tables/commands.ts'

/**
 * PCR 13 as AEM's initrd would make it now: from zero, extended with the digest of each LUKS header backup in the
 * sorted order of the UUIDs on the kernel command line (90anti-evil-maid/anti-evil-maid-unseal, anti-evil-maid 4.2.0).
 * The backups lie in /run for a moment and are deleted.
 */
export async function observeLuksPcr(
  host: Host,
  commandLine: string | null,
  bank: SealBank,
): Promise<LuksHeaders> {
  if (!host.writable) return { why: 'only looks here: no LUKS header is read' }
  const uuids = commandLine === null ? [] : parseLuksUuids(commandLine)
  if (uuids.length === 0) return { why: 'the kernel command line names no LUKS device' }
  const odd = uuids.find((uuid) => !isUuid(uuid))
  if (odd !== undefined) return { why: `not a UUID on the kernel command line: ${odd}` }
  const work = await host.makeWorkDirectory()
  try {
    let value = emptyPcr(bank)
    for (const uuid of uuids) {
      const headerFile = `${work.root}/luks-header-${uuid}`
      const backup = await host.run(command('luks-header', { uuid, headerFile }))
      const digests = await host.digestFile(headerFile)
      await host.removeFile(headerFile)
      if (backup.state !== 'seen' || backup.value.exit !== 0 || digests.state !== 'seen')
        return { why: `the LUKS header of ${uuid} could not be read` }
      value = extendPcr(bank, value, digests.value[bank])
    }
    return { value }
  } finally {
    await work.close()
  }
}
