/* Long: one look: each form in which a kernel or a program shows registers. */

import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ABSENT, type FileStat, type Seen, seen, unknown } from '../../src/host/host.ts'
import {
  isMeasured,
  listBadPcrs,
  observeTpm,
  registersOf,
  type TpmFacts,
} from '../../src/observe/launch/pcrs.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/* The TPM and its registers, as each kernel and tpm2-tools show them. */

const TPM = '/sys/class/tpm/tpm0'
const unreadable = unknown('input/output error')
const text = (words: string): Seen<Buffer> => seen(Buffer.from(words))
const DIRECTORY = seen<FileStat>({ kind: 'directory', sizeBytes: 0, mtimeMs: 0, mode: 0o755 })

/** The value of a register, another for each. */
const registerOf = (bank: 'sha1' | 'sha256', index: number): string =>
  createHash(bank).update(`PCR ${index}`).digest('hex')
const allOf = (bank: 'sha1' | 'sha256'): Record<number, string> =>
  Object.fromEntries(Array.from({ length: 24 }, (_, index) => [index, registerOf(bank, index)]))

type Story = {
  /** Files below the TPM's directory; all others are absent. */
  readonly files?: Readonly<Record<string, Seen<Buffer>>>
  readonly directory?: Seen<FileStat>
  /** By the id of the program; one that is left out is not installed. */
  readonly programs?: Readonly<Record<string, { exit: number; stdout: string }>>
}

async function look({ files = {}, directory = DIRECTORY, programs = {} }: Story) {
  const asked: string[] = []
  const host = makeFakeHost({
    readFile: async (path) => {
      asked.push(path.slice(TPM.length + 1))
      return files[path.slice(TPM.length + 1)] ?? ABSENT
    },
    statFile: async (path) => (path === TPM ? directory : ABSENT),
    run: async ({ id }) => {
      asked.push(id)
      const answer = programs[id]
      return answer === undefined ? ABSENT : seen({ ...answer, stderr: '' })
    },
  })
  return { tpm: await observeTpm(host), asked }
}

/** The files of a bank as Linux 5.12 and later write them: upper-case hex, a line end. */
const bankFiles = (bank: 'sha1' | 'sha256'): Record<string, Seen<Buffer>> =>
  Object.fromEntries(
    Object.entries(allOf(bank)).map(([index, hex]) => [
      `pcr-${bank}/${index}`,
      text(`${hex.toUpperCase()}\n`),
    ]),
  )
const SECOND = { tpm_version_major: text('2\n') }

/** The file of a TPM 1.2 (Linux, drivers/char/tpm/tpm-sysfs.c, pcrs_show). */
const pcrs12 = (values: Readonly<Record<number, string>>): Seen<Buffer> =>
  text(
    Object.entries(values)
      .map(([index, hex]) => {
        const bytes = hex.toUpperCase().match(/../g) ?? []
        return `PCR-${index.padStart(2, '0')}: ${bytes.join(' ')} \n`
      })
      .join(''),
  )

describe('the version of the TPM', () => {
  it.each<readonly [string, Story, TpmFacts['version'], TpmFacts['bank']]>([
    ['says 1', { files: { tpm_version_major: text('1\n') } }, '1.2', 'sha1'],
    ['says 2', { files: SECOND }, '2.0', 'sha256'],
    ['says another one', { files: { tpm_version_major: text('3\n') } }, null, null],
    ['says nothing, and there is no TPM', { directory: ABSENT }, 'none', null],
    ['says nothing, as before Linux 5.6, of a TPM 1.2', { files: { pcrs: pcrs12({}) } }, '1.2', 'sha1'],
    ['says nothing, as before Linux 5.6, of another one', {}, null, null],
    ['says nothing, and nobody can tell whether there is one', { directory: unreadable }, null, null],
    ['cannot be read, and there is one', { files: { tpm_version_major: unreadable } }, null, null],
  ])('is told where the kernel %s', async (_what, story, version, bank) => {
    expect((await look(story)).tpm).toMatchObject({ version, bank })
  })

  it('that is not known, or that of no TPM, has no register read', async () => {
    for (const story of [
      { files: { tpm_version_major: text('3\n'), ...bankFiles('sha256') } },
      { directory: ABSENT, files: bankFiles('sha256') },
    ]) {
      const { tpm, asked } = await look(story)
      expect([tpm.pcrs, asked.filter((path) => path.startsWith('pcr-'))]).toEqual([{}, []])
    }
  })
})

describe('the registers of a TPM 1.2', () => {
  const FIRST = { tpm_version_major: text('1\n') }
  const other = { 17: '17'.repeat(20) }

  it('are those of its file, in either of its places, the first counts', async () => {
    const own = pcrs12(allOf('sha1'))
    for (const files of [
      { pcrs: own },
      { 'device/pcrs': own },
      { pcrs: own, 'device/pcrs': pcrs12(other) },
      { pcrs: unreadable, 'device/pcrs': own },
    ])
      expect((await look({ files: { ...FIRST, ...files } })).tpm.pcrs).toEqual({ sha1: allOf('sha1') })
  })

  it('are none without a file, and of one that has no register in it', async () => {
    expect((await look({ files: FIRST })).tpm.pcrs).toEqual({})
    expect(registersOf((await look({ files: { ...FIRST, pcrs: text('none\n') } })).tpm)).toEqual({})
  })
})

