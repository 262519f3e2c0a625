import type { MenuChoice } from '../../src/host/simulated/grub/boot.ts'
import type { Booted } from '../../src/host/simulated/grub/hand-over.ts'
import type { Disk } from './disks.ts'
import type { CommandLineRule, Launch } from './launch.ts'
import type { BuildIdForm } from './machine-facts.ts'
import type { Holder } from './namespace.ts'
import type { Finished, Running, RunOptions } from './process.ts'
import type { PackageSpec, ReleaseDist } from './releases.ts'
import type { TerminalSession } from './terminal.ts'
import type { Tpm, TpmVersion } from './tpm.ts'

export interface DeviceOptions {
  /** What follows "aem" in the label; may be empty. */
  suffix?: string
  /** An external stick with copies of its own, not mounted; otherwise the device is dom0's /boot. */
  external?: boolean
  /** A removable one: AEM's seal waits for it to be unplugged when it had to mount it. */
  removable?: boolean
  secret?: string
}

export interface StageOptions {
  tpm: TpmVersion
  releaseDist?: ReleaseDist
  /** AEM devices; the first is the one booted from by default. Default: one, at /boot, with an empty suffix. */
  devices?: readonly DeviceOptions[]
  luks?: 1 | 2
  /** Password of the TPM's storage root key; none by default. */
  srkPassword?: string
  /** tboot before 1.9.4 strips the first word of a command line. */
  commandLineRule?: CommandLineRule
  /** false: txt-stat is missing. */
  launchLog?: boolean
  buildIdForm?: BuildIdForm
  /** false: the program is not there until its package is installed. */
  product?: boolean
}

export interface PowerOnOptions {
  /** Suffix of the device to boot from. */
  from?: string
  /** What somebody takes in GRUB's menu, titles from the outermost menu inwards; GRUB's default without it. */
  entry?: MenuChoice
  /** false: nothing starts the seal unit by itself. */
  seal?: boolean
  /** false: tboot does not launch (TXT off in the firmware); AEM's entry is booted all the same. */
  launch?: boolean
}

/** What a boot showed. */
export interface Boot {
  id: string
  entry: Booted
  launch: Launch | null
  /** Exit of the two units' start; null: did not run. */
  unseal: Finished | null
  seal: Finished | null
  /** All that came on the screen so far. */
  console: () => string
  journal: () => string
  /** Did the user's own sentence appear before the passphrase? */
  secretShown: boolean
}

export interface StageDevice extends Required<DeviceOptions> {
  label: string
  disk: Disk
  plugged: boolean
}

export interface PtyOptions {
  env?: Record<string, string>
  columns?: number
  rows?: number
}

export interface Stage {
  options: StageOptions
  tpm: Tpm
  devices: readonly StageDevice[]
  luks: Disk
  dist: ReleaseDist
  holder: Holder
  powerOn: (options?: PowerOnOptions) => Promise<Boot>
  /** Orderly: services stopped, TPM shut down. */
  powerOff: () => Promise<void>
  /** The plug is pulled: no TPM shutdown, processes just gone. */
  cutPower: () => Promise<void>
  run: (argv: readonly string[], options?: RunOptions) => Promise<Finished>
  start: (argv: readonly string[], options?: RunOptions) => Running
  runPty: (argv: readonly string[], options?: PtyOptions) => TerminalSession
  aemReseal: (args: readonly string[], options?: RunOptions) => Promise<Finished>
  startAemReseal: (args: readonly string[], options?: RunOptions) => Running
  aemResealPty: (args: readonly string[], options?: PtyOptions) => TerminalSession
  installPackages: (specs: readonly PackageSpec[]) => Promise<void>
  /** The update of QSB-103 (fc32, fc37): all Xen packages go to the new release. */
  updateXen: () => Promise<void>
  replaceBootFile: (
    name: string,
    content: Buffer | string | ((old: Buffer) => Buffer | string),
    suffix?: string,
  ) => Promise<void>
  readBootFile: (name: string, suffix?: string) => Promise<Buffer>
  /** Brings an external device's Xen, kernel and tboot up to date with dom0's /boot. */
  refreshDevice: (suffix: string) => Promise<void>
  setNoAem: (on?: boolean) => void
  unplug: (suffix?: string) => Promise<void>
  plug: (suffix?: string) => Promise<void>
  readOnlyMedia: (on: boolean, suffix?: string) => Promise<void>
  setRunningQubes: (names: readonly string[]) => Promise<void>
  shutdownRequests: () => string[]
  /** A file of the running dom0, for this process. */
  pathOf: (file: string) => string
  /** Lines the next systemd-ask-password calls answer with. */
  answerPasswords: (answers: readonly string[]) => Promise<void>
  destroy: () => Promise<void>
}
