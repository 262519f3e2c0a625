import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../../src/core/failure.ts'
import { listComponents } from '../../../src/core/launch/components.ts'
import { explainChange } from '../../../src/core/launch/explain.ts'
import type { ExplanationInput, PackageFact } from '../../../src/core/launch/explain-types.ts'
import type { LaunchLog } from '../../../src/core/launch/launch-log.ts'
import { predictLaunch } from '../../../src/core/launch/predict.ts'
import { parseTbootLog } from '../../../src/core/launch/tboot-log.ts'
import {
  type Disk,
  disk,
  entryOf,
  filesOf,
  machineOf,
  predictionInput,
  SIGNED,
  withXen,
} from './launch-world.ts'
import { type Form, hash, pcrsOf, writeTxtStat } from './tboot-writer.ts'

const LUKS = { before: '11'.repeat(20), after: '22'.repeat(20) }
const UPDATED = withXen(disk())

type Story = {
  /** What was booted before the restart, what was on the device when the prediction was made, what booted then. */
  before?: Disk
  predicted?: Disk | null
  booted: Disk
  form?: Form
  xenPackage?: PackageFact | null
  luks?: string
  changes?: Partial<ExplanationInput>
}

function explain(story: Story) {
  const { before = disk(), predicted = UPDATED, booted, form = '1.10-tpm12' } = story
  const bank = form === '1.10-tpm2' ? 'sha256' : 'sha1'
  const old = machineOf(before, form)
  const now = machineOf(booted, form)
  const withLuks = (pcrs: Record<string, Record<number, string>>, luks: string) => ({
    [bank]: { ...pcrs[bank], 13: luks },
  })
  const prediction = predicted === null ? null : predictLaunch(predictionInput(before, predicted, form)).pcrs
  return explainChange({
    before: {
      pcrs: withLuks(pcrsOf(old), LUKS.before),
      components: listComponents(parseTbootLog(writeTxtStat(old)), entryOf(before)),
    },
    pcrsNow: withLuks(pcrsOf(now), story.luks ?? LUKS.before),
    log: parseTbootLog(writeTxtStat(now)),
    booted: entryOf(booted),
    rule: 'whole',
    bank,
    selected: [13, 17, 18, 19],
    prediction,
    files: filesOf(booted, story.xenPackage === undefined ? SIGNED : story.xenPackage),
    expectedPcrs: [18, 19],
    alreadyResealed: false,
    ...story.changes,
  })
}

function blockers(explanation: ReturnType<typeof explain>) {
  return explanation.reasons.filter((reason) => reason.isBlocking).map((reason) => [reason.pcr, reason.code])
}

const SIGNED_KERNEL = { ...SIGNED, name: 'kernel', evr: '1000:6.6.36-1.fc37' }

