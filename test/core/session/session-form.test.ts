import { expect, it } from 'vitest'
import { sessionSchema } from '../../../src/core/session/checkpoint.ts'
import { aBaseline } from '../../support/a-baseline.ts'
import { aSession } from '../../support/built-in.ts'

/* What a session file may say, value by value. */

const AT = '2024-07-17T09:00:00.000Z'
const isTaken = (changes: object) => sessionSchema().safeParse({ ...aSession(), ...changes }).success
const recorded = (pcrs: Readonly<Record<string, string>>) => ({
  baseline: aBaseline({ pcrs: { sha256: pcrs } }),
})
const answered = (by: string) => ({
  answers: [{ at: AT, step: 'accept-change', id: 'accept', question: 'Is it yours?', answer: 'yes', by }],
})
const accepted = (changes: object) => ({
  approved: { at: AT, bootId: 'boot-1', pcrs: { 17: 'ab' }, ...changes },
})
const expected = (mayChange: readonly unknown[]) => ({
  expectation: {
    ...{ bulletins: [103], bulletinPcrs: [18], mayChange, changedPackages: ['xen-hypervisor'] },
    ...{ downgrades: [], xenBuildId: null, deviceUuid: null },
  },
})

it.each([...['post-update', 'resume', 'rehearsal'], ...['repair-slots', 'refresh-device', 'forward-device']])(
  'a session may be about %s',
  (flow) => {
    expect(isTaken({ flow })).toBe(true)
  },
)

it.each<[string, object]>([
  ['an answer of a person', answered('person')],
  ['an answer of --yes', answered('yes-option')],
  ['a state that was proven', accepted({})],
  ['a state that was accepted without proof', accepted({ proof: 'not-proven' })],
  ['a register of one digit', recorded({ 0: 'ab' })],
  ['registers that may change', expected([18])],
])('it may hold %s', (_what, changes) => {
  expect(isTaken(changes)).toBe(true)
})

it.each<[string, object]>([
  ['another format', { format: 'aem-reseal devices' }],
  ['another version', { version: 2 }],
  ['a flow without a session', { flow: 'verify' }],
  ['an answer of nobody', answered('')],
  ['an answer of the program', answered('program')],
  ['another word of proof', accepted({ proof: 'proven' })],
  ['a value with more behind it', recorded({ 17: 'abx' })],
  ['a value with more before it', recorded({ 17: 'xab' })],
  ['a value in capitals', recorded({ 17: 'AB' })],
  ['a register with more behind it', recorded({ 170: 'ab' })],
  ['a register with more before it', recorded({ x17: 'ab' })],
  ['a register by a word', expected(['18'])],
])('it never holds %s', (_what, changes) => {
  expect(isTaken(changes)).toBe(false)
})
