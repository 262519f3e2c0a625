import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { listComponents } from '../../../src/core/launch/components.ts'
import type { FileFact } from '../../../src/core/launch/explain-types.ts'
import { predictLaunch } from '../../../src/core/launch/predict.ts'
import { replayLog } from '../../../src/core/launch/replay.ts'
import { parseTcgLog } from '../../../src/core/launch/tcg-log.ts'
import { type XenMle, xenMle } from '../../../src/core/launch/xen-mle.ts'
import {
  eventsOf,
  KINDS,
  type Kind,
  type Launch,
  sklFile,
  type Variant,
  xenFile,
} from '../../support/trenchboot-launch.ts'
import { imageOf, SIGNED } from './launch-world.ts'
import { ALGORITHMS, registersOf, type WrittenEvent, writeAgileLog } from './tcg-writer.ts'

import {
  BANKS,
  BOTH,
  bios,
  codes,
  entry,
  explain,
  imagesOf,
  KERNEL_LINE,
  KERNEL_PACKAGE,
  launch,
  mleOf,
  NEW_XEN,
  parse,
  XEN_PACKAGE,
} from './trenchboot-world.ts'

/** What is predicted for `next` by a machine that booted `booted`, whose Xen is still on the device or not. */
function predict(
  booted: Launch,
  next: Launch,
  changes: { bootedXen?: XenMle | null; launcher?: boolean | null } = {},
) {
  const events = eventsOf(booted)
  return predictLaunch({
    log: parse(events),
    pcrsNow: registersOf(events, BOTH),
    booted: entry(booted),
    images: { ...imagesOf(next), ...imagesOf(booted) },
    nextImages: imagesOf(next),
    next: { entry: entry(next), why: null },
    mleNow: null,
    xen: { booted: changes.bootedXen === undefined ? mleOf(booted) : changes.bootedXen, next: mleOf(next) },
    unchanged: { launcher: changes.launcher ?? false, sinit: true, policy: null },
    selected: [17, 18],
  })
}

const rowsOf = (prediction: ReturnType<typeof predictLaunch>, index: number) =>
  prediction.pcrs.filter((pcr) => pcr.index === index)

describe.each(KINDS)('the log of a launch, %s', (kind) => {
  it.each(BANKS)('replays into both registers, %s', (_, algorithms) => {
    const events = eventsOf(launch(kind))
    const replayed = replayLog(parse(events, algorithms), registersOf(events, algorithms), [17, 18])
    expect(replayed).toHaveLength(2 * algorithms.length)
    expect(replayed.every(({ status }) => status === 'faithful')).toBe(true)
  })

  it('tells the kind, Xen and the modules', () => {
    const log = parse(eventsOf(launch(kind)))
    const [cpu, firmware] = kind.split('-')
    expect(log.launch).toEqual({ cpu, firmware })
    expect(log.events.filter(({ origin }) => origin.kind === 'mle')).toHaveLength(1)
    const digest = (bytes: string) => createHash('sha256').update(bytes).digest('hex')
    expect(log.modules.map(({ digests }) => digests.sha256)).toEqual([
      digest('kernel 6.6'),
      digest('initramfs 6.6'),
    ])
    const roles = listComponents(log, entry(launch(kind))).filter(({ pcr }) => pcr === 17)
    expect(roles.map(({ role }) => role)).toEqual(
      cpu === 'amd'
        ? ['platform', 'xen-entry', 'xen', 'kernel', 'initramfs']
        : ['platform', 'platform', 'xen', 'platform', 'kernel', 'initramfs'],
    )
  })
})

describe('texts that anybody can write', () => {
  it('make no loader of events that do not begin the register', () => {
    const events = eventsOf(launch('amd-bios'))
    const moved = [events[3]!, events[1]!, events[2]!, events[0]!, ...events.slice(4)]
    const log = parse([...moved, { pcr: 17, type: 0x502, content: 'evil', data: Buffer.from('DLME') }])
    expect(log.launch).toBeNull()
    expect(log.events.some(({ origin }) => origin.kind === 'mle')).toBe(false)
  })

  it.each(['SKINIT', 'DLME', 'something'])('%s behind the loader is no module and no Xen', (text) => {
    const events = [
      ...eventsOf(launch('amd-bios')),
      { pcr: 17, type: 0x502, content: 'x', data: Buffer.from(text) },
    ]
    const log = parse(events)
    expect(log.events.at(-1)?.origin).toEqual({ kind: 'other' })
    expect(log.modules).toHaveLength(2)
  })
})

