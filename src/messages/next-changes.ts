import { type ChangedPart, listNextChanges } from '../core/decide/next-changes.ts'
import { PCR } from '../core/launch/pcr.ts'
import type { Session } from '../core/session/checkpoint.ts'
import { describeWordChange } from '../core/vouch/command-line.ts'
import { type Line, line } from '../ui/ui.ts'

/** What will change at the next boot, in a sentence for each register, before anything is chosen. */
export function nextChangeLines(session: Session): readonly Line[] {
  const found = listNextChanges(session)
  const mayChange = session.expectation?.mayChange ?? []
  if (found === null)
    return [
      line('The registers of the next boot could not be predicted.', 'warn'),
      ...(mayChange.length === 0
        ? []
        : [line(`The update may change PCR ${mayChange.join(' and ')}; every other one must stay.`)]),
    ]
  const { changes, unpredicted } = found
  const told = changes.map(({ index, parts }) => `PCR ${index}: ${nameParts(index, parts)}.`)
  const isWhole = unpredicted.length === 0
  return [
    line(
      changes.length === 0
        ? 'Nothing that is sealed to changes, as far as it is predicted.'
        : `${told.join(' ')}${isWhole ? ' Nothing else.' : ''}`,
    ),
    ...(isWhole ? [] : [line(`Not predicted: PCR ${unpredicted.join(', ')}.`, 'warn')]),
  ]
}

function nameParts(index: number, parts: readonly ChangedPart[]): string {
  if (parts.length > 0) return parts.map(namePart).join(', ')
  return index === PCR.luksHeaders ? 'the LUKS headers, which you changed' : 'what is measured into it'
}

const ROLES: Readonly<Record<string, string>> = {
  mle: 'tboot',
  xen: 'Xen',
  kernel: 'the kernel',
  initramfs: 'the initramfs',
}

function namePart({ role, path, package: owner, words }: ChangedPart): string {
  const name = ROLES[role] ?? path ?? role
  const from =
    owner === null
      ? ''
      : ` (${owner.name} ${owner.evr.replace(/^[0-9]+:/, '')}${owner.signer === null ? '' : `, signed by ${owner.signer}`})`
  return `${name}${from}${words === null ? '' : `, its command line: ${describeWordChange(words)}`}`
}