describe('explained', () => {
  it('is unchanged when nothing moved', () => {
    const explanation = explain({ booted: disk(), predicted: disk() })
    expect(explanation).toMatchObject({ verdict: 'unchanged', reasons: [], advice: [] })
    expect(explanation.pcrs.map((pcr) => pcr.change)).toEqual(['none', 'none', 'none', 'none'])
  })

  it.each<[Form, number]>([
    ['1.10-tpm12', 18],
    ['1.10-tpm2', 17],
  ])('a clean update equal to its prediction, form %s', (form, index) => {
    // The details map leaves PCR 19 empty: whoever selects it gets no further than `start`.
    const selected = form === '1.10-tpm2' ? [13, 17, 18] : [13, 17, 18, 19]
    const explanation = explain({ booted: UPDATED, form, changes: { selected } })
    expect(explanation.verdict).toBe('explained')
    const changed = explanation.pcrs.filter((pcr) => pcr.change !== 'none')
    expect(changed).toHaveLength(1)
    expect(changed[0]).toMatchObject({ index, change: 'expected' })
    expect(changed[0]?.causes).toMatchObject([
      { role: 'xen', path: '/xen-4.17.4.gz', package: SIGNED, bulletin: '103' },
    ])
    expect(changed[0]?.causes[0]?.digestBefore).not.toBe(changed[0]?.causes[0]?.digestNow)
  })

  it('a clean update without a prediction, traced to its package', () => {
    const explanation = explain({ booted: UPDATED, predicted: null })
    expect(explanation.verdict).toBe('explained')
    expect(blockers(explanation)).toEqual([])
    expect(explanation.reasons.map(({ code }) => code)).not.toContain('differs-from-prediction')
  })

  it('what booted as predicted is of the version it was predicted of, where it is of that package', () => {
    const of = { name: SIGNED.name, evr: '2001:4.17.4-9.fc37', signer: SIGNED.signer }
    const prediction = predictLaunch(predictionInput(disk(), UPDATED)).pcrs.map((pcr) => ({
      ...pcr,
      components: pcr.components.map(({ role, path }) => ({
        role,
        path,
        package: role === 'xen' ? of : null,
      })),
    }))
    const packageOf = (xenPackage: PackageFact | null) =>
      explain({ booted: UPDATED, xenPackage, changes: { prediction } })
        .pcrs.flatMap(({ causes }) => causes)
        .find(({ role }) => role === 'xen')?.package
    expect(packageOf(SIGNED)).toMatchObject(of)
    const other = { ...SIGNED, name: 'xen-of-somebody' }
    expect(packageOf(other)).toEqual(other)
    expect(packageOf(null)).toBeNull()
  })

  it('an update that came otherwise than it was predicted, which is told', () => {
    const explanation = explain({ booted: UPDATED, predicted: disk() })
    expect(explanation.verdict).toBe('explained')
    expect(explanation.reasons).toContainEqual(
      expect.objectContaining({ code: 'differs-from-prediction', pcr: 18, isBlocking: false }),
    )
  })

  it('a regenerated initramfs only when it was predicted', () => {
    const now = disk({ initramfs: { ...disk().initramfs, content: 'made again' } })
    expect(explain({ booted: now, predicted: now }).verdict).toBe('explained')
    const unpredicted = explain({ booted: now, predicted: null })
    expect(unpredicted.verdict).toBe('unexplained')
    expect(blockers(unpredicted)).toEqual([[19, 'no-package']])
  })

  it('a changed command line only when it was predicted', () => {
    const now = disk({ xen: { ...disk().xen, commandLine: 'placeholder console=none smt=off' } })
    expect(explain({ booted: now, predicted: now }).verdict).toBe('explained')
    expect(explain({ booted: now, predicted: null }).verdict).toBe('unexplained')
  })
})

