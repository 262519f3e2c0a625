import { expect, it } from 'vitest'
import { makeHeldNote, parseHeldNote } from '../../../src/core/session/held-note.ts'

const note = makeHeldNote({
  at: '2024-07-17T09:00:00.000Z',
  bootId: 'boot-1',
  reason: 'other-state',
  pcrs: [18],
  why: 'PCR 18 is another than the predicted one',
})

it('a held note reads back as it was written', () => {
  expect(parseHeldNote(JSON.stringify(note))).toEqual(note)
})

it.each([
  ['no JSON', '{'],
  ['null', 'null'],
  ['of another format', JSON.stringify({ ...note, format: 'aem-reseal session' })],
  ['of another version', JSON.stringify({ ...note, version: 2 })],
  ['without a time', JSON.stringify({ ...note, at: 'now' })],
  ['with registers that are none', JSON.stringify({ ...note, pcrs: [18.5] })],
  ['without a reason', JSON.stringify({ ...note, reason: null })],
])('a file that is %s is no note', (_, text) => {
  expect(parseHeldNote(text)).toBeNull()
})
