import { describe, expect, it } from 'vitest'
import type { EventOrigin, RawEvent } from '../../../src/core/launch/launch-log.ts'
import { decideLaunchKind, decideOrigins } from '../../../src/core/launch/tcg-origins.ts'

/* secure-kernel-loader slrt e4f7e32, event_log.c; TrenchBoot/grub 90ce968a5; TrenchBoot/xen aem-4.17.4, slaunch.c. */
const event = (pcr: number, text: string | Uint8Array = '', type = 0x502): RawEvent => ({
  pcr,
  type,
  digests: {},
  data: typeof text === 'string' ? Buffer.from(text) : text,
})
const SKL = [event(17, 'SKINIT'), event(17, 'DLME entry offset'), event(17, 'DLME')] as const
const SINIT = [event(17, '', 0x402), event(18, '', 0x404)] as const
const XEN_LINE = event(18, "Xen's command line")
const MODULE_LINE = event(18, 'MB module string')

describe('how a boot was launched', () => {
  it('is told by what SKL or SINIT wrote', () => {
    expect(decideLaunchKind(SKL)).toEqual({ cpu: 'amd', firmware: 'bios' })
    expect(decideLaunchKind([event(18), SKL[0], event(18, 'x'), SKL[1], SKL[2], event(17)])).toEqual({
      cpu: 'amd',
      firmware: 'bios',
    })
    expect(decideLaunchKind([...SKL, ...SINIT])).toMatchObject({ cpu: 'amd' })
    expect(decideLaunchKind(SINIT)).toEqual({ cpu: 'intel', firmware: 'bios' })
    expect(decideLaunchKind([])).toBeNull()
    expect(decideLaunchKind([event(17, 'x'), event(18)])).toBeNull()
  })

  it('by SKL is told by its three events together, first of the register and in their order', () => {
    const [skinit, offset, dlme] = SKL
    for (const events of [
      [skinit],
      [skinit, offset],
      [offset, dlme],
      [skinit, dlme],
      [offset, skinit, dlme],
      [skinit, dlme, offset],
      [event(17, 'x'), ...SKL],
      [event(17, '', 0x501), ...SKL],
      [event(17, 'SKINIT', 0x501), offset, dlme],
      [skinit, event(17, 'DLME entry offset', 0x501), dlme],
      [skinit, offset, event(17, 'DLME', 0x501)],
      [event(17, 'SKINIT '), offset, dlme],
      [skinit, offset, event(18, 'DLME')],
      SKL.map(({ data }) => event(18, data)),
    ])
      expect(decideLaunchKind(events)).toBeNull()
  })

  it.each([
    [0x400, null],
    [0x401, 'intel'],
    [0x40f, 'intel'],
    [0x501, null],
    [0x502, null],
    [3, null],
  ])('by SINIT is told by events of the type %i: %s', (type, cpu) => {
    expect(decideLaunchKind([event(17, '', type)])?.cpu ?? null).toBe(cpu)
  })

  it("on UEFI is told by Xen's measured command line", () => {
    for (const launched of [SKL, SINIT]) {
      expect(decideLaunchKind([...launched, XEN_LINE])?.firmware).toBe('uefi')
      for (const other of [
        event(17, "Xen's command line"),
        event(18, "Xen's command line", 0x501),
        event(18, 'another'),
        MODULE_LINE,
      ])
        expect(decideLaunchKind([...launched, other])?.firmware).toBe('bios')
    }
    expect(decideLaunchKind([XEN_LINE])).toBeNull()
  })
})

describe('what an extend is', () => {
  const [PLATFORM, MLE, OTHER, BOOT_INFO, INFO]: EventOrigin[] = [
    { kind: 'platform' },
    { kind: 'mle' },
    { kind: 'other' },
    { kind: 'boot-info' },
    { kind: 'launch-info' },
  ]
  const module = (moduleIndex: number): EventOrigin => ({ kind: 'module', moduleIndex })
  const line = (moduleIndex: number | null): EventOrigin => ({ kind: 'command-line', moduleIndex })
  const origins = (pairs: readonly (readonly [RawEvent, EventOrigin])[]) => {
    expect(decideOrigins(pairs.map(([one]) => one))).toEqual(pairs.map(([, origin]) => origin))
  }

  it('of an Intel on BIOS', () => {
    origins([
      [event(17, '', 0x402), PLATFORM!],
      [event(17, 'DLME', 0x403), PLATFORM!],
      [event(18, '', 0x404), MLE!],
      [event(17, '', 0x404), MLE!],
      [event(17, '', 0x501), OTHER!],
      [event(18, '', 0x501), OTHER!],
      [event(17, '', 0x503), OTHER!],
      [event(18), BOOT_INFO!],
      [event(18, 'Measured TXT OS-MLE data'), INFO!],
      [event(18), INFO!],
      [event(18), INFO!],
      [event(18, 'something'), OTHER!],
      [event(18, Uint8Array.of(1, 2)), OTHER!],
      [event(18, Uint8Array.of(0)), OTHER!],
      [event(18, 'MB module string'), OTHER!],
      [event(17, 'Measured MB2 module'), module(0)],
      [event(17, 'MB module'), module(1)],
      [event(17), module(2)],
      [event(17, 'something'), OTHER!],
      [event(17, Uint8Array.of(1, 2)), OTHER!],
      [event(17, 'Measured MB2 module\0'), module(3)],
      [event(19), OTHER!],
      [event(19, 'Measured MB2 module'), OTHER!],
      [event(19, 'Measured TXT OS-MLE data'), OTHER!],
    ])
  })

  it('of an AMD on BIOS', () => {
    origins([
      [event(18), BOOT_INFO!],
      [SKL[0], PLATFORM!],
      [SKL[1], { kind: 'mle-entry' }],
      [event(18), INFO!],
      [SKL[2], MLE!],
      [event(17), OTHER!],
      [event(17, 'DLME'), OTHER!],
      [event(17, 'Measured MB2 module'), module(0)],
      [event(17, 'Measured MB2 module'), module(1)],
    ])
  })

  it.each([
    ['an Intel', SINIT, [PLATFORM!, MLE!]],
    ['an AMD', SKL, [PLATFORM!, { kind: 'mle-entry' } as const, MLE!]],
  ])('of %s on UEFI', (_, launched, own) => {
    origins([
      ...launched.map((one, at) => [one, own[at]!] as const),
      [event(18), INFO!],
      [XEN_LINE, line(null)],
      [event(18), INFO!],
      [MODULE_LINE, line(0)],
      [event(17, 'MB module'), module(0)],
      [MODULE_LINE, line(1)],
      [event(17, 'MB module'), module(1)],
      [event(18, 'Measured TXT OS-MLE data'), INFO!],
      [event(18, 'something'), OTHER!],
      [event(18, Uint8Array.of(1, 2)), OTHER!],
    ])
  })

  it('of a launch that nobody wrote', () => {
    origins([
      [event(18), BOOT_INFO!],
      [event(17), module(0)],
      [event(17, 'SKINIT'), OTHER!],
      [event(17, 'Measured MB2 module'), module(1)],
      [XEN_LINE, OTHER!],
    ])
  })
})
