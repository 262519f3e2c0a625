import { describe, expect, it } from 'vitest'
import type { Reproduction } from '../../../src/core/initramfs/reproduction.ts'
import {
  type FileOwner,
  findContradictions,
  type VouchFacts,
  vouchCommandLine,
  vouchComponent,
} from '../../../src/core/vouch/vouch.ts'

const RELEASE = '6.6.36-1.qubes.fc37.x86_64'
const FILE = 'a'.repeat(64)
const OTHER = 'b'.repeat(64)

const XEN_OWNER: FileOwner = {
  name: 'xen-hypervisor',
  evr: '2001:4.17.4-4.fc37',
  signer: 'Qubes OS Release 4.2 Signing Key',
  signatureFault: null,
  sha256: FILE,
  newest: '2001:4.17.4-4.fc37',
}

/** Xen after an honest update: another digest, the package's file, this boot's command line. */
function updatedXen(change: Partial<VouchFacts> = {}): VouchFacts {
  return {
    role: 'xen',
    path: '/xen-4.17.4.gz',
    commandLine: 'placeholder smt=off',
    changed: true,
    isLineMeasured: true,
    line: { state: 'proven', by: 'xl info' },
    isRegenerated: null,
    sha256: FILE,
    owner: XEN_OWNER,
    kernelRelease: RELEASE,
    running: { kernelRelease: RELEASE, xen: '4.17.4', tboot: null },
    reproduction: null,
    isRemembered: false,
    accepted: [],
    ...change,
  }
}

function newInitramfs(reproduction: Reproduction | null, change: Partial<VouchFacts> = {}): VouchFacts {
  return updatedXen({
    role: 'initramfs',
    path: `/initramfs-${RELEASE}.img`,
    commandLine: '',
    line: { state: 'proven', by: 'none needed' },
    owner: null,
    reproduction,
    ...change,
  })
}

const ruleOf = (facts: VouchFacts) => vouchComponent(facts).vouchedBy.rule
const whyOf = (facts: VouchFacts) => vouchComponent(facts).vouchedBy.why

describe('what did not change', () => {
  it('is vouched for by the launch log, whatever else is known', () => {
    const facts = updatedXen({ changed: false, owner: null, line: { state: 'unproven', why: 'x' } })
    expect(vouchComponent(facts)).toMatchObject({ vouchedBy: { rule: 'unchanged' }, faults: [] })
    expect(whyOf(facts)).toBe(
      "this boot's launch log holds the same digest, of these bytes and this command line",
    )
  })

  it('needs its command line shown too where no digest covers it', () => {
    const facts = updatedXen({
      changed: false,
      isLineMeasured: false,
      line: { state: 'changed', before: 'smt=on', now: 'smt=off' },
    })
    expect(ruleOf(facts)).toBeNull()
    expect(ruleOf({ ...facts, line: { state: 'proven', by: 'xl info' } })).toBe('unchanged')
  })

  it('needs none where it has none', () => {
    const facts = updatedXen({
      role: 'module',
      path: '/any.bin',
      changed: false,
      isLineMeasured: false,
      commandLine: '',
      line: { state: 'unproven', why: 'nothing shows it' },
    })
    expect(ruleOf(facts)).toBe('unchanged')
  })
})

describe('a register of command lines alone', () => {
  it('is vouched for by the same digest, though nothing else shows the line', () => {
    const facts = updatedXen({ changed: false, line: { state: 'unproven', why: 'xl info is silent' } })
    expect(vouchCommandLine(facts)).toEqual({
      vouchedBy: {
        rule: 'unchanged',
        why: "this boot's launch log holds the same digest, of this command line",
      },
      faults: [],
      questions: [],
      looks: [],
    })
  })

  it.each([true, null])('is asked like any line where the digest does not say so (%s)', (changed) => {
    expect(vouchCommandLine(updatedXen({ changed }))).toEqual({
      vouchedBy: { rule: 'unchanged', why: 'its command line is that of this boot (xl info)' },
      faults: [],
      questions: [],
      looks: [],
    })
    const other = updatedXen({
      changed,
      commandLine: 'smt=on',
      line: { state: 'changed', before: 'smt=off', now: 'smt=on' },
    })
    const why = 'the command line of /xen-4.17.4.gz is not the one this boot used: + smt=on, - smt=off'
    expect(vouchCommandLine(other)).toEqual({
      vouchedBy: { rule: null, why },
      faults: [why],
      questions: [],
      looks: [{ kind: 'grub-config' }],
    })
    expect(vouchCommandLine({ ...other, isRegenerated: true }).questions).toMatchObject([
      { kind: 'command-line', added: ['smt=on'], removed: ['smt=off'] },
    ])
  })
})