describe('PCR 17 of the next boot', () => {
  const cases: [Kind, Variant][] = [
    ['intel-bios', 'header'],
    ['intel-bios', 'rounded'],
    ['intel-bios', 'rounded-patched'],
    ['amd-bios', 'header'],
    ['amd-bios', 'rounded'],
  ]
  it.each(cases)('is that of the new Xen and kernel, %s by %s', (kind, variant) => {
    const booted = launch(kind, { variant })
    const next = launch(kind, {
      variant,
      xen: NEW_XEN,
      modules: [{ ...booted.modules[0]!, bytes: 'kernel 6.7' }, booted.modules[1]!],
    })
    const rows = rowsOf(predict(booted, next), 17)
    const wanted = registersOf(eventsOf(next), BOTH)
    expect(rows.map(({ bank, predicted }) => [bank, predicted])).toEqual([
      ['sha1', wanted.sha1![17]],
      ['sha256', wanted.sha256![17]],
    ])
    expect(rows[0]?.components.map(({ role, changed }) => [role, changed])).toEqual([
      ['xen', true],
      ['kernel', true],
      ['initramfs', false],
    ])
  })

  it.each(['intel-bios', 'amd-bios'] as const)(
    'stays where Xen gives the digest of this boot, whatever else is known of it: %s',
    (kind) => {
      const same = predict(launch(kind), launch(kind), { bootedXen: null, launcher: null })
      expect(rowsOf(same, 17)[1]?.predicted).toBe(registersOf(eventsOf(launch(kind)), BOTH).sha256![17])
    },
  )

  it('is not guessed where the Xen of this boot is gone', () => {
    const [row] = rowsOf(
      predict(launch('intel-bios'), launch('intel-bios', { xen: NEW_XEN }), { bootedXen: null }),
      17,
    )
    expect(row).toMatchObject({ predicted: null, code: 'trenchboot-mle' })
    expect(row?.reason).toContain('not on the device any more')
  })

  it('is not guessed where the Xen of this boot does not give its own digest', () => {
    const other = xenMle(xenFile('another'), ['sha1', 'sha256'])
    const [row] = rowsOf(
      predict(launch('amd-bios'), launch('amd-bios', { xen: NEW_XEN }), { bootedXen: other }),
      17,
    )
    expect(row).toMatchObject({ predicted: null, code: 'trenchboot-mle' })
  })

  it('is not guessed where the Xen of this boot is entered at another place than was measured', () => {
    const booted = launch('amd-bios')
    const { entry: _entry, ...own } = mleOf(booted)
    const next = launch('amd-bios', { xen: NEW_XEN })
    const rows = (bootedXen: XenMle) => rowsOf(predict(booted, next, { bootedXen }), 17)
    expect(rows(mleOf(booted))[1]?.predicted).toBe(registersOf(eventsOf(next), BOTH).sha256![17])
    const other = { ...own, entry: mleOf(next).entry }
    expect(other.entry).not.toEqual(mleOf(booted).entry)
    expect(rows(other)[1]).toMatchObject({ predicted: null, code: 'trenchboot-mle' })
  })

  it.each(['sha1', 'sha256'] as const)('is not guessed where it is entered there but for its %s', (bank) => {
    const [booted, next] = [launch('amd-bios'), launch('amd-bios', { xen: NEW_XEN })]
    const own = mleOf(booted)
    const bootedXen = { ...own, entry: { ...own.entry, [bank]: mleOf(next).entry[bank] } }
    for (const row of rowsOf(predict(booted, next, { bootedXen }), 17))
      expect(row).toMatchObject({ predicted: null, code: 'trenchboot-mle' })
  })

  it.each(['intel-uefi', 'amd-uefi'] as const)('is refused on UEFI, even of an unchanged Xen: %s', (kind) => {
    const [row] = rowsOf(predict(launch(kind), launch(kind), { launcher: true }), 17)
    expect(row).toMatchObject({ predicted: null, code: 'trenchboot-mle' })
    expect(row?.reason).toContain('after its own EFI part ran')
  })
})