describe('the evil maid between update and restart', () => {
  const MODIFIED = { ...SIGNED, unmodified: false }

  it('one byte of Xen: unexplained, naming the Xen image', () => {
    const explanation = explain({ booted: withXen(disk(), 'xen 4.17.4-5'), xenPackage: MODIFIED })
    expect(explanation.verdict).toBe('unexplained')
    expect(blockers(explanation)).toEqual([[18, 'package-modified']])
    const reason = explanation.reasons.find((one) => one.isBlocking)
    expect(reason?.what).toContain('the Xen image /xen-4.17.4.gz')
    expect(explanation.advice[0]).toContain('type no passphrase')
    expect(explanation.advice[1]).toContain('count the disk passphrase as known')
    expect(explanation.advice[2]).toContain('do not reseal')
    expect(explanation.advice[3]).toContain('compare with another AEM device')
    expect(explanation.advice[4]).toContain('offline')
    expect(explanation.advice[5]).toContain('lost')
    expect(explanation.advice).toHaveLength(6)
  })

  const words = (explanation: ReturnType<typeof explain>) =>
    explanation.reasons.filter((reason) => reason.isBlocking).map((reason) => reason.what)
  const policy = { path: '/xenpolicy', content: 'policy', commandLine: '' }
  const evil = { path: '/evil', content: 'evil', commandLine: '' }
  const withPolicy = disk({ extra: [policy] })

  it('a module put in before another: only the new one is named', () => {
    const now = disk({ extra: [evil, policy] })
    const explanation = explain({
      before: withPolicy,
      predicted: withPolicy,
      booted: now,
      xenPackage: SIGNED,
    })
    expect(explanation.verdict).toBe('unexplained')
    expect(words(explanation)).toEqual(['a further module /evil is measured in addition'])
  })

  it('a module taken out from before another: only that one is named', () => {
    const before = disk({ extra: [evil, policy] })
    const explanation = explain({ before, predicted: before, booted: withPolicy })
    expect(words(explanation)).toEqual(['a further module /evil is no longer measured into PCR 19'])
  })

  it('a swap beside a module that may change is still a swap', () => {
    // The signed kernel is new and vouched for; the two after it changed places.
    const kernel = { ...disk().kernel, content: 'kernel 6.7' }
    const swapped = disk({ kernel, extra: [policy], order: [0, 1, 3, 2] })
    const files = filesOf(swapped).map((file) =>
      file.path === kernel.path ? { ...file, package: SIGNED_KERNEL } : file,
    )
    const explanation = explain({ before: withPolicy, predicted: null, booted: swapped, changes: { files } })
    expect(explanation.verdict).toBe('unexplained')
    expect(blockers(explanation)).toEqual([[19, 'module-order-changed']])
    expect(words(explanation)[0]).toContain(
      'now the dom0 kernel /vmlinuz-6.6.36-1.fc37.x86_64, a further module /xenpolicy, the initramfs /initramfs-6.6.36-1.fc37.x86_64.img',
    )
  })

  it('a swap beside a module that is new names both', () => {
    const swapped = disk({ extra: [policy, evil], order: [0, 1, 3, 2, 4] })
    const explanation = explain({ before: withPolicy, predicted: null, booted: swapped })
    expect(words(explanation)).toEqual([
      'modules went into PCR 19 in another order than before: now the dom0 kernel /vmlinuz-6.6.36-1.fc37.x86_64, a further module /xenpolicy, the initramfs /initramfs-6.6.36-1.fc37.x86_64.img',
      'a further module /evil is measured in addition',
    ])
  })

  it('a command line alone: its words are named, and the package is not blamed', () => {
    const now = disk({
      kernel: { ...disk().kernel, commandLine: `${disk().kernel.commandLine} init=/bin/sh` },
    })
    const explanation = explain({ before: disk(), predicted: disk(), booted: now })
    expect(words(explanation)).toEqual([
      'the command line of the dom0 kernel /vmlinuz-6.6.36-1.fc37.x86_64 changed; new in it: init=/bin/sh',
    ])
  })

  it('a command line that lost a word: the word is named', () => {
    const before = disk({
      kernel: { ...disk().kernel, commandLine: `${disk().kernel.commandLine} rd.luks.crypttab=no` },
    })
    expect(words(explain({ before, predicted: before, booted: disk() }))).toEqual([
      'the command line of the dom0 kernel /vmlinuz-6.6.36-1.fc37.x86_64 changed; no longer in it: rd.luks.crypttab=no',
    ])
  })

  it('a word without end in a command line does not fill the screen', () => {
    const long = `rd.evil=${'x'.repeat(2000)}`
    const now = disk({ kernel: { ...disk().kernel, commandLine: `${disk().kernel.commandLine} ${long}` } })
    const [what] = words(explain({ before: disk(), predicted: disk(), booted: now }))
    expect(what).toContain('new in it: rd.evil=xxx')
    expect(what?.length).toBeLessThan(200)
  })

  it('another tboot is named as the cause, with both digests', () => {
    const now = disk({ tboot: 'tboot of somebody' })
    const explanation = explain({ before: disk(), predicted: disk(), booted: now })
    expect(blockers(explanation)).toEqual([[18, 'tboot-changed']])
    const [cause, ...others] = explanation.pcrs.find(({ index }) => index === 18)!.causes
    expect(others).toEqual([])
    expect(cause).toMatchObject({ role: 'mle', path: '/tboot.gz' })
    expect(cause?.digestBefore).toBe(hash('sha1', disk().tboot).toString('hex'))
    expect(cause?.digestNow).toBe(hash('sha1', now.tboot).toString('hex'))
  })

  it('a bank is asked only for what was measured in it', () => {
    // On a TPM 2.0 SINIT extends every bank, and tboot its modules in the bank of its policy alone.
    const now = disk({ tboot: 'tboot of somebody' })
    const explanation = explain({
      booted: now,
      predicted: null,
      form: '1.10-tpm2',
      changes: {
        bank: 'sha1',
        selected: [17],
        expectedPcrs: [17],
        before: { pcrs: pcrsOf(machineOf(disk(), '1.10-tpm2')), components: null },
        pcrsNow: pcrsOf(machineOf(now, '1.10-tpm2')),
      },
    })
    expect(blockers(explanation)).toEqual([
      [17, 'platform-changed'],
      [17, 'tboot-changed'],
    ])
  })

  it('a Xen that is put back after the boot does not match what was measured', () => {
    const explanation = explain({ booted: withXen(disk(), 'evil'), changes: { files: filesOf(UPDATED) } })
    expect(explanation.verdict).toBe('unexplained')
    expect(blockers(explanation)).toEqual([[18, 'file-differs-from-launch']])
  })

  it.each([
    ['Xen without a package', withXen(disk(), 'evil'), null, [[18, 'no-package']]],
    [
      'Xen of an unknown signer',
      withXen(disk(), 'other'),
      { ...SIGNED, signerKnown: false },
      [[18, 'signer-unknown']],
    ],
    [
      'Xen that rpm could not verify',
      withXen(disk(), 'other'),
      { ...SIGNED, unmodified: null },
      [[18, 'package-unchecked']],
    ],
    [
      'the initramfs',
      { ...UPDATED, initramfs: { ...disk().initramfs, content: 'evil' } },
      SIGNED,
      [[19, 'no-package']],
    ],
    [
      "Xen's command line",
      { ...UPDATED, xen: { ...UPDATED.xen, commandLine: 'placeholder x' } },
      SIGNED,
      [[18, 'command-line-changed']],
    ],
    [
      "the kernel's command line",
      { ...UPDATED, kernel: { ...disk().kernel, commandLine: 'placeholder init=/bin/sh' } },
      SIGNED,
      [[19, 'command-line-changed']],
    ],
    [
      'a further module',
      { ...UPDATED, extra: [{ path: '/more', content: 'm', commandLine: 'm' }] },
      SIGNED,
      [[19, 'module-added']],
    ],
    ['tboot', { ...UPDATED, tboot: 'evil' }, SIGNED, [[18, 'tboot-changed']]],
    [
      'SINIT',
      { ...UPDATED, sinit: 'other' },
      SIGNED,
      [
        [17, 'pcr-not-expected'],
        [17, 'platform-changed'],
      ],
    ],
  ] as const)('%s: unexplained', (_, booted, xenPackage, wanted) => {
    const explanation = explain({ booted: booted as Disk, xenPackage })
    expect(explanation.verdict).toBe('unexplained')
    expect(blockers(explanation)).toEqual(wanted)
  })

  it('a swapped order: unexplained', () => {
    const explanation = explain({ booted: { ...UPDATED, order: [0, 2, 1] } })
    expect(explanation.verdict).toBe('unexplained')
    expect(blockers(explanation).map(([, code]) => code)).toContain('module-order-changed')
  })

  it('a module less: unexplained', () => {
    const before = disk({ extra: [{ path: '/more', content: 'm', commandLine: 'm' }] })
    const explanation = explain({ before, booted: UPDATED, predicted: null })
    expect(blockers(explanation)).toEqual([[19, 'module-removed']])
  })

  it('the kernel image, even from a package that vouches for another one', () => {
    const booted = { ...UPDATED, kernel: { ...disk().kernel, content: 'evil' } }
    const files = filesOf(booted).map((file) =>
      file.path === '/vmlinuz-6.6.36-1.fc37.x86_64'
        ? { ...file, package: { ...SIGNED_KERNEL, unmodified: false } }
        : file,
    )
    expect(blockers(explain({ booted, changes: { files } }))).toEqual([[19, 'package-modified']])
  })

  it.each(['kernel-devel', 'xen-hypervisor'])('a kernel of the package %s, however well signed', (name) => {
    const booted = { ...UPDATED, kernel: { ...disk().kernel, content: 'kernel 6.7' } }
    const files = filesOf(booted).map((file) =>
      file.path === disk().kernel.path ? { ...file, package: { ...SIGNED_KERNEL, name } } : file,
    )
    const explanation = explain({ booted, predicted: null, changes: { files } })
    expect(blockers(explanation)).toContainEqual([19, 'wrong-file'])
  })

  it('an initramfs that dom0 made again before the restart is accounted for', () => {
    const booted = { ...UPDATED, initramfs: { ...disk().initramfs, content: 'a new one' } }
    const files = (reproduced: boolean) =>
      filesOf(booted).map((file) => (file.path === disk().initramfs.path ? { ...file, reproduced } : file))
    const story = { booted, predicted: null }
    expect(blockers(explain({ ...story, changes: { files: files(true) } }))).toEqual([])
    expect(blockers(explain({ ...story, changes: { files: files(false) } }))).toEqual([[19, 'no-package']])
  })

  it('an older signed Xen in place of the newer one', () => {
    const story = { booted: UPDATED, predicted: null, changes: { previousBootTime: '2024-07-18T08:00:00Z' } }
    expect(blockers(explain(story))).toEqual([[18, 'package-older-than-last-boot']])
    expect(explain({ ...story, changes: { previousBootTime: '2024-07-16T08:00:00Z' } }).verdict).toBe(
      'explained',
    )
  })

  it('a LUKS header: unexplained in its own register', () => {
    const explanation = explain({ booted: UPDATED, luks: LUKS.after })
    expect(explanation.verdict).toBe('unexplained')
    expect(blockers(explanation)).toEqual([
      [13, 'pcr-not-expected'],
      [13, 'luks-header-changed'],
    ])
  })
})

