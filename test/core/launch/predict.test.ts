import { describe, expect, it } from 'vitest'
import { Failure } from '../../../src/core/failure.ts'
import { type LaunchLog, TBOOT_MAPS } from '../../../src/core/launch/launch-log.ts'
import { isCompletePrediction, predictLaunch } from '../../../src/core/launch/predict.ts'
import { parseTcgLog } from '../../../src/core/launch/tcg-log.ts'
import {
  disk,
  entryOf,
  imageOf,
  imagesOf,
  machineOf,
  mleOf,
  predictionInput,
  withXen,
} from './launch-world.ts'
import { type Form, pcrsOf } from './tboot-writer.ts'
import { ALGORITHMS, registersOf, type WrittenEvent, writeAgileLog } from './tcg-writer.ts'

type Prediction = ReturnType<typeof predictLaunch>

function predictedOf(prediction: Prediction, bank: string): Record<number, string | null> {
  return Object.fromEntries(
    prediction.pcrs.filter((pcr) => pcr.bank === bank).map((pcr) => [pcr.index, pcr.predicted]),
  )
}

function codesOf(prediction: Prediction): Record<number, string | null> {
  return Object.fromEntries(prediction.pcrs.map((pcr) => [pcr.index, pcr.code]))
}

const FORMS: [Form, string][] = [
  ['1.7', 'sha1'],
  ['1.9.12', 'sha1'],
  ['1.10-tpm12', 'sha1'],
  ['1.10-tpm2', 'sha256'],
]

describe.each(FORMS)('a clean update, log form %s', (form, bank) => {
  const strips = form === '1.7'
  const predict = (booted = disk(), now = disk()) =>
    predictLaunch(predictionInput(booted, now, form, {}, strips))

  it.each([
    ['nothing changed', disk()],
    ['another Xen', withXen(disk())],
    ['another kernel', disk({ kernel: { ...disk().kernel, content: 'kernel 6.7' } })],
    [
      'another kernel under another name',
      disk({ kernel: { ...disk().kernel, path: '/vmlinuz-6.7', content: 'kernel 6.7' } }),
    ],
    ['another initramfs', disk({ initramfs: { ...disk().initramfs, content: 'made again' } })],
    ['another command line for Xen', disk({ xen: { ...disk().xen, commandLine: 'placeholder smt=off' } })],
    [
      'Xen, initramfs and command lines',
      disk({
        xen: { path: '/xen-4.17.5.gz', content: 'x5', commandLine: 'placeholder a' },
        initramfs: { path: '/i', content: 'i5', commandLine: '' },
      }),
    ],
  ])('%s is predicted bit for bit', (_, now) => {
    const prediction = predict(disk(), now)
    const after = pcrsOf(machineOf(now, form, strips))[bank]!
    expect(predictedOf(prediction, bank)).toEqual({ 17: after[17], 18: after[18], 19: after[19] })
    expect(isCompletePrediction(prediction)).toBe(true)
    expect(prediction).toMatchObject({
      calibrated: true,
      refusal: null,
      entry: { title: 'AEM Qubes, with Xen hypervisor' },
    })
    expect(prediction.variant).toEqual({
      map: form === '1.10-tpm2' ? 'da' : 'legacy',
      commandLine: strips ? 'first-word-stripped' : 'whole',
    })
    // The schema of the program's answers takes no other.
    expect(TBOOT_MAPS).toContain(prediction.variant?.map)
  })

  it('marks what changed and where', () => {
    const prediction = predict(disk(), withXen(disk()))
    const changed = prediction.pcrs.flatMap((pcr) =>
      pcr.components.filter((one) => one.changed).map((one) => [pcr.index, one.role, one.path]),
    )
    const index = form === '1.10-tpm2' ? 17 : 18
    expect(changed).toEqual([[index, 'xen', '/xen-4.17.4.gz']])
    expect(prediction.pcrs.find((pcr) => pcr.index === index)?.reason).toBe(
      'changed: Xen (image or command line)',
    )
    expect(prediction.pcrs.find((pcr) => pcr.index === 19)?.reason).toBe(
      form === '1.10-tpm2' ? 'nothing is measured into it' : 'nothing measured into it has changed',
    )
  })

  it('says of PCR 17, which the launch filled, that it stays and not that nothing is in it', () => {
    const of17 = predict().pcrs.find((pcr) => pcr.index === 17)!
    expect(of17.now).not.toMatch(/^0+$/)
    expect(of17.predicted).toBe(of17.now)
    expect(of17.reason).toBe('nothing measured into it has changed')
  })
})