describe('the registers of a TPM 2.0', () => {
  it('are those of both banks that the kernel offers, and no program is asked', async () => {
    const { tpm, asked } = await look({ files: { ...SECOND, ...bankFiles('sha1'), ...bankFiles('sha256') } })
    expect(tpm.pcrs).toEqual({ sha1: allOf('sha1'), sha256: allOf('sha256') })
    expect(asked).not.toContain('pcr-read')
  })

  it('of a bank that is not offered are asked for once', async () => {
    const { tpm, asked } = await look({ files: { ...SECOND, ...bankFiles('sha256') } })
    expect(tpm.pcrs).toEqual({ sha256: allOf('sha256') })
    expect(asked.filter((path) => path.startsWith('pcr-sha1/'))).toEqual(['pcr-sha1/0'])
  })

  it.each<readonly [string, number, Seen<Buffer>]>([
    ['is not there', 5, ABSENT],
    ['cannot be read', 5, unreadable],
    ['cannot be read, the first', 0, unreadable],
    ['has the size of another bank', 5, text(`${'AB'.repeat(20)}\n`)],
    ['is no number', 5, text('none\n')],
  ])('are all but one that %s', async (_what, index, answer) => {
    const files = { ...SECOND, ...bankFiles('sha256'), [`pcr-sha256/${index}`]: answer }
    const { [index]: _left, ...rest } = allOf('sha256')
    expect((await look({ files })).tpm.pcrs).toEqual({ sha256: rest })
  })

  describe('where the kernel has no files of sha256', () => {
    const read = `sha256:\n  17: 0x${'8A'.repeat(32)}\n`
    const list = `sha256 :\n  17 : ${'7b'.repeat(32)}\n`
    const programs = async (answers: Story['programs'], files: Story['files'] = {}) =>
      (await look({ files: { ...SECOND, ...files }, programs: answers ?? {} })).tpm.pcrs

    it('are those of tpm2_pcrread, else of its forerunner tpm2_pcrlist', async () => {
      const [first, second] = [
        { exit: 0, stdout: read },
        { exit: 0, stdout: list },
      ]
      const [ofRead, ofList] = [{ sha256: { 17: '8a'.repeat(32) } }, { sha256: { 17: '7b'.repeat(32) } }]
      expect(await programs({ 'pcr-read': first, 'pcr-list': second })).toEqual(ofRead)
      expect(await programs({ 'pcr-read': first })).toEqual(ofRead)
      expect(await programs({ 'pcr-list': second })).toEqual(ofList)
      expect(await programs({ 'pcr-read': { ...first, exit: 1 }, 'pcr-list': second })).toEqual(ofList)
      expect(
        await programs({ 'pcr-read': { exit: 0, stdout: 'no registers\n' }, 'pcr-list': second }),
      ).toEqual(ofList)
    })

    it('are none where both fail', async () => {
      expect(await programs({})).toEqual({})
      expect(await programs({ 'pcr-read': { exit: 1, stdout: read } })).toEqual({})
    })

    it('are those of the kernel in the other bank', async () => {
      const both = `sha1:\n  17: 0x${'11'.repeat(20)}\n${read}`
      expect(await programs({ 'pcr-read': { exit: 0, stdout: both } }, bankFiles('sha1'))).toEqual({
        sha1: allOf('sha1'),
        sha256: { 17: '8a'.repeat(32) },
      })
      expect(await programs({}, bankFiles('sha1'))).toEqual({ sha1: allOf('sha1') })
    })
  })
})

describe('the registers in use', () => {
  const pcrs = { sha1: { 17: '17'.repeat(20) }, sha256: { 17: '17'.repeat(32) } }

  it('are those of the bank that AEM seals to', () => {
    expect(registersOf({ bank: 'sha1', pcrs })).toEqual(pcrs.sha1)
    expect(registersOf({ bank: 'sha256', pcrs })).toEqual(pcrs.sha256)
    expect(registersOf({ bank: 'sha256', pcrs: { sha1: pcrs.sha1 } })).toEqual({})
    expect(registersOf({ bank: null, pcrs })).toEqual({})
  })

  const capped = createHash('sha256')
    .update(Buffer.concat([Buffer.alloc(32), Buffer.alloc(32, 0xff)]))
    .digest('hex')

  it.each([
    ['all zeros', '00'.repeat(32)],
    ['all ones', 'ff'.repeat(32)],
    ['that of a failed launch', capped],
  ])('show no launch, and protect nothing, with a constant: %s', (_what, value) => {
    const tpm: TpmFacts = {
      version: '2.0',
      bank: 'sha256',
      pcrs: { sha256: { 17: value, 18: '18'.repeat(32) } },
    }
    expect(isMeasured(tpm)).toBe(false)
    expect(listBadPcrs(tpm, [17, 18])).toEqual([17])
    expect(listBadPcrs(tpm, [18])).toEqual([])
  })

  it('show a launch by PCR 17 of that bank, or nothing is known', () => {
    const tpm: TpmFacts = { version: '2.0', bank: 'sha256', pcrs }
    expect(isMeasured(tpm)).toBe(true)
    expect(isMeasured({ ...tpm, pcrs: { sha256: { 18: '18'.repeat(32) } } })).toBeNull()
    expect(isMeasured({ ...tpm, pcrs: { sha1: pcrs.sha1 } })).toBeNull()
    expect(isMeasured({ ...tpm, version: null, bank: null })).toBeNull()
    expect(isMeasured({ version: 'none', bank: null, pcrs: {} })).toBe(false)
  })
})
