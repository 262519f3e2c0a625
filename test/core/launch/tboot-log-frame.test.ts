/* Long: every value that a tboot log says of itself, with the lines that only look like one. */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseTbootLog } from '../../../src/core/launch/tboot-log.ts'
import { failureOf } from '../../support/failure-of.ts'
import { type Form, type Machine, writeTxtStat } from './tboot-writer.ts'

const machine = (form: Form): Machine => ({
  form,
  modules: [
    { commandLine: 'placeholder ucode=scan', image: Buffer.from('xen') },
    { commandLine: 'placeholder ro', image: Buffer.from('kernel') },
  ],
})
const TEXT = writeTxtStat(machine('1.10-tpm12'))
const REAL = readFileSync(new URL('fixtures/txt-stat-tpm12-legacy.txt', import.meta.url), 'utf8')
const LOST = TEXT.replaceAll('SINIT ACM successfully returned...', 'x').replaceAll(
  'measured launch succeeded',
  'x',
)

const failure = (text: string) => failureOf((async () => parseTbootLog(text))())

describe('whether a launch was measured', () => {
  const withLine = (line: string, text = TEXT) =>
    parseTbootLog(text.replace('\t TXT measured launch: TRUE', line))

  it('is what txt-stat says', () => {
    expect(withLine('\t TXT measured launch: TRUE').measured).toBe(true)
    expect(withLine('TXT measured launch: TRUE ').measured).toBe(true)
    for (const text of [TEXT, LOST])
      expect(withLine('\t TXT measured launch: FALSE', text)).toMatchObject({ measured: false, problems: [] })
  })

  it.each(['', 'no TXT measured launch: FALSE', 'TXT measured launch: FALSE or so'])(
    'is what the log shows where txt-stat says %j',
    (line) => {
      expect(withLine(line).measured).toBe(true)
      expect(withLine(line, LOST).measured).toBeNull()
    },
  )

  it('is no question for a text without any line of tboot', () => {
    for (const text of ['', 'a TBOOT: line', 'TXT measured launch: TRUE\nTBOOT:x\n'])
      expect(() => parseTbootLog(text), text).toThrow('txt-stat printed no tboot log')
    expect(parseTbootLog('TBOOT: a line').problems).toContain('no part of it was written after the launch')
    expect(parseTbootLog('measured launch succeeded').problems).not.toContain(
      'no part of it was written after the launch',
    )
  })

  it('is told why it cannot be known where no log is in memory', async () => {
    expect((await failure('unable to find TBOOT log\n')).text.why).toMatch(/^it found none in memory/)
    expect((await failure('x')).text.why).toBeNull()
    expect((await failure(`${'y'.repeat(9)}${'x'.repeat(400)}`)).text.verbatim).toBe('x'.repeat(400))
  })
})

describe('what a log says of itself', () => {
  it.each([
    ['   2021-12-08 16:00 +0100 1.10.3', '1.10.3'],
    ['   2021-12-08 16:00 -0800 1.10.3 ', '1.10.3'],
    ['   2019-01-01 16:00 +0100 462:9b3461d87049', '462:9b3461d87049'],
    ['2021-12-08 16:00 +0100 1.10.3', null],
    ['x   2021-12-08 16:00 +0100 1.10.3', null],
    ['   2021-12-08 16:00 +0100 1.10.3 more', null],
  ])('of %j is the version %j', (line, version) => {
    expect(parseTbootLog(`TBOOT: ${line}\n`).version).toBe(version)
  })

  it.each([
    [['command line: a b'], 'a b'],
    [['command line: a b', 'command line: a b'], 'a b'],
    [['command line: '], ''],
    [['command line: a', 'command line: b'], null],
    [['the command line: a'], null],
    [[], null],
  ])('of %j is the command line %j', (lines, commandLine) => {
    expect(parseTbootLog(['TBOOT: x', ...lines].join('\nTBOOT: ')).launcherCommandLine).toBe(commandLine)
  })

  it.each([
    [['policy:'], false],
    [['policy: '], false],
    [['failed to read policy from TPM NV, using default', 'policy:'], true],
    [['the policy:'], null],
    [['policy: old'], null],
    [[], null],
  ])('of %j is the policy, the built-in one: %j', (lines, expected) => {
    expect(parseTbootLog(['TBOOT: x', ...lines].join('\nTBOOT: ')).defaultPolicy).toBe(expected)
  })

  /* tboot 1.10.5, tboot/txt/heap.c, print_os_sinit_data. */
  it.each([
    [['\t os_sinit_data (@0x1, 0x9c):', '\t     capabilities: 0x0000000a'], 10],
    [['os_sinit_data (@0x1, 0x9c):', '\t version: 7', '\t     capabilities: 0xff '], 255],
    [['\t capabilities: 0x36e', 'os_sinit_data (@0x1, 0x9c):', '\t capabilities: 0xa'], 10],
    [
      [
        'os_sinit_data (@0x1, 0x9c):',
        'capabilities: 0x1',
        'os_sinit_data (@0x1, 0x9c):',
        'capabilities: 0x2',
      ],
      2,
    ],
    [['\t capabilities: 0x36e'], null],
    [['old os_sinit_data (@0x1, 0x9c):', 'capabilities: 0x1'], null],
    [['os_sinit_data (@0x1, 0x9c):', 'old capabilities: 0x1'], null],
    [['os_sinit_data (@0x1, 0x9c):', 'capabilities: 0x1 old'], null],
    [['os_sinit_data (@0x1, 0x9c):'], null],
  ])('of %j are the capabilities %j', (lines, capabilities) => {
    expect(parseTbootLog(['TBOOT: x', ...lines].join('\nTBOOT: ')).sinitCapabilities).toBe(capabilities)
  })

  it('are the capabilities of its last launch', () => {
    expect(parseTbootLog(REAL).sinitCapabilities).toBe(0x402)
    const before = TEXT.replace(
      'TBOOT: executing',
      'TBOOT: os_sinit_data (@0x1, 0x9c):\nTBOOT: capabilities: 0x5\n$&',
    )
    expect(parseTbootLog(before).sinitCapabilities).toBeNull()
    const after = before.replace('os_sinit_data (@0xb8f3517e', 'x (@0xb8f3517e')
    expect(after).not.toBe(before)
    expect(parseTbootLog(after).sinitCapabilities).toBeNull()
  })
})

