import { describeOddEntry } from '../../core/decide/explain-change.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import type { BootCheck } from './boot-check.ts'
import { observeEntries } from './launch.ts'

/**
 * A boot that measured what the approved one did may have come from another entry, which no register tells; so may one
 * before any was approved.
 * @param check by the registers; null: none was approved
 */
export async function considerOddEntries(dom0: Dom0, check: BootCheck | null): Promise<BootCheck | null> {
  const device = await dom0.booted()
  if (device === null || check?.state === 'unexplained') return check
  const { odd } = await observeEntries(dom0.host, device, await dom0.machine())
  if (odd.length === 0) return check
  const { label } = device
  const unapproved = { label, at: null, isBelieved: false, registers: [], unseal: null, what: [] }
  const base = check ?? unapproved
  return { ...base, state: 'unexplained', what: [...odd.map(describeOddEntry), ...base.what] }
}
