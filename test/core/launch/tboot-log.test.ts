import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../../src/core/failure.ts'
import { replayLog } from '../../../src/core/launch/replay.ts'
import { parseTbootLog } from '../../../src/core/launch/tboot-log.ts'
import { fc } from './property.ts'
import { type Form, hash, type Machine, measure, pcrsOf, writeTxtStat } from './tboot-writer.ts'

const FORMS: Form[] = ['1.7', '1.9.12', '1.10-tpm12', '1.10-tpm2']

function machine(form: Form): Machine {
  return {
    form,
    modules: [
      { commandLine: 'placeholder console=none dom0_mem=min:1024M ucode=scan', image: Buffer.from('xen') },
      {
        commandLine: `placeholder root=/dev/mapper/q-root ${'x'.repeat(300)} aem.uuid=1`,
        image: Buffer.from('kernel'),
      },
      { commandLine: '', image: Buffer.from('initramfs') },
    ],
  }
}

describe('the real log of a TPM 1.2 machine with tboot 1.10.3', () => {
  const text = readFileSync(new URL('fixtures/txt-stat-tpm12-legacy.txt', import.meta.url), 'utf8')
  const log = parseTbootLog(text)

  it('gives the legacy map, the modules and their digests', () => {
    expect(log).toMatchObject({
      kind: 'tboot',
      version: '1.10.3',
      measured: true,
      map: 'legacy',
      problems: [],
    })
    expect(log.modules.map((module) => module.digests.sha1)).toEqual([
      'eb9987d865a176544f2faa4a90dbec495d738bf5',
      '4886dacbe9c774346f67259368509caa6907d95a',
    ])
    expect(log.modules[0]?.commandLine).toMatch(
      /^root=\/dev\/mapper\/luks-7d971340.* ipv6\.disable=1 pcie_aspm=force.* lsm=$/,
    )
    expect(log.modules[0]?.commandLine).not.toContain('\n')
    expect(log.modules[1]?.commandLine).toBe('')
  })

  it('gives the extends in order with their origin', () => {
    expect(log.events.map((event) => [event.pcr, event.type, event.origin.kind])).toEqual([
      [17, 0x402, 'platform'],
      [17, 0x403, 'platform'],
      [18, 0x404, 'mle'],
      [17, 0x501, 'policy'],
      [18, 0x501, 'module'],
      [19, 0x501, 'module'],
    ])
    expect(log.events[2]?.digests.sha1).toBe(log.values.mleHash)
  })

  it('contains the policy measurement that its policy values give', () => {
    const { policyControl, policyHash } = log.values
    const control = Buffer.from(policyControl!, 'hex').reverse()
    expect(hash('sha1', control, Buffer.from(policyHash!, 'hex')).toString('hex')).toBe(
      log.events[3]?.digests.sha1,
    )
  })
})

describe.each(FORMS)('a log of form %s', (form) => {
  const written = machine(form)
  const log = parseTbootLog(writeTxtStat(written))

  it('replays to the registers', () => {
    expect(log.problems).toEqual([])
    expect(log.map).toBe(form === '1.10-tpm2' ? 'da' : 'legacy')
    const replayed = replayLog(log, pcrsOf(written), [17, 18, 19])
    const status = (index: number) => replayed.filter((one) => one.index === index).map((one) => one.status)
    const hasEvents = form.startsWith('1.10')
    expect(status(17)).toEqual(
      form === '1.10-tpm2' ? ['faithful', 'faithful'] : [hasEvents ? 'faithful' : 'not-in-log'],
    )
    expect(status(18).every((one) => one === 'faithful')).toBe(true)
    expect(status(19)[0]).toBe(form === '1.10-tpm2' ? 'not-in-log' : 'faithful')
  })

  it('gives command lines and module digests without the bytes printed after them', () => {
    const algorithm = form === '1.10-tpm2' ? 'sha256' : 'sha1'
    expect(log.modules.map((module) => module.commandLine)).toEqual(
      written.modules.map((module) => module.commandLine),
    )
    expect(log.modules.map((module) => module.digests[algorithm])).toEqual(
      written.modules.map((module) => measure(algorithm, module).toString('hex')),
    )
  })

  it('cut off at any line is refused or known to be incomplete until the measurements are whole', () => {
    const lines = writeTxtStat(written).split('\n')
    const start = lines.findIndex((line) => line.includes('VL measurements'))
    const whole = lines.findIndex((line, index) => index > start && !/ PCR \d| alg /.test(line)) + 1
    for (let count = 0; count < lines.length; count++) {
      const parsed = parseOrNull(lines.slice(0, count).join('\n'))
      if (parsed === null) continue
      if (count < whole) expect(parsed.problems.length, `after ${count} lines`).toBeGreaterThan(0)
      const registers = replayLog(parsed, pcrsOf(written), [17, 18, 19])
      if (count < whole) expect(registers.some((one) => one.status === 'faithful')).toBe(false)
      else expect(registers.some((one) => one.status === 'unfaithful')).toBe(false)
    }
  })

  it('reads the same from a serial capture with carriage returns', () => {
    expect(parseTbootLog(writeTxtStat(written).replaceAll('\n', '\r\r\n'))).toEqual(log)
  })

  it('reads the same after a resume from S3, which prints another launch', () => {
    const text = writeTxtStat(written)
    const again = text.slice(text.lastIndexOf('TBOOT: *********************** TBOOT'))
    expect(parseTbootLog(text + again)).toEqual(log)
  })
})

