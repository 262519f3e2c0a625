import { Failure } from '../failure.ts'
import type { BootEntry } from './boot-entry.ts'
import type { LaunchLog } from './launch-log.ts'

/*
 * What `slaunch_module` hands to a launch by TrenchBoot: on Intel a SINIT module, on AMD the Secure Kernel Loader. GRUB keeps the last
 * one that it takes for one of this processor, refuses the others, and goes on (TrenchBoot/grub 90ce968a5,
 * grub-core/loader/i386/slaunch.c, grub_cmd_slaunch_module). So several, as AEM's script writes them, are no fault.
 */

/** In /boot, without case: TrenchBoot/qubes-antievilmaid 18a0a74, etc/grub.d/19_linux_xen_trenchboot, `@(*SINIT*|SKL).BIN`. */
const LISTED = /^\/(?:[^/]*sinit[^/]*|skl)\.bin$/i

/** What no script writes: a file of another name, or more than the file. */
export function findModuleFault(path: string, args: readonly string[]): string | null {
  if (args.length > 0) return 'slaunch_module is given more than a file'
  return LISTED.test(path)
    ? null
    : `slaunch_module loads ${path}, and AEM's script takes *SINIT*.BIN and SKL.BIN alone`
}

/**
 * AMD's launch needs an SKL (grub-core/loader/i386/skinit.c, grub_skinit_boot_prepare); Intel's may take the SINIT module that the
 * firmware brought (txt/acmod.c, grub_txt_sinit_select), so an entry without one is none too few there.
 * @param log of this boot, which tells the processor
 */
export function findLoaderFault(entry: BootEntry, log: LaunchLog | Failure | null): string | null {
  const isAmd = log !== null && !(log instanceof Failure) && log.launch?.cpu === 'amd'
  if (!isAmd || entry.flavour !== 'trenchboot') return null
  const hasSkl = entry.sinit.some(({ path }) => /^\/skl\.bin$/i.test(path))
  return hasSkl
    ? null
    : 'no slaunch_module of it loads SKL.BIN, without which this processor launches nothing'
}

/**
 * Is it sure that GRUB takes these bytes for no SLB (grub_skinit_is_slb)? Then another one of the entry counts. A SINIT module is
 * none: its type and subtype stand where an SLB has its entry point and its measured size.
 */
export function isNoSlb(bytes: Buffer): boolean {
  if (bytes.length < 4) return true
  const [entryPoint, measured] = [bytes.readUInt16LE(0), bytes.readUInt16LE(2)]
  return measured > bytes.length || entryPoint >= measured
}
