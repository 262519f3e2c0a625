import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { Boot } from '../machine/boot.ts'
import type { Machine } from '../machine/machine.ts'
import type { Snapshot } from './snapshots.ts'

/*
 * Power cuts by the dozen: while something runs in the guest, the machine is stopped for a moment and its disk and TPM are
 * copied, as they would be had the power failed there. What the guest has not written yet is lost in the copy, as it
 * would be; writes are never reordered.
 */

export type Cut = Snapshot & {
  readonly afterS: number
  /** What the console said last, to name the moment. */
  readonly line: string
}

/** The rhythm of the copies: a short pause where the console's last line calls for it. */
export type Rhythm = { readonly pauseS: number; readonly dense: RegExp; readonly densePauseS: number }

const wait = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

function lastLine(text: string): string {
  const plain = text.replace(/\u001b\[[0-?]*[ -/]*[@-~]/g, '')
  return plain.split(/[\r\n]+/).findLast((line) => line.trim() !== '') ?? ''
}

/**
 * Copies the machine again and again until `work` has ended.
 * @param folder where the copies go, one folder each
 */
export async function cutsDuring<T>(
  machine: Machine,
  boot: Pick<Boot, 'serial'>,
  folder: string,
  rhythm: Rhythm,
  work: Promise<T>,
): Promise<{ readonly cuts: Cut[]; readonly result: T }> {
  const began = Date.now()
  const from = boot.serial().length
  const cuts: Cut[] = []
  let isOver = false
  const over = work.finally(() => {
    isOver = true
  })
  over.catch(() => {}) // thrown below
  while (!isOver) {
    const said = boot.serial().slice(from)
    const line = lastLine(said)
    const afterS = (Date.now() - began) / 1000
    const copy = path.join(folder, `cut-${cuts.length}`)
    await machine.copy(copy)
    cuts.push({ folder: copy, bootOffset: machine.partition.offset, afterS, line })
    await Promise.race([wait(rhythm.dense.test(line) ? rhythm.densePauseS : rhythm.pauseS), over])
  }
  return { cuts, result: await over }
}

/** Keeps `count` of the cuts and removes the others: half of them spread evenly, half from where they lie densest. */
export async function thinOut(cuts: readonly Cut[], count: number): Promise<Cut[]> {
  const last = cuts.at(-1)?.afterS ?? 0
  const kept = new Set<Cut>()
  for (let n = 0; n < Math.ceil(count / 2); n++) {
    const at = (last * (n + 0.5)) / Math.ceil(count / 2)
    const nearest = [...cuts].sort((a, b) => Math.abs(a.afterS - at) - Math.abs(b.afterS - at))
    kept.add(nearest[0] as Cut)
  }
  // the others evenly by their number, so where many were made many are kept
  for (let n = 0; kept.size < Math.min(count, cuts.length); n++) {
    const index = Math.floor((cuts.length * ((n * 0.381966) % 1)) % cuts.length)
    kept.add(cuts[index] as Cut)
  }
  for (const cut of cuts) if (!kept.has(cut)) await rm(cut.folder, { recursive: true, force: true })
  return cuts.filter((cut) => kept.has(cut))
}