describe('the values of a log', () => {
  const values = (...lines: string[]) => parseTbootLog(['TBOOT: x', ...lines].join('\nTBOOT: ')).values
  const hex = (byte: string, count: number): string => `${byte} `.repeat(count)

  it('stand behind their names', () => {
    expect(
      values(
        '\t sinit_hash:',
        hex('ab', 20),
        '\t mle_hash:',
        hex('cd', 32),
        `\t pol_hash: ${hex('ef', 32)}`,
        '\t policy_control: 00000001 (EXTEND_PCR17)',
      ),
    ).toEqual({
      sinitHash: 'ab'.repeat(20),
      mleHash: 'cd'.repeat(20),
      policyHash: 'ef'.repeat(32),
      policyControl: '00000001',
    })
  })

  it('are none that stand behind no name', () => {
    expect(parseTbootLog(`TBOOT: ${hex('ab', 20)}\n`).values).toMatchObject({
      sinitHash: null,
      mleHash: null,
    })
  })

  it('are the last of each', () => {
    const found = values(
      'mle_hash:',
      hex('ab', 20),
      'mle_hash:',
      hex('cd', 20),
      'pol_hash: ab',
      'pol_hash: cd',
    )
    expect(found).toMatchObject({ mleHash: 'cd'.repeat(20), policyHash: 'cd' })
    expect(values('policy_control: 00000001', 'policy_control: 00000002').policyControl).toBe('00000002')
  })

  it.each([
    [[]],
    [[hex('ab', 20)]],
    [['mle_hash:']],
    [['mle_hash:', 'nothing']],
    [['mle_hash:', hex('00', 20)]],
    [['the mle_hash:', hex('ab', 20)]],
    [['my pol_hash: ab', 'my policy_control: 00000001', 'policy_control: 1']],
  ])('are none in %j', (lines) => {
    expect(values(...lines)).toEqual({
      sinitHash: null,
      mleHash: null,
      policyHash: null,
      policyControl: null,
    })
  })
})

describe('the events of a log', () => {
  it('have the MLE hash for those of SINIT in the legacy map alone', () => {
    const old = parseTbootLog(writeTxtStat(machine('1.9.12')))
    expect(old).toMatchObject({ map: 'legacy', platformEvents: false })
    expect(old.events[0]).toMatchObject({ pcr: 18, origin: { kind: 'mle' } })
    const text = writeTxtStat(machine('1.9.12'))
    const two = /PCR 18 (?:.*\n){2}/.exec(text)![0]
    const unknown = parseTbootLog(text.replace(two, two.replace('PCR 18', 'PCR 20')))
    expect(unknown.map).toBeNull()
    expect(unknown.events.some(({ origin }) => origin.kind === 'mle')).toBe(false)
  })

  it('are those of SINIT where its first is among them', () => {
    expect(parseTbootLog(TEXT).platformEvents).toBe(true)
    expect(parseTbootLog(TEXT.replaceAll('0x402', '0x403')).platformEvents).toBe(false)
  })

  it('stand for VL measurements that are cut off', () => {
    const cut = parseTbootLog(TEXT.replace('TBOOT: \t VL measurements:', 'TBOOT: x'))
    expect(cut.modules).toEqual(parseTbootLog(TEXT).modules)
    expect(cut.problems).toEqual(['the VL measurements are missing or do not reach their end'])
  })

  it('stand for VL measurements that cannot be', () => {
    const last = TEXT.lastIndexOf('PCR 19 (alg count')
    const odd = parseTbootLog(`${TEXT.slice(0, last)}PCR 29${TEXT.slice(last + 6)}`)
    expect(odd.events).toEqual(parseTbootLog(TEXT).events)
    expect(odd.problems).toEqual(['the VL measurements are missing or do not reach their end'])
  })

  it('lack their end with the list of modules', () => {
    const cut = TEXT.replace('TBOOT: all modules are verified', 'TBOOT: x')
    expect(parseTbootLog(cut).problems).toEqual(['the list of modules does not reach its end'])
    expect(parseTbootLog(LOST).problems).toContain('no part of it was written after the launch')
  })
})
