import { describe, expect, it } from 'vitest'
import { listComponents } from '../../../src/core/launch/components.ts'
import { explainChange } from '../../../src/core/launch/explain.ts'
import type { LaunchEvent, LaunchLog } from '../../../src/core/launch/launch-log.ts'
import { emptyPcr, extendPcr } from '../../../src/core/launch/pcr.ts'
import { parseTbootLog } from '../../../src/core/launch/tboot-log.ts'
import { disk, entryOf, filesOf, machineOf, withXen } from './launch-world.ts'
import { type Form, writeTxtStat } from './tboot-writer.ts'

/*
 * What PCR 17 holds beside files: values of firmware and SINIT, and tboot's policy. No update of a package explains a change
 * of them, also where one is installed that may change PCR 17 and 18.
 */

const UPDATED = withXen(disk())
const FORMS: readonly (readonly [Form, 'sha1' | 'sha256'])[] = [
  ['1.10-tpm12', 'sha1'],
  ['1.10-tpm2', 'sha256'],
]

function registersOf(log: LaunchLog, bank: 'sha1' | 'sha256'): Record<number, string> {
  const values: Record<number, string> = { 13: '11'.repeat(emptyPcr(bank).length / 2) }
  for (const { pcr, digests } of log.events) {
    const digest = digests[bank]
    if (pcr !== 255 && digest !== undefined)
      values[pcr] = extendPcr(bank, values[pcr] ?? emptyPcr(bank), digest)
  }
  return values
}

/** The boot of an update of Xen in which one event of PCR 17 is another one too. */
function explain(form: Form, bank: 'sha1' | 'sha256', isChanged: (event: LaunchEvent) => boolean) {
  const before = parseTbootLog(writeTxtStat(machineOf(disk(), form)))
  const log = parseTbootLog(writeTxtStat(machineOf(UPDATED, form)))
  const at = log.events.findIndex((event) => event.pcr === 17 && isChanged(event))
  const events = log.events.map((event, index): LaunchEvent => {
    if (index !== at) return event
    return { ...event, digests: { [bank]: 'ab'.repeat(emptyPcr(bank).length / 2) } }
  })
  const now = { ...log, events }
  const explained = explainChange({
    before: {
      pcrs: { [bank]: registersOf(before, bank) },
      components: listComponents(before, entryOf(disk())),
    },
    pcrsNow: { [bank]: registersOf(now, bank) },
    log: now,
    booted: entryOf(UPDATED),
    rule: 'whole',
    bank,
    // by the map of details and authorities nothing fills 19
    selected: form === '1.10-tpm2' ? [13, 17, 18] : [13, 17, 18, 19],
    prediction: null,
    files: filesOf(UPDATED),
    expectedPcrs: [17, 18, 19],
    alreadyResealed: false,
  })
  const blocking = explained.reasons.filter(({ isBlocking }) => isBlocking)
  return { verdict: explained.verdict, codes: blocking.map(({ pcr, code }) => `${pcr} ${code}`) }
}

describe.each(FORMS)('PCR 17 in the boot of an update, log form %s', (form, bank) => {
  it('with the update alone is explained', () => {
    expect(explain(form, bank, () => false)).toEqual({ verdict: 'explained', codes: [] })
  })

  it("with another policy of tboot's is not", () => {
    const { verdict, codes } = explain(form, bank, ({ origin }) => origin.kind === 'policy')
    expect(verdict).toBe('unexplained')
    expect(codes).toEqual(['17 policy-changed'])
  })

  it('with another value of firmware or SINIT is not', () => {
    const { verdict, codes } = explain(form, bank, ({ origin }) => origin.kind === 'platform')
    expect(verdict).toBe('unexplained')
    expect(codes).toEqual(['17 platform-changed'])
  })
})
