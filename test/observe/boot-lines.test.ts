import { describe, expect, it } from 'vitest'
import type { Baseline, Session } from '../../src/core/session/checkpoint.ts'
import type { AemDevice } from '../../src/observe/device/devices.ts'
import type { MachineFacts } from '../../src/observe/dom0/machine.ts'
import { areLinesSame, compareBootLines } from '../../src/observe/launch/boot-lines.ts'
import { aSession } from '../support/built-in.ts'

/** What a boot says of its command lines after the restart, against those that were recorded before it. */

const UUID = '6d2f1c8e-5b0a-4f0e-9a57-3f4c1f0a9d11'
const OTHER_UUID = 'b1f7e0aa-91c2-4a0b-8d57-77c2f3a0c4d2'
const KERNEL = `root=/dev/mapper/qubes_dom0-root ro rhgb quiet aem.uuid=${UUID}`
const XEN = 'console=none dom0_mem=min:1024M smt=off'
const BASELINE = { kernelCommandLine: KERNEL, xenCommandLine: XEN } as Baseline

const deviceOf = (uuid: string | null) => ({ uuid }) as AemDevice

function compare(
  now: { kernel?: string | null; xen?: string | null },
  changes: {
    session?: Session
    baseline?: Partial<Baseline>
    device?: AemDevice | null
    isTraced?: boolean
  } = {},
): readonly string[] {
  const machine = {
    kernelCommandLine: now.kernel === undefined ? KERNEL : now.kernel,
    xen: { commandLine: now.xen === undefined ? XEN : now.xen },
  } as MachineFacts
  const { session = aSession(), baseline = {}, device = deviceOf(UUID), isTraced = true } = changes
  return compareBootLines(session, { ...BASELINE, ...baseline } as Baseline, machine, device, isTraced)
}

/** A session whose prediction has these components, all of one register. */
function predicted(
  ...components: { role: string; commandLine: string | null; rule: string | null }[]
): Session {
  const pcr = {
    components: components.map(({ rule, ...one }) => ({ ...one, vouchedBy: { rule, why: '' } })),
  }
  return aSession({ prediction: { pcrs: [pcr] } as never })
}

describe('the command lines of a boot', () => {
  it('are those of the boot before, byte for byte', () => {
    expect(compare({})).toEqual([])
  })

  it.each([
    ['a word more', `${KERNEL} init=/bin/sh`, '+ init=/bin/sh'],
    ['a word less', KERNEL.replace(' quiet', ''), '- quiet'],
    [
      'another order',
      KERNEL.replace('rhgb quiet', 'quiet rhgb'),
      'the same words in another order, or other blanks',
    ],
    [
      'a further blank',
      KERNEL.replace('rhgb quiet', 'rhgb  quiet'),
      'the same words in another order, or other blanks',
    ],
    [
      'two words glued by U+00A0',
      KERNEL.replace('rhgb quiet', 'rhgb\u00a0quiet'),
      '+ rhgb\u00a0quiet, - rhgb, - quiet',
    ],
  ])("name what is other in the kernel's: %s", (_, kernel, words) => {
    expect(compare({ kernel })).toEqual([
      `the command line of the dom0 kernel (/proc/cmdline) is not the one that was expected: ${words}`,
    ])
  })

  it("name what is other in Xen's", () => {
    expect(compare({ xen: XEN.replace('smt=off', 'smt=on iommu=no') })).toEqual([
      'the command line of Xen (`xl info`) is not the one that was expected: + smt=on, + iommu=no, - smt=off',
    ])
  })

  it('name both, where both are other', () => {
    const said = compare({ kernel: `${KERNEL} x`, xen: `${XEN} y` })
    expect(said.map((text) => text.split(' (')[0])).toEqual([
      'the command line of the dom0 kernel',
      'the command line of Xen',
    ])
  })

  it('that cannot be read are told as that, and not as other ones', () => {
    expect(compare({ kernel: null, xen: null })).toEqual([
      'the command line of the dom0 kernel could not be compared: /proc/cmdline cannot be read',
      'the command line of Xen could not be compared: `xl info` cannot be read',
    ])
  })

  it('are not asked for where the boot before did not show them either', () => {
    const baseline = { kernelCommandLine: null, xenCommandLine: null }
    expect(compare({ kernel: `${KERNEL} x`, xen: 'x' }, { baseline })).toEqual([])
  })

  it('are asked for there all the same, where a register changed and nothing traces it', () => {
    const compared = (baseline: Partial<Baseline>) => compare({}, { baseline, isTraced: false })
    expect(compared({})).toEqual([])
    expect(compared({ kernelCommandLine: null })).toEqual([
      'the command line of the dom0 kernel could not be compared: nothing says what it was before',
    ])
    expect(compared({ xenCommandLine: null })).toEqual([
      'the command line of Xen could not be compared: nothing says what it was before',
    ])
  })

  it('have the placeholder of AEM, or not', () => {
    expect(compare({ kernel: `placeholder ${KERNEL}`, xen: `placeholder ${XEN}` })).toEqual([])
  })

  it('have what Xen adds for dom0 only for a word of its own', () => {
    const added = `${KERNEL} noapic`
    expect(compare({ kernel: added })).toHaveLength(1)
    const xen = `${XEN} noapic`
    expect(compare({ kernel: added, xen }, { baseline: { xenCommandLine: xen } })).toEqual([])
  })
})