describe('what cannot be trusted or known', () => {
  it('a log that does not replay explains nothing', () => {
    const log = parseTbootLog(writeTxtStat(machineOf(disk()))) as LaunchLog
    expect(blockers(explain({ booted: UPDATED, predicted: null, changes: { log } }))).toEqual([
      [18, 'log-unfaithful'],
    ])
  })

  it.each([null, new Failure({ code: 'log-unreadable', what: 'w', why: null, next: 'n' })])(
    'no log explains nothing',
    (log) => {
      expect(blockers(explain({ booted: UPDATED, predicted: null, changes: { log } }))).toEqual([
        [18, 'log-missing'],
      ])
      expect(explain({ booted: UPDATED, changes: { log } }).verdict).toBe('explained')
      const missing = explain({ booted: UPDATED, predicted: null, changes: { log } })
      const next = missing.reasons.find(({ code }) => code === 'log-missing')?.next
      expect(next).toBe(log === null ? 'run `aem-reseal predict` to see why' : 'n')
    },
  )

  it('a register that no update changes is unexplained even if its file is packaged', () => {
    const explanation = explain({ booted: UPDATED, predicted: null, changes: { expectedPcrs: [19] } })
    expect(blockers(explanation)).toEqual([[18, 'pcr-not-expected']])
    expect(explain({ booted: UPDATED, predicted: null, changes: { expectedPcrs: null } }).verdict).toBe(
      'unexplained',
    )
  })

  it('without a list from before, every extend of the register must be vouched for', () => {
    const machine = machineOf(disk())
    const before = { pcrs: { sha1: { ...pcrsOf(machine).sha1, 13: LUKS.before } }, components: null }
    const explanation = explain({ booted: UPDATED, predicted: null, changes: { before } })
    expect(blockers(explanation)).toEqual([[18, 'tboot-changed']])
  })

  it('without a baseline the verdict says so and gives no advice to panic', () => {
    const explanation = explain({ booted: UPDATED, changes: { before: null } })
    expect(explanation).toMatchObject({ verdict: 'no-baseline', advice: [] })
    expect(explanation.reasons[0]?.code).toBe('no-baseline')
  })

  it('an unmeasured boot is unexplained', () => {
    const ones = Object.fromEntries([17, 18, 19].map((index) => [index, 'ff'.repeat(20)]))
    const explanation = explain({
      booted: UPDATED,
      changes: { pcrsNow: { sha1: { ...ones, 13: LUKS.before } } },
    })
    expect(explanation.verdict).toBe('unexplained')
    expect(blockers(explanation).map(([, code]) => code)).toEqual(['unmeasured', 'unmeasured', 'unmeasured'])
  })

  it.each([
    ['00'.repeat(20)],
    ['ff'.repeat(20)],
    [createHash('sha1').update(Buffer.alloc(20)).update(Buffer.alloc(20, 0xff)).digest('hex')],
  ])('a register that holds the constant %s is unexplained, though it was predicted and before', (value) => {
    const pcrsNow = { sha1: { ...pcrsOf(machineOf(UPDATED, '1.10-tpm12')).sha1, 13: LUKS.before, 19: value } }
    const before = { components: null, pcrs: pcrsNow }
    const explanation = explain({ booted: UPDATED, changes: { pcrsNow, before } })
    expect(explanation.verdict).toBe('unexplained')
    expect(blockers(explanation)).toContainEqual([19, 'unmeasured'])
  })

  it('a register that could not be read is unexplained', () => {
    expect(explain({ booted: UPDATED, changes: { pcrsNow: {} } }).verdict).toBe('unexplained')
  })

  it('says what it means when AEM has sealed already', () => {
    const evil = withXen(disk(), 'evil')
    const sealed = explain({ booted: evil, xenPackage: null, changes: { alreadyResealed: true } })
    expect(sealed.advice.at(-1)).toContain('AEM has already sealed')
    const unknown = explain({ booted: evil, xenPackage: null, changes: { alreadyResealed: null } })
    expect(unknown.advice.at(-1)).toContain('assume that it has')
  })
})