describe('a changed load list', () => {
  it.each([
    ['a further module', disk({ extra: [{ path: '/more', content: 'more', commandLine: 'm' }] })],
    ['kernel and initramfs swapped', disk({ order: [0, 2, 1] })],
  ])('%s is predicted where the policy is the built-in one', (_, now) => {
    const prediction = predictLaunch(predictionInput(disk(), now))
    expect(predictedOf(prediction, 'sha1')[19]).toBe(pcrsOf(machineOf(now)).sha1?.[19])
  })

  it('a module less is predicted too', () => {
    const booted = disk({ extra: [{ path: '/more', content: 'more', commandLine: 'm' }] })
    const prediction = predictLaunch(
      predictionInput(booted, disk(), '1.10-tpm12', { images: { ...imagesOf(booted) } }),
    )
    expect(predictedOf(prediction, 'sha1')[19]).toBe(pcrsOf(machineOf(disk())).sha1?.[19])
    expect(prediction.pcrs.find((pcr) => pcr.index === 19)?.reason).toBe('fewer modules are loaded')
  })

  it('a register into which no module goes any more says so', () => {
    const prediction = predictLaunch(predictionInput(disk(), disk({ order: [0] }), '1.10-tpm12'))
    expect(prediction.pcrs.find((pcr) => pcr.index === 19)).toMatchObject({
      predicted: '0'.repeat(40),
      reason: 'nothing is measured into it any more',
    })
  })

  it('is refused under a policy of the user', () => {
    const input = predictionInput(
      disk(),
      disk({ extra: [{ path: '/more', content: 'more', commandLine: 'm' }] }),
    )
    const log = { ...(input.log as LaunchLog), defaultPolicy: false }
    expect(codesOf(predictLaunch({ ...input, log }))).toMatchObject({ 19: 'policy-unknown' })
  })

  it('leaves out a file that tboot drops by its content, whatever its name', () => {
    const now = disk({ extra: [{ path: '/odd.bin', content: 'acm', commandLine: '' }] })
    const images = { ...imagesOf(now), '/odd.bin': { ...imageOf('acm'), kind: 'acm' as const } }
    const prediction = predictLaunch(predictionInput(disk(), now, '1.10-tpm12', { images }))
    expect(predictedOf(prediction, 'sha1')[19]).toBe(pcrsOf(machineOf(disk())).sha1?.[19])
  })
})