describe('PCR 18 of the next boot', () => {
  it.each(['intel-uefi', 'amd-uefi'] as const)('is that of the new command lines: %s', (kind) => {
    const booted = launch(kind)
    const next = launch(kind, {
      xenOptions: 'placeholder console=none smt=off',
      modules: [{ ...booted.modules[0]!, options: `${KERNEL_LINE} quiet` }, booted.modules[1]!],
    })
    const [, row] = rowsOf(predict(booted, next), 18)
    expect(row?.predicted).toBe(registersOf(eventsOf(next), BOTH).sha256![18])
    expect(row?.components.map(({ role, changed }) => [role, changed])).toEqual([
      ['xen', true],
      ['kernel', true],
      ['initramfs', false],
    ])
  })

  it('is predicted where the entry of this boot cannot be told and the next one has its lines', () => {
    const booted = launch('intel-uefi')
    const events = eventsOf(booted)
    const prediction = predictLaunch({
      log: parse(events),
      pcrsNow: registersOf(events, BOTH),
      booted: null,
      images: imagesOf(booted),
      next: { entry: entry(booted), why: null },
      mleNow: null,
      unchanged: { launcher: true, sinit: true, policy: null },
      selected: [18],
    })
    expect(prediction.pcrs.map(({ bank, predicted }) => [bank, predicted])).toEqual(
      (['sha1', 'sha256'] as const).map((bank) => [bank, registersOf(events, BOTH)[bank]![18]]),
    )
  })

  it('is not predicted where the entry does not give the lines of this boot', () => {
    const booted = launch('amd-uefi')
    const lied = predictLaunch({
      log: parse(eventsOf(launch('amd-uefi', { xenOptions: 'placeholder iommu=no' }))),
      pcrsNow: registersOf(eventsOf(launch('amd-uefi', { xenOptions: 'placeholder iommu=no' })), BOTH),
      booted: entry(booted),
      images: imagesOf(booted),
      next: { entry: entry(booted), why: null },
      mleNow: null,
      unchanged: { launcher: true, sinit: true, policy: null },
      selected: [18],
    })
    expect(rowsOf(lied, 18)[0]).toMatchObject({ predicted: null, code: 'trenchboot-command-line' })
  })

  it('is not predicted where the log has an entry of no known kind', () => {
    const events = [
      ...eventsOf(launch('amd-uefi')),
      { pcr: 18, type: 0x502, content: 'x', data: Buffer.from('something') },
    ]
    const booted = launch('amd-uefi')
    const prediction = predictLaunch({
      log: parse(events),
      pcrsNow: registersOf(events, BOTH),
      booted: entry(booted),
      images: imagesOf(booted),
      next: { entry: entry(booted), why: null },
      mleNow: null,
      unchanged: { launcher: true, sinit: true, policy: null },
      selected: [18],
    })
    expect(rowsOf(prediction, 18)[0]).toMatchObject({ predicted: null, code: 'unknown-module' })
  })

  it('is refused on BIOS, in words', () => {
    const [row] = rowsOf(predict(launch('intel-bios'), launch('intel-bios')), 18)
    expect(row).toMatchObject({ predicted: null, code: 'trenchboot-multiboot-info' })
    expect(row?.reason).toContain('all that GRUB tells Xen')
  })
})

/** The value that SINIT of an OptiPlex logs instead of what it extended. */
function asOptiplex(events: readonly WrittenEvent[], at = 0): Buffer {
  const bytes = writeAgileLog(events, BOTH)
  for (const { sizeBytes, openssl } of BOTH) {
    const digest = createHash(openssl).update(events[at]!.content).digest()
    const result = createHash(openssl).update(Buffer.alloc(sizeBytes)).update(digest).digest()
    result.copy(bytes, bytes.indexOf(digest))
  }
  return bytes
}

