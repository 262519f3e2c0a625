import { type ByteReader, takeBytes, takeUint, toHex, truncated } from './byte-reader.ts'
import type { RawEvent, RawLog } from './launch-log.ts'
import { BANKS } from './pcr.ts'

/**
 * TXT event container: Intel TXT Software Development Guide, revision 017, appendix F, and Xen aem-4.17.4,
 * xen/arch/x86/tpm.c (struct txt_ev_log_container_12).
 *
 *     20 "TXT Event Container" NUL | 12 reserved | 1 1 container version | 1 1 event version
 *     | 4 size of the container | 4 offset of the first event | 4 offset of the next event
 */
const CONTAINER_HEADER_BYTES = 48

/**
 * The events of a container, whose offsets count from its own start.
 * @param reader from the container's first byte to the end of what was read
 * @param prefixBytes what stands before it; its own size may include that (qubes-antievilmaid's TrenchBoot log script)
 * @throws Failure `log-truncated`
 */
export function readTxtContainer(reader: ByteReader, prefixBytes = 0): RawLog {
  takeBytes(reader, 20 + 12, 'the container')
  const containerMajor = takeUint(reader, 1, 'the container version')
  takeUint(reader, 1, 'the container version')
  const eventMajor = takeUint(reader, 1, 'the event version')
  const eventMinor = takeUint(reader, 1, 'the event version')
  if (containerMajor !== 1 || eventMajor !== 1 || eventMinor !== 0)
    throw truncated(
      reader.what,
      `unknown container version ${containerMajor}, event ${eventMajor}.${eventMinor}`,
    )
  const size = takeUint(reader, 4, "the container's size")
  const first = takeUint(reader, 4, 'the first event')
  const next = takeUint(reader, 4, 'the next event')
  const available = reader.bytes.length
  if (size > available + prefixBytes || size < CONTAINER_HEADER_BYTES)
    throw truncated(reader.what, `the container has ${size} bytes, ${available} were read`)
  if (first < CONTAINER_HEADER_BYTES || next < first || next > Math.min(available, size))
    throw truncated(reader.what, `its events run from ${first} to ${next}`)
  const area: ByteReader = { bytes: reader.bytes.subarray(0, next), offset: first, what: reader.what }
  const events: RawEvent[] = []
  while (area.offset < next) events.push(readEvent(area))
  return { events, problems: [] }
}

function readEvent(area: ByteReader): RawEvent {
  const pcr = takeUint(area, 4, 'a register number')
  const type = takeUint(area, 4, 'an event type')
  const sha1 = toHex(takeBytes(area, BANKS.sha1.sizeBytes, 'a digest'))
  const data = takeBytes(area, takeUint(area, 4, 'an event size'), 'event data')
  return { pcr, type, digests: { sha1 }, data }
}