describe('nothing is predicted, and the words say why', () => {
  const input = predictionInput(disk(), withXen(disk()))
  const unreadable = new Failure({
    code: 'log-unreadable',
    what: 'txt-stat printed no tboot log',
    why: null,
    next: 'x',
  })
  const otherRegister = { sha1: { ...input.pcrsNow.sha1, 18: 'ab'.repeat(20) } }
  const allChanged = imagesOf(
    disk({
      xen: { ...disk().xen, content: '1' },
      kernel: { ...disk().kernel, content: '2' },
      initramfs: { ...disk().initramfs, content: '3' },
    }),
  )
  const onlyInitramfs = { ...allChanged, '/initramfs-6.6.36-1.fc37.x86_64.img': imageOf('initramfs 6.6') }
  const fewer = { ...entryOf(disk()), modules: entryOf(disk()).modules.slice(0, 2) }
  const normal = { ...entryOf(disk()), flavour: 'other' as const }
  const unlaunched = { sha1: { 17: 'ff'.repeat(20), 18: 'ff'.repeat(20), 19: 'ff'.repeat(20) } }

  it.each([
    ['log-unreadable', { log: unreadable }, 'txt-stat printed no tboot log'],
    ['log-unreadable', { log: null }, 'no launch log'],
    ['log-unfaithful', { pcrsNow: otherRegister }, 'PCR 18'],
    ['unmeasured', { pcrsNow: unlaunched }, 'not measured'],
    ['no-variant-fits', { images: allChanged }, 'none of the files'],
    ['no-variant-fits', { images: onlyInitramfs }, 'only modules without a command line'],
    ['unknown-module', { booted: fewer }, '3 modules'],
    ['entry-undetermined', { next: { entry: null, why: 'a reason' } }, 'a reason'],
    ['other-flavour', { next: { entry: normal, why: null } }, 'will not be measured'],
    ['pcrs-unreadable', { pcrsNow: {} }, 'no bank'],
  ])('%s', (code, changes, words) => {
    const prediction = predictLaunch({ ...input, ...changes } as typeof input)
    expect(prediction.refusal?.code).toBe(code)
    expect(prediction.refusal?.why).toContain(words)
    expect(prediction.pcrs.every((pcr) => pcr.predicted === null && pcr.reason !== '')).toBe(true)
    expect(isCompletePrediction(prediction)).toBe(false)
  })

  it('a log that lost its end is not used', () => {
    const log = { ...(input.log as LaunchLog), problems: ['the list of modules does not reach its end'] }
    expect(predictLaunch({ ...input, log }).refusal).toMatchObject({
      code: 'log-unreadable',
      why: 'the launch log is not whole: the list of modules does not reach its end',
    })
  })
})

describe('a partial prediction', () => {
  it('gives 19 without 18 when Xen cannot be read', () => {
    const { [disk().xen.path]: _, ...images } = imagesOf(disk())
    const prediction = predictLaunch(predictionInput(disk(), disk(), '1.10-tpm12', { images }))
    expect(codesOf(prediction)).toEqual({ 17: null, 18: 'module-unreadable', 19: null })
    expect(prediction.refusal).toBeNull()
    expect(isCompletePrediction(prediction)).toBe(false)
  })

  it('gives 18 without 19 when the initramfs has no digest', () => {
    const images = {
      ...imagesOf(disk()),
      '/initramfs-6.6.36-1.fc37.x86_64.img': { ...imageOf(''), digests: {}, problem: 'it is odd' },
    }
    const prediction = predictLaunch(predictionInput(disk(), disk(), '1.10-tpm12', { images }))
    expect(codesOf(prediction)).toEqual({ 17: null, 18: null, 19: 'image-undetermined' })
  })

  it.each([
    ['sinit-unknown', { launcher: null, sinit: null, policy: null }],
    ['sinit-changed', { launcher: null, sinit: false, policy: null }],
  ])('gives no 17 with %s', (code, unchanged) => {
    expect(codesOf(predictLaunch(predictionInput(disk(), disk(), '1.10-tpm12', { unchanged })))).toEqual({
      17: code,
      18: null,
      19: null,
    })
  })

  it('gives no 17 and 18 when nobody knows about tboot', () => {
    const prediction = predictLaunch(predictionInput(disk(), disk(), '1.10-tpm12', { mleNow: null }))
    expect(codesOf(prediction)).toEqual({ 17: 'tboot-unknown', 18: 'tboot-unknown', 19: null })
  })

  it('of no register is not complete', () => {
    const prediction = predictLaunch(predictionInput(disk(), disk(), '1.10-tpm12', {}))
    expect(isCompletePrediction({ ...prediction, pcrs: [] })).toBe(false)
  })

  it('takes other evidence about tboot where its hash is missing', () => {
    const unchanged = { launcher: true, sinit: true, policy: null }
    expect(
      isCompletePrediction(
        predictLaunch(predictionInput(disk(), disk(), '1.10-tpm12', { mleNow: null, unchanged })),
      ),
    ).toBe(true)
  })

  it("predicts 18 from a changed tboot's own hash, and 17 not", () => {
    const now = disk({ tboot: 'tboot 1.11' })
    const prediction = predictLaunch(predictionInput(disk(), now, '1.10-tpm12', { mleNow: mleOf(now) }))
    expect(codesOf(prediction)).toEqual({ 17: 'tboot-changed', 18: null, 19: null })
    expect(predictedOf(prediction, 'sha1')[18]).toBe(pcrsOf(machineOf(now)).sha1?.[18])
  })
})

