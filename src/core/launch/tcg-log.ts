import type { Failure } from '../failure.ts'
import { coreFailure } from '../failures.ts'
import { type ByteReader, isZero, takeBytes, takeUint, toHex, toText, truncated } from './byte-reader.ts'
import {
  type Digests,
  EVENT_TYPE,
  type LaunchEvent,
  type LaunchLog,
  type RawEvent,
  type RawLog,
} from './launch-log.ts'
import { BANKS, type Bank, bankOfAlgorithm, PCR } from './pcr.ts'
import { readTxtContainer } from './tcg-log-tpm12.ts'
import { decideLaunchKind, decideOrigins } from './tcg-origins.ts'

/** TCG PC Client Platform Firmware Profile 1.06, section 10.4.5.1: header event of 32 bytes before its data. */
const HEADER_EVENT_BYTES = 32
const SIGNATURE_BYTES = 16
/** TCG Algorithm Registry 1.34 names fewer hash algorithms than this; more is a damaged count. */
const MAX_ALGORITHMS = 16
/** pcrIndex, eventType and a digest count of zero: what an unused log buffer holds. */
const END_MARK_BYTES = 12
/** secure-kernel-loader: pointer (8), allocated (4), first (4) and next offset (4) as vendor data. */
const LOG_POINTER_BYTES = 20
const TXT_CONTAINER_SIGNATURE = 'TXT Event Container\0'

/**
 * A TrenchBoot event log, as read from memory: crypto-agile (`Spec ID Event03`, TPM 2.0, any number of banks),
 * or a TXT event container (TPM 1.2), alone or as vendor data of a `Spec ID Event00` / `Event02` header.
 * @param bytes the whole range that Xen reserved
 * @param sizeBytes the size of that range where it is known; fewer bytes than that are refused
 * @throws Failure `log-truncated`, `log-unreadable`
 */
export function parseTcgLog(bytes: Uint8Array, sizeBytes: number | null = null): LaunchLog {
  if (sizeBytes !== null && bytes.length < sizeBytes)
    throw truncated('the event log', `${bytes.length} of ${sizeBytes} bytes are there`)
  const raw = readRawLog({ bytes, offset: 0, what: 'the event log' }, sizeBytes)
  return toLaunchLog(raw)
}

function readRawLog(reader: ByteReader, sizeBytes: number | null): RawLog {
  if (ascii(reader.bytes.subarray(0, 20)) === TXT_CONTAINER_SIGNATURE) return readTxtContainer(reader)
  const pcr = takeUint(reader, 4, 'the header event')
  const type = takeUint(reader, 4, 'the header event')
  takeBytes(reader, 20, "the header event's digest")
  const dataBytes = takeUint(reader, 4, "the header event's size")
  const data: ByteReader = {
    bytes: takeBytes(reader, dataBytes, "the header event's data"),
    offset: 0,
    what: reader.what,
  }
  const signature = ascii(takeBytes(data, SIGNATURE_BYTES, 'the signature'))
  if (pcr !== 0 || type !== EVENT_TYPE.noAction) throw unreadable('it begins with another event')
  if (signature === 'Spec ID Event03\0') return readAgileLog(reader, data, sizeBytes)
  if (signature === 'Spec ID Event00\0' || signature === 'Spec ID Event02\0')
    return readWrappedContainer(reader, data)
  throw unreadable(`its signature is ${JSON.stringify(signature)}`)
}

function unreadable(why: string): Failure {
  return coreFailure('log-unreadable', { what: `the memory that Xen reserved holds no event log: ${why}` })
}

