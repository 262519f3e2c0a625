import type { NextEntryLook } from '../../core/decide/protection-state.ts'
import { Failure } from '../../core/failure.ts'
import { isAemEntry } from '../../core/launch/grub-cfg.ts'
import { decideNextEntry } from '../../core/launch/grub-choose.ts'
import type { Dom0 } from '../dom0/dom0.ts'

/** Is the entry that GRUB boots next from this device one of AEM's? By grub.cfg alone: no file that it loads is read. */
export async function observeNextEntry(
  dom0: Pick<Dom0, 'grub'>,
  root: string,
  uuid: string | null,
): Promise<NextEntryLook> {
  const config = await dom0.grub(root, uuid)
  if (config === null) return { kind: 'unknown', why: 'its grub.cfg could not be read' }
  if (config instanceof Failure) return { kind: 'unknown', why: config.text.what }
  const { entry, why } = decideNextEntry(config)
  if (entry === null) return { kind: 'unknown', why }
  return { kind: isAemEntry(entry) ? 'aem' : 'other', title: entry.title }
}
