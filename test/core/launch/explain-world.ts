import type {
  ExplanationInput,
  FileFact,
  MeasuredComponent,
  Reason,
} from '../../../src/core/launch/explain-types.ts'
import { imageOf, SIGNED } from './launch-world.ts'

/* One look at one register, put together by hand: no log is written and no register computed. */

export const KERNEL = '/vmlinuz-6.6.36-1.qubes.fc37.x86_64'
export const INITRAMFS = '/initramfs-6.6.36-1.qubes.fc37.x86_64.img'
export const XEN = '/xen-4.17.4.gz'

export const digestsOf = (content: string) => imageOf(content).digests

export function component(
  role: MeasuredComponent['role'],
  path: string | null,
  content: string,
  changes: Partial<MeasuredComponent> = {},
): MeasuredComponent {
  return { role, path, commandLine: null, pcr: 17, digests: digestsOf(content), ...changes }
}

export function factOf(path: string, content: string, changes: Partial<FileFact> = {}): FileFact {
  return { path, image: imageOf(content), package: null, bulletin: null, ...changes }
}

export const KERNEL_PACKAGE = { ...SIGNED, name: 'kernel', evr: '1000:6.6.36-1.qubes.fc37' }

/** After a restart with nothing known; under TrenchBoot, where no rule is. */
export function look(changes: Partial<ExplanationInput> = {}): ExplanationInput {
  return {
    before: { pcrs: {}, components: [] },
    pcrsNow: {},
    log: null,
    booted: null,
    rule: null,
    bank: 'sha256',
    selected: [17, 18],
    prediction: null,
    files: [],
    expectedPcrs: [17, 18],
    alreadyResealed: false,
    areLinesSame: true,
    ...changes,
  }
}

export const codesOf = (reasons: readonly Reason[]) => reasons.map(({ code }) => code)