describe('a packaged file', () => {
  it('is vouched for by its package, with the signer named', () => {
    expect(ruleOf(updatedXen())).toBe('packaged')
    expect(whyOf(updatedXen())).toContain('xen-hypervisor 2001:4.17.4-4.fc37')
    expect(whyOf(updatedXen())).toContain('Qubes OS Release 4.2 Signing Key')
    expect(whyOf(updatedXen())).toContain('xl info')
  })

  it.each<[string, Partial<VouchFacts>, string]>([
    ['no package', { owner: null }, 'no package'],
    ['another digest', { sha256: OTHER }, 'is not the file of'],
    ['no digest in the package', { owner: { ...XEN_OWNER, sha256: null } }, 'is not the file of'],
    ['not read', { sha256: null }, 'could not be read'],
    [
      'unknown signer',
      { owner: { ...XEN_OWNER, signatureFault: 'is not signed by a known key' } },
      'not signed by a known key',
    ],
    [
      'a package of another role',
      { owner: { ...XEN_OWNER, name: 'kernel' } },
      'comes from the package kernel',
    ],
    ['an older package', { owner: { ...XEN_OWNER, newest: '2001:4.17.4-5.fc37' } }, 'is older than'],
    ['its newest version unknown', { owner: { ...XEN_OWNER, newest: null } }, 'could not be told'],
    ['a wrong name', { path: '/evil.gz' }, 'stands where Xen belongs'],
    ['a further module', { role: 'module', path: '/evil.bin' }, 'further module'],
    ['unknown whether it changed, no package', { changed: null, owner: null }, 'no package'],
  ])('is not: %s', (_, change, words) => {
    const vouched = vouchComponent(updatedXen(change))
    expect(vouched.vouchedBy.rule).toBeNull()
    expect(vouched.faults.join()).toContain(words)
  })
})

describe('the words of a refusal', () => {
  it('name the file once, and no half that is fine', () => {
    expect(whyOf(updatedXen({ owner: null }))).toBe(
      '/xen-4.17.4.gz belongs to no package that could be asked',
    )
    expect(whyOf(updatedXen({ owner: { ...XEN_OWNER, name: 'kernel' } }))).toBe(
      '/xen-4.17.4.gz stands where Xen belongs and comes from the package kernel',
    )
    expect(whyOf(updatedXen({ owner: { ...XEN_OWNER, newest: '2001:4.17.4-5.fc37' } }))).toBe(
      '/xen-4.17.4.gz: xen-hypervisor 2001:4.17.4-4.fc37 is older than the installed 2001:4.17.4-5.fc37',
    )
  })
})