describe('calibration after a big update', () => {
  const booted = disk()
  const now = disk({
    xen: { ...booted.xen, content: 'x2' },
    kernel: { path: '/vmlinuz-6.7', content: 'k2', commandLine: 'placeholder root=/dev/q ro aem.uuid=c5a8' },
    initramfs: { path: '/initramfs-6.7.img', content: 'i2', commandLine: '' },
  })

  it('uses the old kernel that is still on the device', () => {
    const images = { ...imagesOf(now), '/vmlinuz-6.6.36-1.fc37.x86_64': imageOf('kernel 6.6') }
    const prediction = predictLaunch(predictionInput(booted, now, '1.10-tpm12', { images }))
    expect(predictedOf(prediction, 'sha1')).toEqual(pickLaunch(pcrsOf(machineOf(now)).sha1!))
  })

  it('uses digests noted down before the update when no file is left', () => {
    const recorded = [{ path: '/xen-4.17.4.gz', digests: imageOf('xen 4.17.4-3').digests }]
    const prediction = predictLaunch(predictionInput(booted, now, '1.10-tpm12', { recorded }))
    expect(predictedOf(prediction, 'sha1')).toEqual(pickLaunch(pcrsOf(machineOf(now)).sha1!))
    expect(predictLaunch(predictionInput(booted, now)).refusal?.code).toBe('no-variant-fits')
  })

  it('does without the entry that booted, which grub.cfg may no longer have', () => {
    const images = { ...imagesOf(now), '/vmlinuz-6.6.36-1.fc37.x86_64': imageOf('kernel 6.6') }
    const prediction = predictLaunch(predictionInput(booted, now, '1.10-tpm12', { images, booted: null }))
    expect(isCompletePrediction(prediction)).toBe(true)
  })
})

function pickLaunch(pcrs: Record<number, string>) {
  return { 17: pcrs[17], 18: pcrs[18], 19: pcrs[19] }
}

describe('TrenchBoot', () => {
  const events = (kernel: string): WrittenEvent[] => [
    { pcr: 17, type: 0x402, content: 'sinit' },
    { pcr: 17, type: 0x404, content: 'xen as mle' },
    { pcr: 18, type: 0x502, content: 'multiboot information' },
    { pcr: 17, type: 0x502, content: kernel },
    { pcr: 17, type: 0x502, content: 'initramfs 6.6' },
  ]
  const algorithms = ALGORITHMS.slice(0, 2)
  const trenchEntry = (from = disk()) => {
    const entry = entryOf(from)
    return {
      ...entry,
      flavour: 'trenchboot' as const,
      launcher: { ...entry.modules[0]!, role: 'xen' as const },
      modules: entry.modules.slice(1),
    }
  }
  const predict = (kernel: string, launcher: boolean | null) =>
    predictLaunch({
      log: parseTcgLog(writeAgileLog(events('kernel 6.6'), algorithms)),
      pcrsNow: registersOf(events('kernel 6.6'), algorithms),
      booted: trenchEntry(),
      images: imagesOf(disk({ kernel: { ...disk().kernel, content: kernel } })),
      next: { entry: trenchEntry(), why: null },
      mleNow: null,
      unchanged: { launcher, sinit: true, policy: null },
    })

  it('promises nothing about the multiboot information, and 17 where Xen is the same', () => {
    const prediction = predict('kernel 6.7', true)
    expect(prediction.variant).toBeNull()
    expect(codesOf(prediction)).toEqual({ 17: null, 18: 'trenchboot-multiboot-info', 19: null })
    expect(predictedOf(prediction, 'sha256')[17]).toBe(
      registersOf(events('kernel 6.7'), algorithms).sha256?.[17],
    )
  })

  it.each([false, null])('gives no 17 when Xen is unchanged: %s', (launcher) => {
    expect(codesOf(predict('kernel 6.6', launcher))).toMatchObject({ 17: 'trenchboot-mle' })
  })
})
