/** What a package of a bulletin is to the measured launch and to the machine. */
export const COMPONENTS = [
  'xen',
  'kernel',
  'microcode',
  'initramfs-tool',
  'firmware',
  'lvm',
  'other',
] as const
export type Component = (typeof COMPONENTS)[number]

/** What the bulletin wants restarted after the update. */
export const RESTARTS = [
  ...(['dom0', 'dom0-session', 'dom0-session+vms', 'vms', 'xscreensaver'] as const),
  ...(['reinstall-templates', 'none', 'unstated'] as const),
] as const
export type Restart = (typeof RESTARTS)[number]

/** What the Anti Evil Maid notice names as the reason of the change. */
export const CAUSES = ['xen', 'kernel', 'initramfs', 'microcode'] as const
export type Cause = (typeof CAUSES)[number]

/** A package as the bulletin prints it; `version` is `version[-release]` without epoch and dist tag. */
export type BulletinPackage = {
  readonly name: string
  readonly component: Component
  readonly version: string
}

/** The release of a demand where the bulletin names none (3, 10-19, 21). */
export const UNSPECIFIED_RELEASE = 'unspecified'

export type ReleaseDemand = {
  /** `4.2`; UNSPECIFIED_RELEASE where the bulletin names no release; `Beta 1`, `2 Beta 2` in the oldest. */
  readonly release: string
  readonly packages: readonly BulletinPackage[]
}

export type ResealNotice = {
  /** PCR numbers that may change, ascending. */
  readonly pcrs: readonly number[]
  /** In the order of the notice. */
  readonly causes: readonly Cause[]
}

/** The facts of one Qubes Security Bulletin (contract of `bulletin show`, without signatures). */
export type Bulletin = {
  readonly id: number
  /** ISO 8601, from the header; for a revised bulletin that may be the date of the revision (50). */
  readonly date: string
  readonly title: string | null
  /** Numbers of the Xen Security Advisories it is about, ascending. */
  readonly xsas: readonly number[]
  readonly mentionsAem: boolean
  readonly reseal: ResealNotice | null
  readonly dom0: readonly ReleaseDemand[]
  readonly restart: Restart
}