describe('a first entry that holds the result of the extend', () => {
  const booted = launch('intel-bios')
  const log = parseTcgLog(asOptiplex(eventsOf(booted)))

  it('is determined by the register, and the next boot is predicted from it', () => {
    const pcrs = registersOf(eventsOf(booted), BOTH)
    expect(replayLog(log, pcrs, [17]).filter(({ index }) => index === 17)).toMatchObject([
      { status: 'faithful', isFirstResult: true },
      { status: 'faithful', isFirstResult: true },
    ])
    const next = launch('intel-bios', {
      modules: [booted.modules[0]!, { ...booted.modules[1]!, bytes: 'new' }],
    })
    const prediction = predictLaunch({
      log,
      pcrsNow: pcrs,
      booted: entry(booted),
      images: { ...imagesOf(next) },
      next: { entry: entry(next), why: null },
      mleNow: null,
      xen: { booted: mleOf(booted), next: mleOf(next) },
      unchanged: { launcher: null, sinit: true, policy: null },
      selected: [17],
    })
    expect(prediction.pcrs[1]?.predicted).toBe(registersOf(eventsOf(next), BOTH).sha256![17])
  })

  it.each([
    ['of PCR 18', 'intel-bios', 18, 4],
    ['of AMD', 'amd-bios', 17, 0],
  ] as const)('is not taken for one %s', (_, kind, index, at) => {
    const events = eventsOf(launch(kind))
    const replayed = replayLog(parseTcgLog(asOptiplex(events, at)), registersOf(events, BOTH), [index])
    expect(replayed.filter((one) => one.index === index).map(({ status }) => status)).toEqual([
      'unfaithful',
      'unfaithful',
    ])
  })

  it('excuses no other entry', () => {
    const other = registersOf(eventsOf(launch('intel-bios', { modules: [] })), BOTH)
    expect(
      replayLog(log, other, [17]).every(({ index, status }) => index !== 17 || status === 'unfaithful'),
    ).toBe(true)
  })
})

describe('a log of SHA-256 alone whose boot information is not what the TPM got', () => {
  const sha256 = ALGORITHMS.slice(1, 2)
  it.each(['intel-bios', 'amd-bios'] as const)('says nothing of PCR 18 and all of PCR 17: %s', (kind) => {
    const events = eventsOf(launch(kind))
    const pcrs = registersOf(eventsOf(launch(kind, { bootInfo: 'what the TPM got' })), sha256)
    const status = replayLog(parse(events, sha256), pcrs, [17, 18]).map(({ index, status }) => [
      index,
      status,
    ])
    expect(status).toEqual([
      [17, 'faithful'],
      [18, 'not-in-log'],
    ])
  })

  it('is no excuse with two banks, nor on UEFI', () => {
    const bios = replayLog(
      parse(eventsOf(launch('amd-bios'))),
      registersOf(eventsOf(launch('amd-bios', { bootInfo: 'other' })), BOTH),
      [18],
    )
    expect(bios.find(({ index }) => index === 18)?.status).toBe('unfaithful')
    const uefi = replayLog(
      parse(eventsOf(launch('amd-uefi')), sha256),
      registersOf(eventsOf(launch('amd-uefi', { vendorInfo: 'other' })), sha256),
      [18],
    )
    expect(uefi.find(({ index }) => index === 18)?.status).toBe('unfaithful')
  })
})

