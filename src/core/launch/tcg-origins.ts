import { toText } from './byte-reader.ts'
import { EVENT_TYPE, type EventOrigin, type LaunchKind, type RawEvent } from './launch-log.ts'
import { PCR } from './pcr.ts'

/*
 * What each extend of a TrenchBoot log is. SKL and Xen give all of theirs one type, 0x502, so register, place and text
 * tell them apart:
 *
 * - SKL (secure-kernel-loader, branch slrt e4f7e32, event_log.c and main.c) writes the first three of PCR 17 on AMD:
 *   "SKINIT", "DLME entry offset", "DLME". Elsewhere these texts mean nothing.
 * - GRUB's launch policy has the texts of a BIOS boot (TrenchBoot/grub 90ce968a5, multiboot_mbi2.c "Measured MB2 module",
 *   i386/txt/txt.c "Measured TXT OS-MLE data"); the multiboot information, first of PCR 18, and the vendor's entry of the launch
 *   table have none (TrenchBoot/xen aem-4.17.4, tpm.c tpm_extend_mbi, slaunch.c tpm_measure_slrt).
 * - Xen on UEFI measures "Xen's command line" and, for each module, "MB module string" in PCR 18 and "MB module" in PCR 17
 *   (TrenchBoot's xen/arch/x86/slaunch.c of 2025, slaunch_process_drtm_policy).
 */
const SKL_TEXTS = ['SKINIT', 'DLME entry offset', 'DLME'] as const
const SKL_ORIGINS: readonly EventOrigin[] = [{ kind: 'platform' }, { kind: 'mle-entry' }, { kind: 'mle' }]
/** An event without any text is one of an older Xen. */
const MODULE_TEXTS: readonly (string | null)[] = ['Measured MB2 module', 'MB module']
const XEN_LINE = "Xen's command line"
const MODULE_LINE = 'MB module string'
const OS2MLE = 'Measured TXT OS-MLE data'

const isSlaunch = ({ type }: RawEvent): boolean => type === EVENT_TYPE.slaunch
const textOf = ({ data }: RawEvent): string | null => toText(data)
const isTxt = ({ type }: RawEvent): boolean =>
  type >= EVENT_TYPE.pcrMapping && type < EVENT_TYPE.tbootMeasurement

/** Did SKL begin the log of PCR 17? Only the three together do; a text alone is what anybody can write. */
function isLaunchedBySkl(events: readonly RawEvent[]): boolean {
  const code = events.filter(({ pcr }) => pcr === PCR.drtm)
  return SKL_TEXTS.every((text, at) => {
    const event = code[at]
    return event !== undefined && isSlaunch(event) && textOf(event) === text
  })
}

/** How the boot was launched, from its log; null where neither SKL nor SINIT wrote it. */
export function decideLaunchKind(events: readonly RawEvent[]): LaunchKind | null {
  const cpu = isLaunchedBySkl(events) ? 'amd' : events.some(isTxt) ? 'intel' : null
  if (cpu === null) return null
  const isUefi = events.some(
    (event) => isSlaunch(event) && event.pcr === PCR.launched && textOf(event) === XEN_LINE,
  )
  return { cpu, firmware: isUefi ? 'uefi' : 'bios' }
}

/** The origin of each extend, in the order of the log; modules count from 0 in GRUB's load order. */
export function decideOrigins(events: readonly RawEvent[]): EventOrigin[] {
  const launch = decideLaunchKind(events)
  const place = { skl: 0, module: 0, line: 0, untitled: 0 }
  const ofCode = (event: RawEvent): EventOrigin => {
    const isFirst = launch?.cpu === 'amd' && place.skl < SKL_TEXTS.length
    if (isFirst) return SKL_ORIGINS[place.skl++]!
    const isModule =
      MODULE_TEXTS.includes(textOf(event)) || (launch?.cpu !== 'amd' && event.data.length === 0)
    return isModule ? { kind: 'module', moduleIndex: place.module++ } : { kind: 'other' }
  }
  const ofData = (event: RawEvent): EventOrigin => {
    const text = textOf(event)
    if (text === null && event.data.length === 0) return ofUntitled()
    if (text === OS2MLE) return { kind: 'launch-info' }
    if (launch?.firmware !== 'uefi') return { kind: 'other' }
    if (text === XEN_LINE) return { kind: 'command-line', moduleIndex: null }
    return text === MODULE_LINE ? { kind: 'command-line', moduleIndex: place.line++ } : { kind: 'other' }
  }
  const ofUntitled = (): EventOrigin => {
    const isBootInfo = launch?.firmware !== 'uefi' && place.untitled === 0
    place.untitled += 1
    return { kind: isBootInfo ? 'boot-info' : 'launch-info' }
  }
  return events.map((event): EventOrigin => {
    if (event.type === EVENT_TYPE.mleHash) return { kind: 'mle' }
    if (event.type < EVENT_TYPE.tbootMeasurement) return { kind: 'platform' }
    if (!isSlaunch(event)) return { kind: 'other' }
    if (event.pcr === PCR.drtm) return ofCode(event)
    return event.pcr === PCR.launched ? ofData(event) : { kind: 'other' }
  })
}
