import type { Digests, LoggedModule } from './launch-log.ts'
import { BANKS, type Bank, bankOfAlgorithm, PCR } from './pcr.ts'
import { cutDigest, readHex } from './tboot-events.ts'

/** What tboot says it will extend: one entry, digests of every algorithm it computed. */
export type VlEntry = { readonly pcr: number; readonly digests: Digests }

export type PrintedModule = { readonly commandLine: string; readonly printedDigest: string | null }

/** tboot prints a module's command line in pieces of this many bytes (policy.c, CHUNK_SIZE). */
const CHUNK_LENGTH = 80
/** A GRUB command line is below 4 KiB; more lines than that are a log that lost its end. */
const MAX_CHUNKS = 128
/** tboot keeps at most 32 measurements (include/integrity.h, MAX_VL_HASHES); a list beyond this is no log of it. */
const MAX_ENTRIES = 64

/** The text without `TBOOT: ` at the line starts; carriage returns of serial captures are dropped. */
export function splitLogLines(text: string): string[] {
  return text
    .replace(/\r+\n?/g, '\n')
    .split('\n')
    .map((line) => (line.startsWith('TBOOT: ') ? line.slice(7) : line))
}

/**
 * The lines after the launch: tboot prints its banner before and after GETSEC[SENTER], and again at each
 * resume from S3. Event blocks before the launch show old memory, so only the last stretch counts.
 *
 *     TBOOT: *********************** TBOOT ***********************
 *     TBOOT:    2021-12-08 16:00 +0100 1.10.3
 *
 * @returns the lines, or null when no stretch says that the launch came back
 */
export function findPostLaunch(lines: readonly string[]): readonly string[] | null {
  const starts = [0]
  lines.forEach((line, index) => {
    if (/^\*{3,} TBOOT \*{3,}$/.test(line.trim())) starts.push(index)
  })
  for (let i = starts.length - 1; i >= 0; i--) {
    const part = lines.slice(starts[i], starts[i + 1])
    if (part.some((line) => /SINIT ACM successfully returned|measured launch succeeded/.test(line)))
      return part
  }
  return null
}

/**
 * The modules in the last verified list (tboot 1.7 to 1.10):
 *
 *     TBOOT: verifying module "
 *     root=UUID=c49f6e29-a829-40a2-925c-d2e28abaaa0c ro quiet net.ifnames=0 intel_iomm
 *     u=on noefi"...
 *     TBOOT: 	 OK : 24 d7 65 56 79 09 a5 11 7e ff 2f cf 4f e9 2f 40 d5 20 f1 ef 63 38 43 e8
 *     TBOOT: verifying module ""...
 *     TBOOT: 	 OK : 09 b8 53 fd 47 3e 8b f1 87 e3 d4 98 d4 a2 21 b2 a1 7e 39 60 a1 34 4f 88
 *     TBOOT: all modules are verified
 *
 * @returns complete is false when the list does not reach its last line
 */
export function readModules(lines: readonly string[]): { modules: PrintedModule[]; complete: boolean } {
  const start = lines.findLastIndex((line) => /^verifying policy\s*$/.test(line))
  const modules: PrintedModule[] = []
  let index = start === -1 ? 0 : start + 1
  while (index < lines.length) {
    const line = lines[index]!
    if (/^all modules are verified/.test(line)) return { modules, complete: true }
    const opening = /^verifying module "(.*)$/.exec(line)
    if (!opening) {
      index += 1
      continue
    }
    const read = readCommandLine(lines, index, opening[1]!)
    if (read === null || modules.length === MAX_ENTRIES) return { modules, complete: false }
    const ok = /^\s*OK : (.+)$/.exec(lines[read.next] ?? '')
    modules.push({ commandLine: read.commandLine, printedDigest: ok ? readHex(ok[1]!) : null })
    index = read.next
  }
  return { modules, complete: false }
}

