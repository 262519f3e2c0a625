import { describe, expect, it } from 'vitest'
import { type CalibrationInput, calibrateLaunch } from '../../../src/core/launch/calibrate.ts'
import type { LaunchLog } from '../../../src/core/launch/launch-log.ts'
import { eventsOf, type Kind } from '../../support/trenchboot-launch.ts'
import { disk, entryOf, predictionInput, withXen } from './launch-world.ts'
import { type Form, hash } from './tboot-writer.ts'
import { registersOf } from './tcg-writer.ts'
import { BOTH, entry, imagesOf, launch, parse } from './trenchboot-world.ts'

/** A machine with tboot whose Xen an update has overwritten; the log as the parser gives it. */
function machine(form: Form = '1.10-tpm12', strips = false): CalibrationInput & { readonly log: LaunchLog } {
  const { log, pcrsNow, booted, images } = predictionInput(disk(), withXen(disk()), form, {}, strips)
  return { log: log as LaunchLog, pcrsNow, booted, images }
}

const TPM12 = machine()
const TPM2 = machine('1.10-tpm2')
const refusalOf = (input: CalibrationInput) => calibrateLaunch(input).refusal
const foundIn = (input: CalibrationInput) => calibrateLaunch(input).calibration

/** H(zeros || ones), by which an AMD processor closes the registers of a launch that failed. */
const CAPPED = 'bac37b84f007d0238af95af707cac8d61254870e'
const EVIL = 'e1'.repeat(20)
/** A register of the TPM after the first extend that the log lists for it. */
const afterFirst = (log: LaunchLog, index: number) => {
  const first = log.events.find(({ pcr }) => pcr === index)
  return hash('sha1', Buffer.alloc(20), Buffer.from(first!.digests.sha1!, 'hex')).toString('hex')
}

describe('the rules of a launch of tboot', () => {
  it.each([
    ['1.7', true, 'first-word-stripped', 'legacy', ['sha1']],
    ['1.9.12', false, 'whole', 'legacy', ['sha1']],
    ['1.10-tpm12', false, 'whole', 'legacy', ['sha1']],
    ['1.10-tpm2', false, 'whole', 'da', ['sha256']],
  ] as const)('are those that make the log of this boot again: %s', (form, strips, rule, map, banks) => {
    const found = foundIn(machine(form, strips))
    expect(found).toMatchObject({ map, rule, banks })
    expect(found?.modules.map(({ role, unchanged }) => [role, unchanged])).toEqual([
      ['xen', false],
      ['kernel', true],
      ['initramfs', true],
    ])
  })

  it('are found with an entry that is not known, and with one module that the log has no digest of', () => {
    expect(foundIn({ ...TPM12, booted: null })).toMatchObject({ rule: 'whole' })
    const [xen, ...others] = TPM12.log.modules
    const log = { ...TPM12.log, modules: [{ ...xen!, digests: {} }, ...others] }
    expect(foundIn({ ...TPM12, log })).toMatchObject({ rule: 'whole', banks: ['sha1'] })
  })

  it('are none where one module fits each of both', () => {
    const stripped = machine('1.10-tpm12', true).log.modules
    const modules = TPM12.log.modules.map((one, index) => (index === 0 ? stripped[0]! : one))
    const { images } = predictionInput(disk(), disk())
    expect(refusalOf({ ...TPM12, images, log: { ...TPM12.log, modules } })).toMatchObject({
      code: 'variant-ambiguous',
      why: 'two command line rules fit this boot',
    })
  })

  it.each<[string, string, Partial<CalibrationInput>, string]>([
    ['unmeasured', 'a log that says so', { log: { ...TPM12.log, measured: false } }, 'was not measured'],
    [
      'unmeasured',
      'a register that a failed launch closed',
      { pcrsNow: { ...TPM12.pcrsNow, sha256: { 17: CAPPED } } },
      'was not measured',
    ],
    ['map-unknown', 'no word of the map', { ...TPM2, log: { ...TPM2.log, map: null } }, 'which PCR map'],
    ['pcrs-unreadable', 'no register of the launch', { pcrsNow: { sha1: {} } }, 'could be compared'],
    [
      'pcrs-unreadable',
      'no digest of any module',
      { log: { ...TPM12.log, modules: TPM12.log.modules.map((one) => ({ ...one, digests: {} })) } },
      'no bank in which',
    ],
    [
      'unknown-module',
      'a module less in the entry',
      { booted: { ...entryOf(disk()), modules: entryOf(disk()).modules.slice(1) } },
      'this boot measured 3 modules, the entry it came from loads 2',
    ],
  ])('are none, %s, with %s', (code, _what, changes, words) => {
    const refusal = refusalOf({ ...TPM12, ...changes })
    expect(refusal).toMatchObject({ code, why: expect.stringContaining(words) })
  })
})