describe('a command line', () => {
  const changed = updatedXen({
    commandLine: 'placeholder smt=off iommu=no',
    line: { state: 'changed', before: 'smt=off', now: 'smt=off iommu=no' },
  })

  it('that this boot did not use vouches for nothing, and its words are named', () => {
    const vouched = vouchComponent(changed)
    expect(vouched.faults).toEqual([expect.stringContaining('+ iommu=no')])
    expect(vouched.looks).toEqual([{ kind: 'grub-config' }])
    expect(vouched.questions).toEqual([])
  })

  it('that dom0 does not write is refused without a question', () => {
    const vouched = vouchComponent({ ...changed, isRegenerated: false })
    expect(vouched.vouchedBy.rule).toBeNull()
    expect(vouched.questions).toEqual([])
    expect(vouched.faults.join()).toContain("dom0's own grub2-mkconfig does not write it")
  })

  it('that dom0 writes is asked word by word, and only that one is accepted', () => {
    const asked = { ...changed, isRegenerated: true }
    const { path, commandLine: line } = changed
    expect(vouchComponent(asked).vouchedBy.rule).toBeNull()
    expect(vouchComponent(asked).questions).toMatchObject([
      { kind: 'command-line', added: ['iommu=no'], removed: [] },
    ])
    const yes = { kind: 'command-line', path, line } as const
    expect(ruleOf({ ...asked, accepted: [yes] })).toBe('accepted')
    expect(ruleOf({ ...asked, accepted: [{ ...yes, line: `${line} x` }] })).toBeNull()
    expect(ruleOf({ ...asked, accepted: [{ ...yes, path: '/other' }] })).toBeNull()
    expect(ruleOf({ ...asked, accepted: [{ ...yes, kind: 'modules', sha256: FILE }] })).toBeNull()
    // An acceptance is no proof that dom0 writes it.
    expect(ruleOf({ ...asked, isRegenerated: false, accepted: [yes] })).toBeNull()
  })

  it('that was accepted is the weaker half, whatever vouches for the image', () => {
    const line = 'placeholder init=/x'
    const path = `/initramfs-${RELEASE}.img`
    const facts = newInitramfs(
      { state: 'same', words: '-f', sha256: FILE },
      {
        commandLine: line,
        line: { state: 'changed', before: '', now: line },
        isRegenerated: true,
        accepted: [{ kind: 'command-line', path, line }],
      },
    )
    expect(ruleOf(facts)).toBe('accepted')
    expect(ruleOf({ ...facts, line: { state: 'proven', by: 'launch log' } })).toBe('reproduced')
    expect(ruleOf({ ...facts, isRegenerated: false, isRemembered: true })).toBeNull()
    const xen = updatedXen({
      commandLine: line,
      line: { state: 'changed', before: '', now: line },
      isRegenerated: true,
      accepted: [{ kind: 'command-line', path: '/xen-4.17.4.gz', line }],
    })
    expect(ruleOf(xen)).toBe('accepted')
  })

  it('that could not be shown is its own answer, never "changed"', () => {
    const facts = updatedXen({ line: { state: 'unproven', why: 'xl info could not be read' } })
    expect(ruleOf(facts)).toBeNull()
    expect(whyOf(facts)).toContain('could not be read')
    expect(whyOf(facts)).not.toContain('not the one')
  })

  it('with anything but printable ASCII is refused, though it were proven', () => {
    const facts = updatedXen({ commandLine: 'placeholder smt=off\u2003iommu=no' })
    expect(ruleOf(facts)).toBeNull()
    expect(whyOf(facts)).toContain('not printable ASCII')
  })
})