function readCommandLine(
  lines: readonly string[],
  start: number,
  first: string,
): { commandLine: string; next: number } | null {
  const oneLine = /^(.*)"\.{3}\s*$/.exec(first)
  if (oneLine) return { commandLine: oneLine[1]!, next: start + 1 }
  let commandLine = first
  for (let index = start + 1; index < Math.min(lines.length, start + MAX_CHUNKS); index++) {
    const piece = lines[index]!
    const end = /^(.*)"\.{3}\s*$/.exec(piece)
    if (end && Buffer.byteLength(end[1]!) <= CHUNK_LENGTH)
      return { commandLine: commandLine + end[1]!, next: index + 1 }
    commandLine += piece
  }
  return null
}

/**
 * The last `VL measurements` block, in both forms:
 *
 *     TBOOT: 	 VL measurements:                      (tboot 1.7)
 *     TBOOT: 	   PCR 17: a8 21 ff be 39 69 21 f3 bd 8d 79 e7 70 ec 8f 75 41 ba 5c 5e
 *     TBOOT: 	   PCR 17 (alg count 1):               (tboot 1.8 and later)
 *     TBOOT: 		   alg 0004: c3 43 84 97 fd a8 27 be 3b 32 1c 53 09 a2 04 f0 c9 e5 39 43
 *
 * @returns complete is false when the text ends inside the block
 */
export function readVlMeasurements(lines: readonly string[]): { entries: VlEntry[]; complete: boolean } {
  const start = lines.findLastIndex((line) => /^\s*VL measurements:\s*$/.test(line))
  const entries: VlEntry[] = []
  if (start === -1) return { entries, complete: false }
  for (const line of lines.slice(start + 1)) {
    if (entries.length > MAX_ENTRIES) return { entries: [], complete: false }
    const oneLine = /^\s*PCR (\d{1,2}): (.+)$/.exec(line)
    const heading = /^\s*PCR (\d{1,2}) \(alg count (\d{1,2})\):\s*$/.exec(line)
    const algorithm = /^\s*alg ([0-9A-Fa-f]{4}): (.+)$/.exec(line)
    if (oneLine) entries.push({ pcr: Number(oneLine[1]), digests: digestsOf('sha1', oneLine[2]!) })
    else if (heading) entries.push({ pcr: Number(heading[1]), digests: {} })
    else if (algorithm && entries.length > 0) addDigest(entries, algorithm[1]!, algorithm[2]!)
    else if (line.trim() !== '') return { entries, complete: isWhole(entries) }
  }
  return { entries, complete: false }
}

function isWhole(entries: readonly VlEntry[]): boolean {
  return (
    entries.length > 0 &&
    entries.every((entry) => entry.pcr <= PCR.last && Object.keys(entry.digests).length > 0)
  )
}

function digestsOf(bank: Bank | null, printed: string): Digests {
  const hex = bank === null ? null : readHex(printed)
  const digest = hex === null ? null : cutDigest(bank!, hex)
  return digest === null ? {} : { [bank!]: digest }
}

function addDigest(entries: VlEntry[], algorithmHex: string, printed: string): void {
  Object.assign(
    entries.at(-1)!.digests,
    digestsOf(bankOfAlgorithm(Number.parseInt(algorithmHex, 16)), printed),
  )
}

/** The module whose printed digest begins with one of the entry's: printed digests may carry trailing bytes. */
export function isPrintedDigestOf(module: PrintedModule, digests: Digests): boolean {
  const printed = module.printedDigest
  return printed !== null && Object.values(digests).some((digest) => printed.startsWith(digest))
}

/** The printed module as a logged one, with the digests that its VL entry gives or else its own. */
export function loggedModule(
  module: PrintedModule | undefined,
  vlDigests: Digests | undefined,
): LoggedModule {
  const digests: Digests = { ...vlDigests }
  const printed = module?.printedDigest ?? null
  if (printed !== null && Object.keys(digests).length === 0) {
    const bank = (['sha1', 'sha256', 'sha384', 'sha512'] as const).find(
      (name) => 2 * BANKS[name].sizeBytes === printed.length,
    )
    if (bank !== undefined) digests[bank] = printed
  }
  return { commandLine: module?.commandLine ?? null, digests }
}
