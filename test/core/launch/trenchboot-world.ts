import type { BootEntry, BootFile } from '../../../src/core/launch/boot-entry.ts'
import { listComponents } from '../../../src/core/launch/components.ts'
import { resolveEfiEntry } from '../../../src/core/launch/efi-entry.ts'
import { explainChange } from '../../../src/core/launch/explain.ts'
import type { ExplanationInput, FileFact } from '../../../src/core/launch/explain-types.ts'
import type { LaunchLog } from '../../../src/core/launch/launch-log.ts'
import { parseTcgLog } from '../../../src/core/launch/tcg-log.ts'
import { type XenMle, xenMle } from '../../../src/core/launch/xen-mle.ts'
import { eventsOf, type Kind, type Launch, sklFile, xenFile } from '../../support/trenchboot-launch.ts'
import { entryOf, imageOf, SIGNED } from './launch-world.ts'
import { ALGORITHMS, type Algorithm, registersOf, type WrittenEvent, writeAgileLog } from './tcg-writer.ts'

export const BOTH = ALGORITHMS.slice(0, 2)
export const BANKS: readonly [string, readonly Algorithm[]][] = [
  ['sha1', ALGORITHMS.slice(0, 1)],
  ['sha256', ALGORITHMS.slice(1, 2)],
  ['sha1 and sha256', BOTH],
]
export const OLD_XEN = xenFile('4.17.4-3')
export const NEW_XEN = xenFile('4.17.4-4', 0x6_0010, 0x626a00)
export const KERNEL_LINE = 'placeholder root=/dev/q ro aem.uuid=c5a8'

export function launch(kind: Kind, changes: Partial<Launch> = {}): Launch {
  return {
    kind,
    xen: OLD_XEN,
    xenOptions: 'placeholder console=none',
    loader: sklFile('loader of the tests'),
    modules: [
      { name: 'aem-vmlinuz-6.6', options: KERNEL_LINE, bytes: 'kernel 6.6' },
      { name: 'aem-initramfs-6.6.img', options: '', bytes: 'initramfs 6.6' },
    ],
    ...changes,
  }
}

export const parse = (events: readonly WrittenEvent[], algorithms: readonly Algorithm[] = BOTH): LaunchLog =>
  parseTcgLog(writeAgileLog(events, algorithms))

/** The entry as AEM writes it for BIOS, or the files that the UEFI form leads to. */
export function entry(of: Launch): BootEntry {
  const file = (role: BootFile['role'], path: string, commandLine: string, order: number): BootFile => ({
    role,
    path,
    commandLine,
    nounzip: false,
    order,
  })
  if (of.kind.endsWith('uefi')) return uefiEntry(of)
  const roles = ['kernel', 'initramfs', 'module'] as const
  return {
    ...entryOf({ ...DISK }),
    flavour: 'trenchboot',
    launcher: file('xen', '/xen-4.17.4.gz', of.xenOptions, 0),
    modules: of.modules.map(({ name, options }, at) =>
      file(roles[at] ?? 'module', `/${name.replace(/^aem-/, '')}`, options, at + 1),
    ),
  }
}

export const SECTION = 'vmlinuz-6.6'

/** Through Xen's configuration, as TrenchBoot/qubes-antievilmaid 18a0a74, 19_linux_xen_trenchboot 303-314, writes it. */
export function uefiEntry(of: Launch): BootEntry {
  const [kernel, ramdisk, ...more] = of.modules
  const text = `    [${SECTION}]
    options=${of.xenOptions}
    kernel=${kernel?.name} ${kernel?.options}
${ramdisk === undefined ? '' : `    ramdisk=${ramdisk.name}\n`}`
  const resolved = resolveEfiEntry(
    {
      ...entryOf({ ...DISK }),
      flavour: 'trenchboot',
      form: 'uefi',
      efi: {
        xenPath: '/EFI/qubes/xen-4.17.4.efi',
        configPath: '/EFI/qubes/xen-4.17.4.cfg',
        section: SECTION,
      },
      launcher: null,
      modules: [],
    },
    text,
  )
  const others = more.map(
    ({ name, options }, at): BootFile => ({
      role: 'module',
      path: `/efi/EFI/qubes/${name}`,
      commandLine: options,
      nounzip: true,
      order: at + 3,
    }),
  )
  return { ...resolved, modules: [...resolved.modules, ...others] }
}

export const DISK = {
  xen: { path: '/xen-4.17.4.gz', content: '', commandLine: '' },
  kernel: { path: '/k', content: '', commandLine: '' },
  initramfs: { path: '/i', content: '', commandLine: '' },
  tboot: '',
  sinit: '',
}

export const imagesOf = (of: Launch) =>
  Object.fromEntries(entry(of).modules.map(({ path }, at) => [path, imageOf(of.modules[at]!.bytes)]))

export const mleOf = (of: Launch): XenMle => xenMle(of.xen, ['sha1', 'sha256'])

export const XEN_PACKAGE = SIGNED
export const KERNEL_PACKAGE = { ...SIGNED, name: 'kernel-latest' }

/** The files of a device, the initramfs as one that dom0 made again before the restart where that is said. */
export function filesOf(
  device: Launch,
  { xen = XEN_PACKAGE, kernel = KERNEL_PACKAGE, isReproduced = false } = {},
): FileFact[] {
  const booted = entry(device)
  return [booted.launcher!, ...booted.modules].map((file, at) => ({
    path: file.path,
    image: imageOf(at === 0 ? device.xen.toString('latin1') : device.modules[at - 1]!.bytes),
    xen: at === 0 ? mleOf(device) : null,
    package: at === 0 ? xen : at === 1 ? kernel : null,
    reproduced: isReproduced && at === 2,
    bulletin: null,
  }))
}

/** After a restart from `before` into `now`, with `disk` on the boot device. */
export function explain(
  before: Launch,
  now: Launch,
  changes: Partial<ExplanationInput> & {
    disk?: Launch
    events?: WrittenEvent[]
    algorithms?: readonly Algorithm[]
  } = {},
) {
  const { disk: device = now, events = eventsOf(now), algorithms = BOTH, ...rest } = changes
  const booted = entry(device)
  return explainChange({
    before: {
      pcrs: registersOf(eventsOf(before), algorithms),
      components: listComponents(parse(eventsOf(before), algorithms), entry(before)),
    },
    pcrsNow: registersOf(events, algorithms),
    log: parse(events, algorithms),
    booted,
    rule: null,
    bank: algorithms.some(({ bank }) => bank === 'sha256') ? 'sha256' : 'sha1',
    selected: [17, 18],
    prediction: null,
    files: filesOf(device),
    expectedPcrs: [17, 18],
    alreadyResealed: false,
    previousBootTime: '2024-07-16T07:00:00Z',
    areLinesSame: true,
    ...rest,
  })
}

export const codes = ({ reasons }: ReturnType<typeof explain>) =>
  reasons.filter((one) => one.isBlocking).map(({ code }) => code)
export const same = 'the same boot information'
export const bios = (kind: Kind, changes: Partial<Launch> = {}) =>
  launch(kind, { bootInfo: same, ...changes })