describe('an initramfs', () => {
  const same: Reproduction = { state: 'same', words: '-f', sha256: FILE }
  const withModules: Reproduction = {
    state: 'same-with-modules',
    words: '-f',
    sha256: FILE,
    modules: { onlyInImage: ['usb_storage'], onlyLoadedNow: ['thunderbolt'] },
  }

  it('is vouched for by the same bytes alone', () => {
    expect(ruleOf(newInitramfs(same))).toBe('reproduced')
    expect(whyOf(newInitramfs(same))).toBe('dracut in dom0 makes the same bytes now')
    expect(ruleOf(newInitramfs({ ...same, sha256: OTHER }))).toBeNull()
  })

  it('is looked at again where it was not made again yet', () => {
    const vouched = vouchComponent(newInitramfs(null))
    expect(vouched.vouchedBy.rule).toBeNull()
    expect(vouched.looks).toMatchObject([{ kind: 'initramfs', kernelRelease: RELEASE, sha256: FILE }])
  })

  it('with other kernel modules is asked with their names', () => {
    const vouched = vouchComponent(newInitramfs(withModules))
    expect(vouched.vouchedBy.rule).toBeNull()
    expect(vouched.faults.join()).toContain('usb_storage')
    expect(vouched.questions).toMatchObject([{ kind: 'modules', onlyInImage: ['usb_storage'] }])
    const yes = { kind: 'modules', path: `/initramfs-${RELEASE}.img`, sha256: FILE } as const
    expect(ruleOf(newInitramfs(withModules, { accepted: [yes] }))).toBe('accepted')
    expect(ruleOf(newInitramfs(withModules, { accepted: [{ ...yes, sha256: OTHER }] }))).toBeNull()
    expect(ruleOf(newInitramfs(withModules, { accepted: [{ ...yes, path: '/other.img' }] }))).toBeNull()
    const ofLine = { ...yes, kind: 'command-line', line: 'x' } as const
    expect(ruleOf(newInitramfs(withModules, { accepted: [ofLine] }))).toBeNull()
    // Its bytes are of other modules; its own command line was not accepted.
    const line = { state: 'changed', before: '', now: 'x' } as const
    expect(ruleOf(newInitramfs(withModules, { commandLine: 'x', line, accepted: [yes] }))).toBeNull()
  })

  it.each<[string, Reproduction, string]>([
    [
      'another content',
      {
        state: 'different',
        total: 1,
        fresh: null,
        differences: [{ path: 'init', change: 'content', origin: 'unknown', package: null }],
      },
      'init',
    ],
    ['an odd form', { state: 'odd-form', form: 'a second gzip member' }, 'a second gzip member'],
    [
      'no dracut',
      { state: 'impossible', code: 'dracut-failed', why: 'dracut ended with 1', next: '', fresh: null },
      'dracut ended with 1',
    ],
  ])('is not vouched for: %s', (_, reproduction, words) => {
    const vouched = vouchComponent(newInitramfs(reproduction))
    expect(vouched.vouchedBy.rule).toBeNull()
    expect(vouched.faults.join()).toContain(words)
    expect(vouched.looks).toEqual([])
  })

  it('that could not be made again is told with the way on, where there is one', () => {
    const whyNot = (next: string) =>
      whyOf(newInitramfs({ state: 'impossible', code: 'unreadable', why: 'no device', next, fresh: null }))
    expect(whyNot('plug it in')).toMatch(/: it could not be made again: no device; plug it in$/)
    expect(whyNot('')).toMatch(/: it could not be made again: no device$/)
  })

  it('that came out as another names where they differ, five entries at the most', () => {
    const whyWith = (count: number, total: number) =>
      whyOf(
        newInitramfs({
          state: 'different',
          total,
          fresh: null,
          differences: Array.from({ length: count }, (_, at) => ({
            path: `f${at + 1}`,
            change: 'content' as const,
            origin: 'unknown' as const,
            package: null,
          })),
        }),
      )
    const before = `/initramfs-${RELEASE}.img: dracut in dom0 makes another one now; they differ in`
    expect(whyWith(2, 2)).toBe(`${before} f1, f2`)
    expect(whyWith(2, 3)).toBe(`${before} f1, f2 and more`)
    expect(whyWith(5, 5)).toBe(`${before} f1, f2, f3, f4, f5`)
    expect(whyWith(6, 6)).toBe(`${before} f1, f2, f3, f4, f5 and more`)
  })

  it('of other modules names those of both sides', () => {
    const whyWith = (onlyInImage: readonly string[], onlyLoadedNow: readonly string[]) =>
      whyOf(newInitramfs({ ...withModules, modules: { onlyInImage, onlyLoadedNow } }))
    expect(whyWith(['usb_storage'], ['thunderbolt'])).toMatch(/: \+ usb_storage, - thunderbolt$/)
    expect(whyWith([], [])).toMatch(/: the same names in another order$/)
  })

  it('that was not read is vouched for by nothing, not by one that was made in this boot', () => {
    expect(ruleOf(newInitramfs(same, { sha256: null }))).toBeNull()
    expect(ruleOf(newInitramfs(null, { sha256: null, isRemembered: true }))).toBeNull()
    expect(whyOf(newInitramfs(null, { sha256: null }))).toContain('could not be read')
  })

  it('of another kernel is refused, though dom0 makes the same', () => {
    const facts = newInitramfs(same, { path: '/initramfs-6.1.43-1.qubes.fc37.x86_64.img' })
    expect(ruleOf(facts)).toBeNull()
  })

  it('that was made again in this boot is vouched for', () => {
    expect(ruleOf(newInitramfs(null, { isRemembered: true }))).toBe('reproduced')
  })
})

