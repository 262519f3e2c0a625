import { explainTxtError, readTxtErrorCode } from '../../core/launch/txt-error.ts'
import { hasLaunchLine, lastBootOf } from '../../core/launch/xl-dmesg.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { command } from '../../tables/commands.ts'
import { HYPERVISOR_LOG } from '../../tables/paths.ts'
import { readTextOrNull } from '../read-text.ts'

/** What other sources than the TPM say of this boot's launch. */
export type LaunchTraces = {
  /** Xen's console has lines of a launch that it took over (TrenchBoot); null: it could not be read. */
  readonly xen: boolean | null
  /** txt-stat's `TXT measured launch`; null: not said. */
  readonly txt: boolean | null
  /** TXT.ERRORCODE as printed and in words; null where it says no error, or was not printed. */
  readonly txtError: { readonly code: string; readonly words: string } | null
}

/** Asked only where PCR 17 shows no launch: txt-stat and Xen's console. */
export async function observeLaunchTraces(host: Host): Promise<LaunchTraces> {
  const txtStat = valueOrNull(await host.run(command('launch-log', {})))?.stdout ?? ''
  const dmesg = valueOrNull(await host.run(command('xl-dmesg', {})))
  const kept = await readTextOrNull(host, HYPERVISOR_LOG)
  const consoles = [dmesg?.exit === 0 ? dmesg.stdout : null, kept === null ? null : lastBootOf(kept)]
  const read = consoles.filter((text) => text !== null)
  const code = readTxtErrorCode(txtStat)
  const words = code === null ? null : explainTxtError(code)
  const measured = /^\s*TXT measured launch: (TRUE|FALSE)\s*$/m.exec(txtStat)?.[1]
  return {
    xen: read.length === 0 ? null : read.some(hasLaunchLine),
    txt: measured === undefined ? null : measured === 'TRUE',
    txtError:
      code === null || words === null ? null : { code: `0x${code.toString(16).padStart(8, '0')}`, words },
  }
}
