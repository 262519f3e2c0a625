import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { EVENT_TYPE, type LaunchEvent, type LaunchLog } from '../../../src/core/launch/launch-log.ts'
import { hasSameCapabilities } from '../../../src/core/launch/mle-hash.ts'
import { emptyPcr, extendPcr } from '../../../src/core/launch/pcr.ts'
import { predictLaunch } from '../../../src/core/launch/predict.ts'
import { parseTbootLog } from '../../../src/core/launch/tboot-log.ts'
import { type Disk, disk, machineOf, mleOf, predictionInput } from './launch-world.ts'
import { tbootWith } from './tboot-image.ts'
import { writeTxtStat } from './tboot-writer.ts'

/*
 * What tboot asks SINIT for is an event of its own in PCR 17 (0x40f), beside the hash of its image: another tboot whose hash
 * is predicted rightly may still move PCR 17 by it (OpenXT/xenclient-oe, pull request 1051).
 */

describe('the capabilities in a tboot', () => {
  it.each([
    ['the same', 0x627, 0x627, true],
    // wake-up, page table in ECX, details and authorities, log format: by SINIT and TPM, not by the header
    ['other ones only where tboot goes by SINIT and TPM', 0x400, 0x400 | 0b10_0010_0111, true],
    ['one more in the log', 0x627, 0x627 | 0x8, false],
    ['one more in the file', 0x627 | 0x40, 0x627, false],
    ['the highest bit', 0x8000_0627, 0x627, false],
  ])('%s', (_what, own, logged, isSame) => {
    expect(hasSameCapabilities(tbootWith(own), logged)).toBe(isSame)
  })

  it('of a file that is no tboot are none', () => {
    expect(() => hasSameCapabilities(Buffer.from('no ELF'), 0)).toThrow()
  })

  it('of a real machine are those of the same release of tboot', async () => {
    const file = new URL('fixtures/txt-stat-tpm12-legacy.txt', import.meta.url)
    const logged = parseTbootLog(await readFile(file, 'utf8')).sinitCapabilities
    expect(logged).toBe(0x402)
    const image = gunzipSync(await readFile('/boot/tboot.gz'))
    expect(hasSameCapabilities(image, logged!)).toBe(true)
    expect(hasSameCapabilities(image, logged! ^ 0x400)).toBe(false)
  })
})

describe('PCR 17 of a changed tboot', () => {
  const now = disk({ tboot: 'tboot 1.11' })

  /** The log of a boot, with the event of the capabilities before the first measurement of tboot itself. */
  function logOf(from: Disk): LaunchLog {
    const log = parseTbootLog(writeTxtStat(machineOf(from, '1.10-tpm2')))
    const event: LaunchEvent = {
      pcr: 17,
      type: EVENT_TYPE.sinitCapabilities,
      digests: { sha256: createHash('sha256').update('capabilities').digest('hex') },
      origin: { kind: 'platform' },
      data: null,
    }
    const at = log.events.findIndex(({ type }) => type === EVENT_TYPE.tbootMeasurement)
    return { ...log, events: log.events.toSpliced(at, 0, event) }
  }

  function registersOf(log: LaunchLog): Record<number, string> {
    const values: Record<number, string> = {}
    for (const { pcr, digests } of log.events)
      if (pcr !== 255 && digests.sha256 !== undefined)
        values[pcr] = extendPcr('sha256', values[pcr] ?? emptyPcr('sha256'), digests.sha256)
    return values
  }

  function predict(sameCapabilities: boolean | null, next: Disk = now) {
    const log = logOf(disk())
    const input = predictionInput(disk(), next, '1.10-tpm2', {
      log,
      pcrsNow: { sha256: registersOf(log) },
      mleNow: mleOf(next),
      unchanged: { launcher: null, sinit: true, policy: true },
      sameCapabilities,
    })
    return predictLaunch(input).pcrs.find(({ index }) => index === 17)
  }

  it('is predicted where it asks for the same', () => {
    expect(predict(true)?.predicted).toBe(registersOf(logOf(now))[17])
  })

  it.each([
    [false, 'asks SINIT for other capabilities'],
    [null, 'could not be compared'],
  ])('is refused where that is %s', (sameCapabilities, words) => {
    expect(predict(sameCapabilities)).toMatchObject({
      predicted: null,
      code: 'tboot-changed',
      reason: expect.stringContaining(words),
    })
  })

  it('is predicted where nothing of the kind was measured, though it could not be compared', () => {
    const log = parseTbootLog(writeTxtStat(machineOf(disk(), '1.10-tpm2')))
    const input = predictionInput(disk(), now, '1.10-tpm2', {
      log,
      mleNow: mleOf(now),
      unchanged: { launcher: null, sinit: true, policy: true },
      sameCapabilities: null,
    })
    const wanted = registersOf(parseTbootLog(writeTxtStat(machineOf(now, '1.10-tpm2'))))
    expect(predictLaunch(input).pcrs.find(({ index }) => index === 17)?.predicted).toBe(wanted[17])
  })

  it('of an unchanged one it is not asked', () => {
    expect(predict(null, disk())?.predicted).toBe(registersOf(logOf(disk()))[17])
  })
})