describe('a file that no predicted register speaks of', () => {
  it('is held to what is known of it, and not to what could not be read', () => {
    expect(findContradictions(updatedXen({ changed: null }))).toEqual([])
    expect(
      findContradictions(updatedXen({ changed: null, owner: null, line: { state: 'unproven', why: 'x' } })),
    ).toEqual([])
  })

  it('is held to no digest where one of both is not known', () => {
    const xen = (sha256: string | null, own: string | null) =>
      findContradictions(updatedXen({ changed: null, sha256, owner: { ...XEN_OWNER, sha256: own } }))
    expect(xen(null, FILE)).toEqual([])
    expect(xen(FILE, null)).toEqual([])
    expect(xen(null, null)).toEqual([])
    expect(xen(FILE, OTHER)).toEqual(['/xen-4.17.4.gz is not the file of xen-hypervisor 2001:4.17.4-4.fc37'])
  })

  it("may have a line that dom0's own configuration writes now, and that alone", () => {
    const line = { state: 'changed', before: 'smt=off', now: 'smt=on' } as const
    const told = (isRegenerated: boolean | null) =>
      findContradictions(updatedXen({ changed: null, commandLine: 'smt=on', line, isRegenerated }))
    expect(told(true)).toEqual([])
    for (const isRegenerated of [false, null])
      expect(told(isRegenerated)).toEqual([expect.stringContaining('+ smt=on, - smt=off')])
  })

  it('may not have another word about printing where it is the kernel', () => {
    const line = { state: 'changed', before: 'quiet', now: 'quiet console=tty0' } as const
    const kernel = updatedXen({
      role: 'kernel',
      path: `/vmlinuz-${RELEASE}`,
      owner: null,
      changed: null,
      commandLine: line.now,
      line,
    })
    expect(findContradictions(kernel)).toEqual([expect.stringContaining('+ console=tty0')])
  })

  it('may have another word of Xen about printing, but none for the kernel', () => {
    const contradictionsOf = (before: string, now: string) =>
      findContradictions(
        updatedXen({ changed: null, commandLine: now, line: { state: 'changed', before, now } }),
      )
    expect(contradictionsOf('smt=off', 'smt=off console=none')).toEqual([])
    expect(contradictionsOf('smt=off -- quiet', 'smt=off -- quiet console=none')).toEqual([
      expect.stringContaining('+ console=none'),
    ])
    // The same words in another order.
    expect(contradictionsOf('smt=off a=1', 'a=1 smt=off')).toHaveLength(1)
  })

  it.each<[string, Partial<VouchFacts>]>([
    [
      'iommu=no',
      {
        commandLine: 'smt=off iommu=no',
        line: { state: 'changed', before: 'smt=off', now: 'smt=off iommu=no' },
      },
    ],
    ['/tboot-evil.gz stands where tboot belongs', { role: 'mle', path: '/tboot-evil.gz', owner: null }],
    ['is not the file of', { sha256: OTHER }],
    ['printable ASCII', { commandLine: 'smt=off\u00a0x' }],
    ['comes from the package kernel', { owner: { ...XEN_OWNER, name: 'kernel' } }],
  ])('is contradicted: %s', (words, change) => {
    expect(findContradictions(updatedXen({ changed: null, ...change })).join()).toContain(words)
  })
})
