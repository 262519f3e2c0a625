import { type Digests, EVENT_TYPE } from './launch-log.ts'
import { BANK_NAMES, BANKS, type Bank, bankOfAlgorithm, PCR } from './pcr.ts'

export type PrintedEvent = { readonly pcr: number; readonly type: number; readonly digests: Digests }

const HEX_LINE = /^(?:[0-9a-fA-F]{2} ?)+$/
const TCG_BANKS: Readonly<Record<string, Bank>> = {
  SHA1: 'sha1',
  SHA256: 'sha256',
  SHA384: 'sha384',
  SHA512: 'sha512',
  SM3_256: 'sm3_256',
}

/** Hex pairs with spaces to compact lower-case hex, or null. */
export function readHex(text: string): string | null {
  const trimmed = text.trim()
  return HEX_LINE.test(trimmed) ? trimmed.replaceAll(' ', '').toLowerCase() : null
}

/** A digest cut to the bank's size: some builds print stack bytes after it (tboot-devel, 2020-06-06). */
export function cutDigest(bank: Bank, hex: string): string | null {
  const length = 2 * BANKS[bank].sizeBytes
  return hex.length >= length ? hex.slice(0, length) : null
}

function bankOfLength(hex: string, algorithm: Bank | null): Bank | null {
  if (algorithm !== null && hex.length === 2 * BANKS[algorithm].sizeBytes) return algorithm
  return BANK_NAMES.find((bank) => hex.length === 2 * BANKS[bank].sizeBytes) ?? null
}

/**
 * The event blocks in one stretch of a tboot log, without the `TBOOT: ` prefixes. TPM 1.2 and TPM 2.0
 * with one log per algorithm (tboot 1.7 to 1.10):
 *
 *     Event:
 *         PCRIndex: 18
 *             Type: 0x404
 *           Digest: 48 b7 65 af 30 0a b0 db f4 1c 29 a3 0d b7 3a 3a fc 37 0f 1d
 *             Data: 0 bytes
 *
 * TPM 2.0 with a crypto-agile log (tboot 1.9.6 and later):
 *
 *     TCG Event:
 *          pcr_index: 17
 *         event_type: 0x501
 *              count: 1
 *     SHA256:
 *     71 be 58 52 a1 4e ab ef eb f0 df 0e 1a cc 5d a2 91 88 3b 6d 4c 5a b2 09 14 ed 98 7c 1d af 3f 91
 *         event_data: 0 bytes
 *
 * A container's heading that comes again starts that list again, because tboot prints the whole container.
 * Events outside the registers (255) and those that are never extended are left out.
 */
export function readPrintedEvents(lines: readonly string[]): PrintedEvent[] {
  const state = newState()
  for (const line of lines) readLine(state, line.trim())
  finishEvent(state)
  return state.events.filter(
    (event) =>
      event.pcr <= PCR.last &&
      event.type !== EVENT_TYPE.noAction &&
      event.type !== EVENT_TYPE.pcrMapping &&
      Object.keys(event.digests).length > 0,
  )
}

type State = {
  events: PrintedEvent[]
  algorithm: Bank | null
  open: { pcr: number | null; type: number | null; digests: Digests } | null
  wantedBank: Bank | null
}

function newState(): State {
  return { events: [], algorithm: null, open: null, wantedBank: null }
}

function finishEvent(state: State): void {
  const { open } = state
  state.open = null
  state.wantedBank = null
  if (open === null || open.pcr === null || open.type === null) return
  state.events.push({ pcr: open.pcr, type: open.type, digests: open.digests })
}

function readLine(state: State, line: string): void {
  if (/^(?:Event Log Container|TCG Event Log Header|EVENT_LOG_PTR|EVENT_LOG_POINTER):/.test(line)) {
    Object.assign(state, newState())
    return
  }
  if (/^(?:TCG )?Event:$/.test(line)) {
    finishEvent(state)
    state.open = { pcr: null, type: null, digests: {} }
    return
  }
  const algorithm = /^Alg: (\d+)$/.exec(line)
  if (algorithm) {
    finishEvent(state)
    state.algorithm = bankOfAlgorithm(Number(algorithm[1]))
    return
  }
  if (/^Wrong Event Log\.?$/.test(line)) {
    state.open = null
    return
  }
  if (state.open !== null) readField(state, state.open, line)
}

function readField(state: State, open: NonNullable<State['open']>, line: string): void {
  if (state.wantedBank !== null) {
    const hex = readHex(line)
    const digest = hex === null ? null : cutDigest(state.wantedBank, hex)
    if (digest !== null) open.digests[state.wantedBank] = digest
    state.wantedBank = null
    return
  }
  const index = /^(?:PCRIndex|pcr_index): (\d{1,9})$/.exec(line)
  if (index) open.pcr = Number(index[1])
  const type = /^(?:Type|event_type): (?:0x)?([0-9a-f]{1,8})$/.exec(line)
  if (type) open.type = Number.parseInt(type[1]!, 16)
  const digest = /^Digest: (.+)$/.exec(line)
  if (digest) {
    const hex = readHex(digest[1]!)
    const bank = hex === null ? null : bankOfLength(hex, state.algorithm)
    if (bank !== null) open.digests[bank] = hex!
  }
  const name = /^(SHA1|SHA256|SHA384|SHA512|SM3_256):$/.exec(line)
  if (name) state.wantedBank = TCG_BANKS[name[1]!]!
  if (/^(?:Data|event_data): /.test(line)) finishEvent(state)
}
