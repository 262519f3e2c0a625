import { describe, expect, it } from 'vitest'
import {
  checkRefreshSpace,
  checkSources,
  isNothingToDo,
  planRefresh,
  type RefreshFacts,
  type RefreshFile,
} from '../../../src/core/decide/refresh.ts'

const KERNEL = '6.6.36-1.qubes.fc37.x86_64'
const [OLD, NEW] = ['0'.repeat(64), 'f'.repeat(64)]
const MIB = 1024 * 1024

function file(changes: Partial<RefreshFile> = {}): RefreshFile {
  return {
    name: 'xen-4.17.4.gz',
    role: 'xen',
    packageName: 'xen-hypervisor',
    sha256: NEW,
    inDom0: NEW,
    onDevice: NEW,
    sizeBytes: 3 * MIB,
    ...changes,
  }
}

function facts(changes: Partial<RefreshFacts> = {}): RefreshFacts {
  return {
    files: [file()],
    initramfs: [{ kernel: KERNEL, state: 'current', isKnown: true, sizeBytes: 40 * MIB }],
    isGrubCurrent: true,
    isBooted: false,
    ...changes,
  }
}

describe('planRefresh', () => {
  it('has nothing to do where everything is as installed', () => {
    expect(isNothingToDo(planRefresh(facts()))).toBe(true)
  })

  it('copies what is another file, and leaves grub.cfg with its command lines as it is', () => {
    const plan = planRefresh(facts({ files: [file({ onDevice: OLD })] }))
    expect(plan.copies.map(({ name }) => name)).toEqual(['xen-4.17.4.gz'])
    expect(plan.makesGrubConfig).toBe(false)
    expect(isNothingToDo(plan)).toBe(false)
  })

  it.each([
    ['xen', true],
    ['kernel', true],
    ['tboot', true],
    ['config', false],
  ] as const)('makes a new grub.cfg for a %s that is not there: %s', (role, makes) => {
    expect(planRefresh(facts({ files: [file({ role, onDevice: null })] })).makesGrubConfig).toBe(makes)
  })

  it('makes a new grub.cfg where the present one is none for this device', () => {
    expect(planRefresh(facts({ isGrubCurrent: false })).makesGrubConfig).toBe(true)
  })

  it.each([
    ['absent', true, true, true],
    ['stale', true, true, true],
    ['stale', true, false, true],
    ['current', false, true, false],
    ['current', false, false, true],
    ['unknown', false, false, true],
    ['current', true, false, false],
  ] as const)(
    'an initramfs that is %s, made by this program: %s, on the device of this boot: %s; made again: %s',
    (state, isKnown, isBooted, isMade) => {
      const initramfs = [{ kernel: KERNEL, state, isKnown, sizeBytes: 40 * MIB }]
      expect(planRefresh(facts({ initramfs, isBooted })).initramfs).toHaveLength(isMade ? 1 : 0)
    },
  )

  it('asks for the room of everything that is written beside', () => {
    const initramfs = [{ kernel: KERNEL, state: 'stale', isKnown: false, sizeBytes: 40 * MIB }] as const
    const { neededBytes } = planRefresh(facts({ files: [file({ onDevice: OLD })], initramfs }))
    expect(neededBytes).toBe((3 + 40 + 4) * MIB)
    expect(checkRefreshSpace('aem.stick', neededBytes, neededBytes).ok).toBe(true)
    expect(checkRefreshSpace('aem.stick', neededBytes - 1, neededBytes).ok).toBe(false)
    expect(checkRefreshSpace('aem.stick', null, neededBytes).ok).toBeNull()
  })
})

describe('checkSources', () => {
  it('is content with files as packaged by signed packages', () => {
    expect(checkSources([file()], []).map(({ ok }) => ok)).toEqual([true, true])
  })

  it.each([
    ['another file in dom0', [file({ inDom0: OLD })], [], [true, false]],
    ['a file that cannot be read in dom0', [file({ inDom0: null })], [], [true, false]],
    ['a package that is not signed', [file()], ['xen-hypervisor: signature unsigned'], [false, true]],
    ['an RPM database that names nothing', [], [], [true, null]],
  ] as const)('is not with %s', (_what, files, unverified, oks) => {
    expect(checkSources(files, unverified).map(({ ok }) => ok)).toEqual(oks)
  })
})