describe('a line that was vouched for before the restart', () => {
  const NEW = `${XEN} iommu=no`

  it('is the one that is expected, whoever of the rules vouched for it', () => {
    for (const rule of ['accepted', 'packaged', 'unchanged', 'reproduced']) {
      const session = predicted({ role: 'xen', commandLine: `placeholder ${NEW}`, rule })
      expect(compare({ xen: NEW }, { session })).toEqual([])
      expect(compare({}, { session })).toEqual([expect.stringContaining('- iommu=no')])
    }
  })

  it('is none where nothing vouched for it: then it is that of the boot before', () => {
    const session = predicted({ role: 'xen', commandLine: NEW, rule: null })
    expect(compare({ xen: NEW }, { session })).toEqual([expect.stringContaining('+ iommu=no')])
    expect(compare({}, { session })).toEqual([])
  })

  it('is taken by its role, and each for itself', () => {
    const session = predicted(
      { role: 'mle', commandLine: 'logging=memory', rule: 'unchanged' },
      { role: 'kernel', commandLine: `${KERNEL} x`, rule: 'accepted' },
    )
    expect(compare({ kernel: `${KERNEL} x` }, { session })).toEqual([])
    expect(compare({}, { session })).toEqual([expect.stringContaining('- x')])
  })

  it('is that of the boot before where it is not known', () => {
    const session = predicted({ role: 'kernel', commandLine: null, rule: 'packaged' })
    expect(compare({}, { session })).toEqual([])
  })

  it('is that of the boot before where the session keeps the registers alone', () => {
    const session = aSession({ prediction: { pcrs: [{ index: 18, bank: 'sha256', predicted: 'aa' }] } })
    expect(compare({}, { session })).toEqual([])
    expect(compare({ xen: `${XEN} x` }, { session })).toEqual([expect.stringContaining('+ x')])
  })
})

describe('a boot from another AEM device of this machine', () => {
  const kernel = KERNEL.replace(UUID, OTHER_UUID)

  it('names that device, and is otherwise the same', () => {
    expect(compare({ kernel }, { device: deviceOf(OTHER_UUID) })).toEqual([])
    expect(compare({ kernel: `${kernel} x` }, { device: deviceOf(OTHER_UUID) })).toEqual([
      expect.stringContaining('+ x'),
    ])
  })

  it.each([
    ['is not known', null],
    ['is known without its UUID', deviceOf(null)],
    ['is another than the line names', deviceOf(UUID)],
  ])('is not the expected one where the device %s', (_, device) => {
    expect(compare({ kernel }, { device })).toEqual([expect.stringContaining(`+ aem.uuid=${OTHER_UUID}`)])
  })

  it("is no reason for another word in Xen's line", () => {
    const [before, now] = [UUID, OTHER_UUID].map((uuid) => `${XEN} aem.uuid=${uuid}`) as [string, string]
    const changes = { baseline: { xenCommandLine: before }, device: deviceOf(OTHER_UUID) }
    expect(compare({ kernel, xen: before }, changes)).toEqual([])
    expect(compare({ kernel, xen: now }, changes)).toEqual([
      expect.stringContaining(`+ aem.uuid=${OTHER_UUID}`),
    ])
  })

  it('says nothing of a line that names none', () => {
    const baseline = { kernelCommandLine: 'root=/dev/a' }
    expect(compare({ kernel: 'root=/dev/a' }, { baseline })).toEqual([])
  })
})

describe('areLinesSame', () => {
  const same = (kernel: string | null, xen: string | null, baseline: Partial<Baseline> = {}) =>
    areLinesSame({ ...BASELINE, ...baseline }, {
      kernelCommandLine: kernel,
      xen: { commandLine: xen },
    } as MachineFacts)

  it('compares both lines byte for byte', () => {
    expect(same(KERNEL, XEN)).toBe(true)
    expect(same(`${KERNEL} init=/bin/sh`, XEN)).toBe(false)
    expect(same(KERNEL, `${XEN} `)).toBe(false)
  })

  it('is not known where one of them is not, before or now', () => {
    expect(same(null, XEN)).toBeNull()
    expect(same(KERNEL, null)).toBeNull()
    expect(same(KERNEL, XEN, { kernelCommandLine: null })).toBeNull()
    expect(same(KERNEL, XEN, { xenCommandLine: null })).toBeNull()
    // Not even where the other one differs.
    expect(same(`${KERNEL} init=/bin/sh`, null)).toBeNull()
  })
})
