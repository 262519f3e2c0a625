import { writeQubesGrub } from '../support/grub/qubes-grub-writer.ts'

/** What a grub.cfg of the stage names. Paths are seen from the root of the boot device. */
export interface GrubFacts {
  sinit: string
  kernelName: string
  xenVersion: string
  /** Arguments of the Xen line after the word `placeholder`. */
  xenOptions: string
  /** UUID of the file system GRUB boots from. */
  bootUuid: string
  luksUuid: string
}

export const XEN_OPTIONS =
  'console=none dom0_mem=min:1024M dom0_mem=max:4096M ucode=scan smt=off gnttab_max_frames=2048 gnttab_max_maptrack_frames=4096'

/** grub.cfg as grub2-mkconfig of a Qubes dom0 writes it, with AEM's entries first and Xen's own after them. */
export function grubConfig(facts: GrubFacts): string {
  return writeQubesGrub({
    uuid: facts.bootUuid,
    deviceId: facts.bootUuid,
    xenVersions: [facts.xenVersion],
    kernels: [facts.kernelName],
    sinit: [facts.sinit.slice(1)],
    xenOptions: `${facts.xenOptions} `,
    kernelOptions: `rd.luks.uuid=luks-${facts.luksUuid} rd.lvm.lv=qubes_dom0/root rd.lvm.lv=qubes_dom0/swap plymouth.ignore-serial-consoles rhgb quiet `,
  })
}