describe('after an honest update of Xen', () => {
  it.each([
    ['intel-bios', 'header'],
    ['intel-bios', 'rounded-patched'],
    ['amd-bios', 'header'],
    ['amd-bios', 'rounded'],
  ] as const)('on BIOS it is explained by its file, %s by %s', (kind, variant) => {
    const explained = explain(bios(kind, { variant }), bios(kind, { variant, xen: NEW_XEN }))
    expect(codes(explained)).toEqual([])
    expect(explained.verdict).toBe('explained')
  })

  it.each(['intel-bios', 'amd-bios'] as const)(
    'the boot information that moved with it is not proven: %s',
    (kind) => {
      const moved = launch(kind, { xen: NEW_XEN, bootInfo: 'other sizes' })
      expect(explain(bios(kind), moved)).toMatchObject({ verdict: 'not-computable' })
      expect(codes(explain(bios(kind), moved))).toEqual(['boot-info-not-computable'])
      for (const areLinesSame of [false, null])
        expect(explain(bios(kind), moved, { areLinesSame })).toMatchObject({ verdict: 'unexplained' })
    },
  )

  it.each(['intel-uefi', 'amd-uefi'] as const)('on UEFI it is not proven: %s', (kind) => {
    const explained = explain(launch(kind), launch(kind, { xen: NEW_XEN }))
    expect(explained.verdict).toBe('not-computable')
    expect(new Set(codes(explained))).toEqual(new Set(['xen-not-computable']))
    expect(explained.advice.join(' ')).not.toContain('lost')
    expect(explained.advice.join(' ')).toContain('accepted, not proven')
  })

  it.each(['intel-bios', 'amd-bios'] as const)(
    'where its file cannot be computed it is not proven: %s',
    (kind) => {
      const files = (xen: XenMle | null): FileFact[] => [
        { path: '/xen-4.17.4.gz', image: imageOf('x'), xen, package: XEN_PACKAGE, bulletin: null },
      ]
      const explained = explain(bios(kind), bios(kind, { xen: NEW_XEN }), { files: files(null) })
      expect(explained.verdict).toBe('not-computable')
    },
  )

  it.each([
    ['no package', null, 'no-package'],
    ['a package that is not as packaged', { ...XEN_PACKAGE, unmodified: false }, 'package-modified'],
    ['an unknown signer', { ...XEN_PACKAGE, signerKnown: false }, 'signer-unknown'],
    [
      'a package from before the last boot',
      { ...XEN_PACKAGE, installTime: '2024-07-01T00:00:00Z' },
      'package-older-than-last-boot',
    ],
  ])('%s makes it unexplained, computed or not', (_, owner, code) => {
    for (const kind of ['amd-uefi', 'amd-bios'] as const) {
      const path = entry(launch(kind)).launcher!.path
      const files = [
        {
          path,
          image: imageOf('x'),
          xen: mleOf(launch(kind, { xen: NEW_XEN })),
          package: owner,
          bulletin: null,
        },
      ]
      const explained = explain(bios(kind), bios(kind, { xen: NEW_XEN }), { files })
      expect(explained.verdict).toBe('unexplained')
      expect(codes(explained)).toContain(code)
    }
  })

  it('a package in a place that is not its own makes it unexplained', () => {
    for (const kind of ['amd-uefi', 'amd-bios'] as const) {
      const path = entry(launch(kind)).launcher!.path
      const xen = mleOf(launch(kind, { xen: NEW_XEN }))
      const files = [{ path, image: imageOf('x'), xen, package: KERNEL_PACKAGE, bulletin: null }]
      const explained = explain(bios(kind), bios(kind, { xen: NEW_XEN }), { files })
      expect(codes(explained)).toContain('wrong-file')
    }
  })

  it('no bulletin and no package behind it makes it unexplained', () => {
    expect(
      explain(launch('amd-uefi'), launch('amd-uefi', { xen: NEW_XEN }), { expectedPcrs: [] }).verdict,
    ).toBe('unexplained')
  })

  it('a baseline of an earlier version of this program, with other roles, is understood', () => {
    const before = launch('amd-uefi')
    const old = listComponents(parse(eventsOf(before)), null)
    const roles = ['kernel', 'initramfs', 'module'] as const
    let modules = 0
    const components = old.map((one) => ({
      ...one,
      path: null,
      role: one.pcr === 17 ? (roles[modules++] ?? 'module') : ('other' as const),
    }))
    const input = { before: { pcrs: registersOf(eventsOf(before), BOTH), components } }
    expect(explain(before, launch('amd-uefi', { xen: NEW_XEN }), input)).toMatchObject({
      verdict: 'not-computable',
    })
  })
})

describe('after an honest update of the kernel', () => {
  const RELEASE = '6.6.36-1.fc37.x86_64'
  const [path, image] = [`/vmlinuz-${RELEASE}`, `/initramfs-${RELEASE}.img`]
  const withKernel = (kind: Kind, bytes: string) =>
    bios(kind, {
      modules: [
        { name: path.slice(1), options: KERNEL_LINE, bytes },
        { name: image.slice(1), options: '', bytes: 'initramfs 6.6' },
      ],
    })
  const explained = (kind: Kind, owner: FileFact['package']) =>
    explain(withKernel(kind, 'previous kernel'), withKernel(kind, 'current kernel'), {
      files: [{ path, image: imageOf('current kernel'), package: owner, bulletin: null }],
    })
  const owner = { ...SIGNED, name: 'kernel', evr: '1000:6.6.36-1.fc37' }

  it.each(['intel-bios', 'amd-bios'] as const)('it is explained by its package: %s', (kind) => {
    expect(codes(explained(kind, owner))).toEqual([])
    expect(explained(kind, owner).verdict).toBe('explained')
  })

  it('and by no package in a place that is not its own', () => {
    const xen = { ...SIGNED, name: 'xen-hypervisor', evr: '2001:4.17.4-4.fc37' }
    expect(codes(explained('amd-bios', xen))).toEqual(['wrong-file'])
    expect(codes(explained('amd-bios', null))).toEqual(['no-package'])
  })
})