function ascii(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

/** The container lies in the header's vendor data and goes on behind it (Xen aem-4.17.4, xen/arch/x86/tpm.c). */
function readWrappedContainer(reader: ByteReader, data: ByteReader): RawLog {
  takeBytes(data, 8, 'platform class and versions')
  takeUint(data, 1, 'the size of the vendor data')
  const start = HEADER_EVENT_BYTES + data.offset
  return readTxtContainer({ bytes: reader.bytes.subarray(start), offset: 0, what: reader.what }, start)
}

type Algorithm = { readonly id: number; readonly sizeBytes: number; readonly bank: Bank | null }

function readAgileLog(reader: ByteReader, data: ByteReader, sizeBytes: number | null): RawLog {
  takeBytes(data, 8, 'platform class and versions')
  const count = takeUint(data, 4, 'the number of algorithms')
  if (count < 1 || count > MAX_ALGORITHMS) throw unreadable(`it names ${count} algorithms`)
  const algorithms = Array.from({ length: count }, () => readAlgorithm(data))
  const end = readVendorEnd(data)
  if (end !== null && (end > reader.bytes.length || end < reader.offset))
    throw truncated(reader.what, `its events end at ${end}`)
  const events: RawEvent[] = []
  while (!isAtEnd(reader, end, sizeBytes)) events.push(readAgileEvent(reader, algorithms))
  const soleBank = algorithms.length === 1 ? algorithms[0]!.bank : null
  return { events, problems: [], soleBank }
}

function readAlgorithm(data: ByteReader): Algorithm {
  const id = takeUint(data, 2, 'an algorithm')
  const sizeBytes = takeUint(data, 2, 'a digest size')
  const bank = bankOfAlgorithm(id)
  if (sizeBytes < 1 || sizeBytes > BANKS.sha512.sizeBytes) throw unreadable(`a digest has ${sizeBytes} bytes`)
  if (bank !== null && BANKS[bank].sizeBytes !== sizeBytes)
    throw unreadable(`its ${bank} digests have ${sizeBytes} bytes`)
  return { id, sizeBytes, bank }
}

/** Where the events end, from the log pointer that the AMD loader keeps as vendor data; null without it. */
function readVendorEnd(data: ByteReader): number | null {
  const vendorBytes = takeUint(data, 1, 'the size of the vendor data')
  const vendor: ByteReader = {
    bytes: takeBytes(data, vendorBytes, 'the vendor data'),
    offset: 0,
    what: data.what,
  }
  if (vendorBytes !== LOG_POINTER_BYTES) return null
  takeBytes(vendor, 16, 'the log pointer')
  return takeUint(vendor, 4, 'the next event')
}

function isAtEnd(reader: ByteReader, end: number | null, sizeBytes: number | null): boolean {
  if (end !== null) {
    if (reader.offset > end) throw truncated(reader.what, `an event runs past ${end}`)
    return reader.offset === end
  }
  const left = reader.bytes.length - reader.offset
  if (left === 0 && sizeBytes !== null && reader.bytes.length === sizeBytes) return true
  if (left < END_MARK_BYTES) throw truncated(reader.what, `no end mark after offset ${reader.offset}`)
  return isZero(reader.bytes.subarray(reader.offset, reader.offset + END_MARK_BYTES))
}

function readAgileEvent(reader: ByteReader, algorithms: readonly Algorithm[]): RawEvent {
  const at = reader.offset
  const pcr = takeUint(reader, 4, 'a register number')
  const type = takeUint(reader, 4, 'an event type')
  const count = takeUint(reader, 4, 'a digest count')
  if (count < 1 || count > algorithms.length)
    throw truncated(reader.what, `the event at offset ${at} has ${count} digests`)
  const digests: Digests = {}
  const seen = new Set<number>()
  for (let i = 0; i < count; i++) {
    const id = takeUint(reader, 2, 'a digest algorithm')
    const algorithm = algorithms.find((one) => one.id === id)
    if (algorithm === undefined || seen.has(id))
      throw truncated(
        reader.what,
        `the event at offset ${at} has algorithm 0x${id.toString(16)} out of place`,
      )
    seen.add(id)
    const digest = takeBytes(reader, algorithm.sizeBytes, 'a digest')
    if (algorithm.bank !== null) digests[algorithm.bank] = toHex(digest)
  }
  const data = takeBytes(reader, takeUint(reader, 4, 'an event size'), 'event data')
  return { pcr, type, digests, data }
}

function toLaunchLog(raw: RawLog): LaunchLog {
  const startup = raw.events.find(
    (event) => event.type === EVENT_TYPE.noAction && ascii(event.data).startsWith('StartupLocality\0'),
  )
  const extended = raw.events.filter((event) => event.type !== EVENT_TYPE.noAction && event.pcr <= PCR.last)
  const origins = decideOrigins(extended)
  const events = extended.map((event, index): LaunchEvent => {
    const { pcr, type, digests } = event
    return { pcr, type, digests, origin: origins[index]!, data: toText(event.data) }
  })
  const modules = events.filter((event) => event.origin.kind === 'module')
  return {
    kind: 'trenchboot',
    version: null,
    measured: events.some((event) => event.pcr === PCR.drtm),
    map: 'slaunch',
    launch: decideLaunchKind(extended),
    soleBank: raw.soleBank ?? null,
    events,
    modules: modules.map((event) => ({ commandLine: null, digests: event.digests })),
    defaultPolicy: null,
    platformEvents: true,
    values: { sinitHash: null, mleHash: null, policyHash: null, policyControl: null },
    startupLocality: startup?.data[SIGNATURE_BYTES] ?? null,
    problems: raw.problems,
  }
}