describe('a log that does not lead to the registers', () => {
  it('is told by the register, and by how far it leads', () => {
    const at = (value: string) =>
      refusalOf({ ...TPM12, pcrsNow: { sha1: { ...TPM12.pcrsNow.sha1, 19: value } } })
    const where = 'the launch log does not lead to PCR 19 (sha1) of the TPM'
    expect(at(EVIL)).toMatchObject({ code: 'log-unfaithful', why: where })
    expect(at(afterFirst(TPM12.log, 19))).toMatchObject({
      code: 'log-unfaithful',
      why: `${where}; they part after 1 of its extends`,
    })
  })

  it('is refused for PCR 17 alone', () => {
    const sha256 = { ...TPM2.pcrsNow.sha256, 17: 'e1'.repeat(32) }
    expect(refusalOf({ ...TPM2, pcrsNow: { ...TPM2.pcrsNow, sha256 } })).toMatchObject({
      code: 'log-unfaithful',
      why: expect.stringContaining('PCR 17 (sha256)'),
    })
  })

  it('is asked for no register before the launch, and for no bank in which no module was measured', () => {
    const extra = { ...TPM12.log.events[0]!, pcr: 16 }
    const log = { ...TPM12.log, events: [...TPM12.log.events, extra] }
    const early = { sha1: { ...TPM12.pcrsNow.sha1, 16: EVIL } }
    expect(foundIn({ ...TPM12, log, pcrsNow: early })).toMatchObject({ rule: 'whole' })
    const events = TPM12.log.events.map((one) => ({
      ...one,
      digests: { ...one.digests, sha256: 'ab'.repeat(32) },
    }))
    const other = { ...TPM12.pcrsNow, sha256: { 17: '11'.repeat(32), 18: '12'.repeat(32) } }
    expect(foundIn({ ...TPM12, log: { ...TPM12.log, events }, pcrsNow: other })).toMatchObject({
      banks: ['sha1'],
    })
  })
})

describe('the order of a launch of TrenchBoot', () => {
  const booted = (kind: Kind, now = launch(kind)): CalibrationInput => ({
    log: parse(eventsOf(launch(kind))),
    pcrsNow: registersOf(eventsOf(launch(kind)), BOTH) as CalibrationInput['pcrsNow'],
    booted: entry(launch(kind)),
    images: imagesOf(now),
  })
  const replaced = (kind: Kind) =>
    launch(kind, { modules: launch(kind).modules.map((one) => ({ ...one, bytes: `new ${one.name}` })) })

  it.each(['intel-bios', 'amd-bios'] as const)('is shown by a file that still fits: %s', (kind) => {
    expect(foundIn(booted(kind))).toMatchObject({ map: 'slaunch', rule: null, banks: ['sha1', 'sha256'] })
    const [kernel, ...others] = launch(kind).modules
    const updated = launch(kind, { modules: [{ ...kernel!, bytes: 'kernel 6.7' }, ...others] })
    expect(foundIn(booted(kind, updated))?.modules.map(({ unchanged }) => unchanged)).toEqual([false, true])
  })

  it('is not shown where all were replaced', () => {
    expect(refusalOf(booted('amd-bios', replaced('amd-bios')))).toMatchObject({
      code: 'no-variant-fits',
      why: expect.stringContaining('none of the files'),
    })
    expect(refusalOf(booted('intel-uefi', replaced('intel-uefi')))).toMatchObject({ code: 'trenchboot-mle' })
  })
})
