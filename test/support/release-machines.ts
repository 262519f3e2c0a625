import { makeXenImage } from '../../src/host/simulated/boot-images.ts'
import { buildIdOf, RecordedDom0 } from './recorded-machine.ts'

/** Packages built from Qubes' Xen source that a dom0 has (QubesOS/qubes-vmm-xen, xen.spec.in). */
const XEN_PACKAGES = ['xen', 'xen-hypervisor', 'xen-libs', 'xen-runtime', 'xen-licenses', 'python3-xen']

/** Other packages a bulletin may ask for; one that a machine does not name is not installed there. */
const OTHER_PACKAGES = [
  'xen-hypervisor-debug',
  'xen-devel',
  'kernel',
  'kernel-qubes-vm',
  'kernel-latest',
  'kernel-latest-qubes-vm',
  'microcode_ctl',
  'linux-firmware',
  'amd-ucode-firmware',
  'dracut',
  'lvm2',
  'lvm2-libs',
]

type ReleaseFacts = {
  /** /etc/qubes-release. */
  readonly qubesRelease: string
  readonly tag: string
  /** Key id of the release signing key (qubes-secpack, keys/release-keys). */
  readonly keyId: string
  /** As `xl info` of the release prints the compiler. */
  readonly compiler: string
}

const RELEASES: Readonly<Record<'4.1' | '4.2' | '4.3', ReleaseFacts>> = {
  '4.1': {
    qubesRelease: 'Qubes release 4.1.2 (R4.1)\n',
    tag: 'fc32',
    keyId: '1848792f9e2795e9',
    compiler: 'gcc (GCC) 10.3.1 20210422 (Red Hat 10.3.1-1)',
  },
  '4.2': {
    qubesRelease: 'Qubes release 4.2.4 (R4.2)\n',
    tag: 'fc37',
    keyId: 'e022e58f8e34d89f',
    compiler: 'gcc (GCC) 12.3.1 20230508 (Red Hat 12.3.1-1)',
  },
  '4.3': {
    qubesRelease: 'Qubes release 4.3.0 (R4.3)\n',
    tag: 'fc41',
    keyId: '1c3d9b627f3fada4',
    compiler: 'gcc (GCC) 14.3.1 20250523 (Red Hat 14.3.1-1)',
  },
}

/**
 * EVR and the day (UTC) it was installed. The dist tag is put behind it, unless it is in it: kernels up to 5.10 are
 * `5.10.104-3.fc32.qubes`, later ones `5.15.94-1.qubes.fc32` (QubesOS/qubes-linux-kernel, kernel.spec.in).
 */
type Installed = readonly [evr: string, day: string]

export type MachineOfRelease = {
  readonly release: '4.1' | '4.2' | '4.3'
  /** Of the look. */
  readonly now: string
  readonly booted: string
  /** Version-release of the running Xen. */
  readonly runningXen: string
  /** Version-release that is installed, and since when. */
  readonly xen: Installed
  /** `uname -r` without architecture, the tag as in Installed: `6.1.75-1.qubes`. */
  readonly runningKernel: string
  /** The rest; several versions of kernels. */
  readonly packages: Readonly<Record<string, readonly Installed[]>>
}

const withTag = (evr: string, tag: string): string => (/\.fc\d/.test(evr) ? evr : `${evr}.${tag}`)

const seconds = (day: string): number => Date.parse(`${day}T15:00:00Z`) / 1000

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

/** `Wed Jul 17 15:00:00 2024`, as rpm prints times in the C locale. */
const rpmDate = (day: string): string => {
  const date = new Date(`${day}T15:00:00Z`)
  const two = (number: number): string => String(number).padStart(2, ' ')
  return `${WEEKDAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${two(date.getUTCDate())} 15:00:00 ${date.getUTCFullYear()}`
}

/** `xl info` as xl 4.14 to 4.19 prints it, the lines about memory and processors shortened. */
const xlInfo = (facts: MachineOfRelease, kernel: string): string => {
  const [major, minor, extra] = facts.runningXen.replace(/-.*/, '').split('.')
  return [
    'host                   : dom0',
    `release                : ${kernel}`,
    'version                : #1 SMP PREEMPT_DYNAMIC Sat Jan 20 22:14:35 CET 2024',
    'machine                : x86_64',
    'nr_cpus                : 4',
    'total_memory           : 16217',
    `xen_major              : ${major}`,
    `xen_minor              : ${minor}`,
    `xen_extra              : .${extra}`,
    `xen_version            : ${major}.${minor}.${extra}`,
    'xen_caps               : xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ',
    'xen_scheduler          : credit2',
    'xen_pagesize           : 4096',
    'xen_changeset          : ',
    'xen_commandline        : placeholder console=none dom0_mem=min:1024M dom0_mem=max:4096M ucode=scan smt=off gnttab_max_frames=2048 gnttab_max_maptrack_frames=4096',
    `cc_compiler            : ${RELEASES[facts.release].compiler}`,
    'cc_compile_by          : user',
    'cc_compile_domain      : ',
    'cc_compile_date        : Tue Jul 16 00:00:00 UTC 2024',
    `build_id               : ${buildIdOf(facts.runningXen)}`,
    'xend_config_format     : 4',
    '',
  ].join('\n')
}

/** A dom0 of a Qubes release, with answers in the form that release gives. */
export function machineOfRelease(facts: MachineOfRelease): RecordedDom0 {
  const { tag, keyId, qubesRelease } = RELEASES[facts.release]
  const kernel = `${withTag(facts.runningKernel, tag)}.x86_64`
  const machine = new RecordedDom0()
  Object.assign(machine.extra, { time: facts.now, description: `a dom0 of Qubes ${facts.release}` })
  machine
    .withFile('/etc/qubes-release', qubesRelease)
    .withFile(
      '/proc/stat',
      `cpu  84512 311 40212 9981231 2102 0 1204 9022 0 0\nctxt 91233412\nbtime ${Date.parse(facts.booted) / 1000}\nprocesses 21012\n`,
    )
    .withFile('/proc/sys/kernel/osrelease', `${kernel}\n`)
    .withFile('/sys/hypervisor/properties/buildid', buildIdOf(facts.runningXen))
    .withFile(`/boot/xen-${facts.xen[0].replace(/-.*/, '')}.gz`, makeXenImage(facts.xen[0]))
    .answering('xl-info', {}, { stdout: xlInfo(facts, kernel) })
  const answer = (name: string, epoch: number, versions: readonly Installed[]): void => {
    const stdout = versions.map(
      ([evr, day]) =>
        `${name}\t${epoch}:${withTag(evr, tag)}\tx86_64\t${seconds(day)}\tRSA/SHA256, ${rpmDate(day)}, Key ID ${keyId}\n`,
    )
    const isThere = versions.length > 0
    machine.answering(
      'rpm-query',
      { names: name },
      isThere ? { stdout: stdout.join('') } : notInstalled(name),
    )
  }
  for (const name of XEN_PACKAGES) answer(name, 2001, [facts.xen])
  for (const name of OTHER_PACKAGES) answer(name, epochOf(name), facts.packages[name] ?? [])
  return machine
}

const notInstalled = (name: string) => ({ exit: 1, stdout: `package ${name} is not installed\n` })

/** QubesOS/qubes-linux-kernel has epoch 1000, Fedora's microcode_ctl 2. */
const epochOf = (name: string): number =>
  name.startsWith('kernel') ? 1000 : name === 'microcode_ctl' ? 2 : 0