describe.each(KINDS)('a boot that was tampered with beside the update, %s', (kind) => {
  const before = bios(kind)
  const honest = bios(kind, { xen: NEW_XEN })
  const [kernel, initramfs] = honest.modules as [Launch['modules'][number], Launch['modules'][number]]
  const tampered: [string, Launch][] = [
    ['the kernel', { ...honest, modules: [{ ...kernel, bytes: 'evil kernel' }, initramfs] }],
    ['the initramfs', { ...honest, modules: [kernel, { ...initramfs, bytes: 'evil initramfs' }] }],
    ['the order', { ...honest, modules: [initramfs, kernel] }],
    [
      'one more module',
      { ...honest, modules: [kernel, initramfs, { name: 'evil', options: '', bytes: 'evil' }] },
    ],
    ['one module less', { ...honest, modules: [kernel] }],
    ['the loader', { ...honest, loader: sklFile('another loader') }],
    ...(kind.endsWith('uefi')
      ? ([
          ["Xen's command line", { ...honest, xenOptions: 'placeholder iommu=no' }],
          [
            "the kernel's command line",
            { ...honest, modules: [{ ...kernel, options: 'init=/bin/sh' }, initramfs] },
          ],
          ["the initramfs's name", { ...honest, modules: [kernel, { ...initramfs, name: 'evil.img' }] }],
          ['what GRUB notes', { ...honest, vendorInfo: 'something else' }],
        ] as [string, Launch][])
      : ([
          ['Xen', { ...honest, xen: xenFile('evil') }],
          [
            'what GRUB notes',
            {
              ...honest,
              vendorInfo: 'something else',
              ...(kind === 'amd-bios' ? { loader: sklFile('x') } : {}),
            },
          ],
        ] as [string, Launch][])),
  ]

  it.each(tampered)('%s', (_, now) => {
    for (const [, algorithms] of BANKS) {
      const explained = explain(before, now, { disk: honest, algorithms })
      expect(explained.verdict).toBe('unexplained')
    }
  })

  it('strings or entries of PCR 18 in another order', () => {
    const events = eventsOf(honest)
    const places = events.flatMap(({ pcr, type }, at) => (pcr === 18 && type === 0x502 ? [at] : []))
    const [last = 0, other = 0] = places.slice(-2)
    if (last === other || places.length < 2) return expect(kind).toBe('amd-bios')
    ;[events[last], events[other]] = [events[other]!, events[last]!]
    for (const [, algorithms] of BANKS)
      expect(explain(before, honest, { events, algorithms }).verdict).toBe('unexplained')
  })

  it('is told from the honest one, in each bank', () => {
    for (const [, algorithms] of BANKS)
      expect(explain(before, honest, { algorithms }).verdict).toBe(
        kind.endsWith('uefi') ? 'not-computable' : 'explained',
      )
  })

  it('the same Xen entered at another place', () => {
    if (!kind.startsWith('amd'))
      return expect(parse(eventsOf(before)).events.some(({ origin }) => origin.kind === 'mle-entry')).toBe(
        false,
      )
    const events = eventsOf(before)
    events[1] = { ...events[1]!, content: Buffer.from([1, 2, 3, 4]) }
    expect(explain(before, before, { events })).toMatchObject({ verdict: 'unexplained' })
  })

  it('a log that does not lead to the register', () => {
    const pcrsNow = registersOf(eventsOf({ ...honest, xen: xenFile('evil') }), BOTH)
    expect(explain(before, honest, { pcrsNow })).toMatchObject({ verdict: 'unexplained' })
  })
})
