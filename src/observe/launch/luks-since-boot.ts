import { isUnset, PCR } from '../../core/launch/pcr.ts'
import { predictLuksPcr } from '../../core/launch/predict-luks.ts'
import { observeLuksPcr } from '../device/luks-headers.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { registersOf } from './pcrs.ts'

/** The LUKS headers, compared with those that this boot measured. */
export type LuksSinceBoot = 'same' | 'changed' | 'unknown'

/**
 * Are the LUKS headers those that this boot measured? They are read only where the answer counts: AEM measured them in this
 * boot, and seals to what it measured.
 * @returns null where they do not count, or are never read (a recorded machine)
 */
export async function observeLuksSinceBoot(dom0: Dom0): Promise<LuksSinceBoot | null> {
  const { host } = dom0
  if (!host.writable) return null
  const [machine, tpm, selected] = await Promise.all([dom0.machine(), dom0.tpm(), dom0.selectedPcrs()])
  const now = registersOf(tpm)[PCR.luksHeaders]
  const isMeasured = now !== undefined && !isUnset(now)
  if (machine.bootedWithAem !== true || selected?.includes(PCR.luksHeaders) !== true || !isMeasured)
    return null
  const bank = tpm.bank === 'sha1' ? 'sha1' : 'sha256'
  const headers = await observeLuksPcr(host, machine.kernelCommandLine, bank)
  const { code } = predictLuksPcr(bank, now, headers, null)
  if (code === null) return 'same'
  return code === 'luks-header-changed' ? 'changed' : 'unknown'
}