function parseOrNull(text: string) {
  try {
    return parseTbootLog(text)
  } catch (error) {
    expect(error).toBeInstanceOf(Failure)
    return null
  }
}

describe('odd logs', () => {
  it('an unmeasured boot is a log that says so', () => {
    const text = '\t TXT measured launch: FALSE\n\t secrets flag set: FALSE\nunable to find TBOOT log\n'
    expect(parseTbootLog(text)).toMatchObject({ measured: false, events: [], modules: [] })
  })

  it.each(['', 'unable to find TBOOT log', '\t TXT measured launch: TRUE\nunable to find TBOOT log\n'])(
    '%j is refused',
    (text) => {
      expect(() => parseTbootLog(text)).toThrow(Failure)
    },
  )

  it('events that contradict the VL measurements are named', () => {
    const text = writeTxtStat(machine('1.10-tpm12'))
    const last = text.lastIndexOf('Digest: ') + 'Digest: '.length
    const changed = `${text.slice(0, last)}ff${text.slice(last + 2)}`
    expect(parseTbootLog(changed).problems).toEqual([
      'event 4 of the measurements (sha1) differs from the VL measurements',
    ])
  })

  it('a list of VL measurements with nothing in it is none', () => {
    const text = writeTxtStat(machine('1.7')).replace(/(VL measurements:\n)(?:.*PCR \d\d: .*\n)+/, '$1')
    expect(text).toMatch(/VL measurements:\nTBOOT: tboot_shared data:/)
    expect(parseTbootLog(text).problems).toEqual([
      'the VL measurements are missing or do not reach their end',
    ])
  })

  it('events contradict no VL measurements where there are none', () => {
    const text = writeTxtStat(machine('1.10-tpm12')).replace('VL measurements:', 'something else:')
    expect(parseTbootLog(text).problems).toEqual([
      'the VL measurements are missing or do not reach their end',
    ])
  })

  it('a changed digest in the log makes the register unfaithful and says from where', () => {
    const written = machine('1.10-tpm12')
    const other = {
      ...written,
      modules: [...written.modules, { commandLine: 'x', image: Buffer.from('more') }],
    }
    const [nineteen] = replayLog(parseTbootLog(writeTxtStat(other)), pcrsOf(written), [19]).filter(
      (one) => one.index === 19,
    )
    expect(nineteen).toMatchObject({ status: 'unfaithful', matchesAfter: 2 })
  })

  it('keeps quotes and brackets in a command line, and the end mark inside it', () => {
    const written = machine('1.10-tpm12')
    written.modules[1]!.commandLine = 'placeholder a="b c" d=\\"e\\" ... x"..'
    expect(parseTbootLog(writeTxtStat(written)).modules[1]?.commandLine).toBe(written.modules[1]!.commandLine)
  })

  it('a line that only quotes the words of the list of modules lists none', () => {
    const written = writeTxtStat(machine('1.10-tpm12'))
    const quoted = written.replace(
      'TBOOT: all modules are verified',
      `TBOOT: not verifying module "evil"...\nTBOOT: \t OK : ${'ab '.repeat(20)}\n$&`,
    )
    expect(quoted).not.toBe(written)
    expect(parseTbootLog(quoted)).toEqual(parseTbootLog(written))
  })

  it('more measurements than tboot can hold are no log of it', () => {
    const text = writeTxtStat(machine('1.10-tpm12'))
    const line = /TBOOT: \t {3}PCR 19 \(alg count 1\):\n.*\n/.exec(text)![0]
    const flooded = parseTbootLog(text.replace(line, line.repeat(50_000)))
    expect(flooded.problems.length).toBeGreaterThan(0)
    expect(
      replayLog(flooded, pcrsOf(machine('1.10-tpm12')), [19]).some((one) => one.status === 'faithful'),
    ).toBe(false)
  })

  it('never throws anything but a Failure and never hangs, whatever the text', () => {
    const lines = writeTxtStat(machine('1.10-tpm2')).split('\n')
    const mixed = fc.array(fc.oneof(fc.constantFrom(...lines), fc.string()), { maxLength: 200 })
    fc.assert(
      fc.property(mixed, (parts) => {
        try {
          parseTbootLog(parts.join('\n'))
        } catch (error) {
          if (!(error instanceof Failure)) throw error
        }
      }),
    )
  })
})
