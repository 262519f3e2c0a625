import { describe, expect, it } from 'vitest'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { CATALOGUE } from '../../src/core/bulletin/catalogue-data.ts'
import { seal } from '../../src/host/simulated/aem.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { INTERNAL, installKernel, NEW_XEN, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { goodMachine, INITRAMFS, isSecretShown, NEXT_XEN, put, update } from '../support/approved-machine.ts'
import { type, typeCancel, typeJson, typeResume, typeStart } from '../support/at-terminal.ts'
import { edit, editEntries, sealedFiles } from '../support/attack.ts'
import { machineOf } from '../support/built-in.ts'

/* From `start` to the restart: whatever changes in between is seen, and told as what it is after it. */

const NEXT_KERNEL = '6.6.42-1.qubes.fc37.x86_64'
const UNFIT = 'the forward seal no longer fits: `aem-reseal cancel`, then `aem-reseal start`'

type Found = {
  state: string
  changes: { code: string; what: string }[]
  notCompared: string[]
} | null

/** The update is installed and sealed forward; dom0 waits for its restart. */
async function prepared(protect = 'forward-seal', machine = goodMachine()): Promise<SimMachine> {
  if (protect === 'hold')
    await type(['gate', 'install'], makeSimulatedHost(machine), {
      'install-drop-in': 'yes',
    })
  update(machine, NEW_XEN)
  const started = await typeStart(makeSimulatedHost(machine), protect)
  expect(started.exit, started.said).toBe(3)
  return machine
}

const status = async (machine: SimMachine) => {
  const { answer } = await typeJson<{
    session: { prepared?: Found }
    next: { command: string; why: string }
  }>(['status'], makeSimulatedHost(machine))
  return { found: answer.session.prepared ?? null, next: answer.next }
}

const explain = (machine: SimMachine) =>
  typeJson<{ verdict: string; reasons: { code: string; what: string }[]; prepared: Found }>(
    ['explain'],
    makeSimulatedHost(machine),
  )

const isOpen = async (machine: SimMachine) =>
  (await makeDirectoryStore(makeSimulatedHost(machine), DEFAULT_STATE_DIR).load()) !== null

function secondKernel(machine: SimMachine): void {
  machine.nowMs += 3600_000
  installKernel(machine, NEXT_KERNEL)
  machine.nowMs += 3600_000
}

type Change = readonly [what: string, change: (machine: SimMachine) => void, code: string, named: RegExp]

const CHANGES: readonly Change[] = [
  ['a second kernel', secondKernel, 'package', /kernel 1000:6\.6\.42-1\.qubes\.fc37 was installed since/],
  ['a second Xen', (machine) => update(machine, NEXT_XEN), 'package', /xen-hypervisor .*-5\.fc37/],
  [
    'a Xen image that no package brought, with the previous times',
    (machine) => put(machine, XEN_IMAGE, changeOneByte),
    'boot-file',
    /\/xen-4\.17\.4\.gz changed/,
  ],
  [
    'another initramfs',
    (machine) => put(machine, INITRAMFS, (old) => Buffer.concat([old, Buffer.from('evil')])),
    'boot-file',
    /initramfs.* changed/,
  ],
  [
    'another command line in grub.cfg',
    (machine) => editEntries(machine, (entry) => entry.replace(/placeholder/g, 'placeholder init=/evil')),
    'boot-entry',
    /entry of grub\.cfg that boots next/,
  ],
  [
    'another SEAL',
    (machine) =>
      machine.dom0.set('/etc/anti-evil-maid.conf', {
        bytes: Buffer.from('SEAL="--pcr 17 --pcr 18 --pcr 19"\n'),
        mtimeMs: machine.nowMs,
      }),
    'selection',
    /SEAL .* takes PCR 17, 18, 19, not 13, 17, 18, 19/,
  ],
  [
    'another LUKS header',
    (machine) => {
      machine.luksHeader = Buffer.from('a header with another key slot')
    },
    'luks-header',
    /a LUKS header changed/,
  ],
  ["AEM's own seal", (machine) => void seal(machine), 'sealed-files', /AEM's sealed files are others/],
]

describe('before the restart, sealed forward', () => {
  it('a second kernel: `cancel`, then `start` seals forward to both updates, and the first boot shows the secret', async () => {
    const machine = await prepared()
    secondKernel(machine)
    expect((await typeCancel(makeSimulatedHost(machine))).exit).toBe(0)
    const started = await typeStart(makeSimulatedHost(machine), 'forward-seal')
    expect(started.exit, started.said).toBe(3)
    expect(started.said).toContain('sealed to the predicted registers')
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
    const resumed = await typeResume(makeSimulatedHost(machine))
    expect(resumed.exit, resumed.said).toBe(0)
  })

  it('all is as it was prepared for: nothing is said, and `resume` waits', async () => {
    const machine = await prepared()
    const { found, next } = await status(machine)
    expect(found).toEqual({ state: 'fits', changes: [], notCompared: [] })
    expect(next.command).toBe('aem-reseal resume')
    const resumed = await typeResume(makeSimulatedHost(machine))
    expect(resumed.exit).toBe(3)
    expect(resumed.said).toContain('everything is ready for the restart')
    const { exit, answer } = await explain(machine)
    expect(exit).toBe(0)
    expect(answer).toMatchObject({ verdict: 'unchanged', prepared: { state: 'fits' } })
    expect(answer.reasons.map(({ code }) => code)).toEqual(['not-restarted'])
  })

  it.each(CHANGES)('%s is seen by all who look', async (_what, change, code, named) => {
    const machine = await prepared()
    change(machine)
    const { found, next } = await status(machine)
    expect(found?.state).toBe('outdated')
    expect(found?.changes.map((one) => one.code)).toContain(code)
    expect(found?.changes.map(({ what }) => what).join('; ')).toMatch(named)
    expect(next.command).toBe('aem-reseal cancel')
    expect(next.why).toContain(UNFIT)
    const shown = await type(['status'], makeSimulatedHost(machine))
    expect(shown.said).toContain(UNFIT)
    const devices = await typeJson<{ prepared: Found }>(['devices'], makeSimulatedHost(machine))
    expect(devices.answer.prepared).toEqual(found)
    const said = await type(['devices'], makeSimulatedHost(machine))
    expect(said.said).toContain('the forward seal no longer fits')
    const explained = await explain(machine)
    expect(explained.exit).toBe(1)
    expect(explained.answer.verdict).toBe('unchanged')
    expect(explained.answer.prepared).toEqual(found)
    const told = await type(['explain'], makeSimulatedHost(machine))
    expect(told.said).toContain(UNFIT)
    expect(told.said).not.toContain('consistent')
  })

  it.each(CHANGES)('%s: `resume --yes` ends with 1 and changes nothing', async (_what, change) => {
    const machine = await prepared()
    change(machine)
    const before = sealedFiles(machine)
    const { exit, answer } = await typeJson<{ outcome: string; steps: { id: string }[] }>(
      ['resume'],
      makeSimulatedHost(machine),
    )
    expect(exit).toBe(1)
    expect(answer.outcome).toBe('forward-seal-outdated')
    expect(answer.steps.map(({ id }) => id)).toEqual(['check-prepared'])
    expect(sealedFiles(machine)).toEqual(before)
    expect(await isOpen(machine)).toBe(true)
    const said = await typeResume(makeSimulatedHost(machine))
    expect(said.said).toContain(UNFIT)
    expect(said.said).not.toContain('ready for the restart')
  })

  it('a person who says no changes nothing either', async () => {
    const machine = await prepared()
    secondKernel(machine)
    const before = sealedFiles(machine)
    const resumed = await typeResume(makeSimulatedHost(machine), { 'begin-anew': 'no' })
    expect(resumed).toMatchObject({ exit: 1, asked: ['begin-anew'] })
    expect(sealedFiles(machine)).toEqual(before)
  })

  it.each(CHANGES.slice(1, 2))(
    '%s: a person starts over, and the first boot shows the secret',
    async (_what, change) => {
      const machine = await prepared()
      change(machine)
      const again = await typeResume(
        { ...makeSimulatedHost(machine), catalogue: CATALOGUE },
        { 'begin-anew': 'yes' },
      )
      expect(again.exit, again.said).toBe(3)
      // What was answered for the other boot is asked again.
      expect(again.asked).toEqual(['begin-anew', 'bulletin', 'protection', 'restart'])
      expect((await status(machine)).found?.state).toBe('fits')
      restartMachine(machine)
      expect(isSecretShown(machine)).toBe(true)
      const done = await typeResume(makeSimulatedHost(machine))
      expect(done.exit, done.said).toBe(0)
    },
  )

  it('`cancel`, then `start` does the same', async () => {
    const machine = await prepared()
    update(machine, NEXT_XEN)
    expect((await typeCancel(makeSimulatedHost(machine))).exit).toBe(0)
    expect((await typeStart(makeSimulatedHost(machine), 'forward-seal')).exit).toBe(3)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
    expect((await typeResume(makeSimulatedHost(machine))).exit).toBe(0)
  })

  it('a stick that is not plugged in is not compared, and that is said', async () => {
    const machine = await prepared('forward-seal', stickMachine())
    findDevice(machine, STICK.uuid)!.isPresent = false
    const { found } = await status(machine)
    expect(found).toMatchObject({ state: 'not-compared', changes: [] })
    expect(found?.notCompared).toEqual(['what aem.stick carries: it is not plugged in'])
    const resumed = await typeResume(makeSimulatedHost(machine))
    expect(resumed.exit).toBe(3)
    expect(resumed.said).not.toContain('ready for the restart')
  })

  it('a seal of another device takes the one slot of TPM 2.0', async () => {
    const machine = await prepared('forward-seal', machineOf('two-devices'))
    machine.bootDevice = STICK.uuid
    seal(machine)
    machine.bootDevice = INTERNAL.uuid
    const { found } = await status(machine)
    expect(found?.changes.map(({ code }) => code)).toEqual(['freshness-slot'])
  })
})

/** dom0 boots from a stick, which carries the update. */
function stickMachine(): SimMachine {
  const machine = machineOf('two-devices')
  machine.bootDevice = STICK.uuid
  restartMachine(machine)
  restartMachine(machine)
  return machine
}

describe.each([
  ['hold', 'what the gate was told of the next boot no longer fits'],
  ['plain', 'what was recorded for the next boot no longer fits'],
])('before the restart, on the way %s', (way, words) => {
  it('a second kernel is seen, in words of its own', async () => {
    const machine = await prepared(way)
    expect((await status(machine)).found?.state).toBe('fits')
    secondKernel(machine)
    const { answer } = await typeJson<{ outcome: string }>(['resume'], makeSimulatedHost(machine))
    expect(answer.outcome).toBe('prediction-outdated')
    const resumed = await typeResume(makeSimulatedHost(machine))
    expect(resumed.exit).toBe(1)
    expect(resumed.said).toContain(words)
    expect(resumed.said).not.toContain('forward seal')
    expect((await status(machine)).next.why).toContain(words)
  })
})

const FALSE_ALARM = /prediction was wrong|could not be compared|UNEXPLAINED|sealed for this state/

describe.each(['forward-seal', 'plain'])('restarted all the same, on the way %s', (way) => {
  it.each([
    ['a kernel', secondKernel, /kernel 1000:6\.6\.42.*\(before: 1000:6\.6\.36/],
    [
      'another Xen',
      (machine: SimMachine) => update(machine, NEXT_XEN),
      /xen-hypervisor .*-5\.fc37 \(before:/,
    ],
  ] as const)('%s of a signed package is told as that, and explained', async (_what, change, named) => {
    const machine = await prepared(way)
    change(machine)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(false)
    const { exit, answer } = await explain(machine)
    expect(
      answer.reasons
        .filter(({ code }) => code === 'changed-after-start')
        .map(({ what }) => what)
        .join(),
    ).toMatch(named)
    expect(answer.verdict, JSON.stringify(answer.reasons)).toBe('explained')
    expect(exit).toBe(0)
    const resumed = await typeResume(makeSimulatedHost(machine))
    expect(resumed.exit, resumed.said).toBe(3)
    expect(resumed.said).toContain('signed packages that came after `start`')
    expect(resumed.said).not.toMatch(FALSE_ALARM)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
    const done = await typeResume(makeSimulatedHost(machine))
    expect(done.exit, done.said).toBe(0)
  })

  it('a kernel after the restart, before `resume`: this boot is as predicted, and the update waits', async () => {
    const machine = await prepared(way)
    restartMachine(machine)
    secondKernel(machine)
    const resumed = await typeResume(makeSimulatedHost(machine))
    expect(resumed.exit, resumed.said).toBe(way === 'plain' ? 3 : 0)
    expect(resumed.said).not.toMatch(FALSE_ALARM)
  })

  it.each([
    ['a byte of Xen', (machine: SimMachine) => put(machine, XEN_IMAGE, changeOneByte)],
    [
      'a byte of the new kernel',
      (machine: SimMachine) =>
        put(machine, `vmlinuz-${NEXT_KERNEL}`, (old) => Buffer.concat([old, Buffer.from('x')])),
    ],
    [
      'the new initramfs',
      (machine: SimMachine) =>
        put(machine, `initramfs-${NEXT_KERNEL}.img`, (old) => Buffer.concat([old, Buffer.from('evil')])),
    ],
    [
      'the command line of the kernel',
      (machine: SimMachine) =>
        editEntries(machine, (entry) => entry.replace(/placeholder/g, 'placeholder init=/evil')),
    ],
    [
      'what Xen hands on, which `xl info` does not show',
      (machine: SimMachine) =>
        edit(machine, INTERNAL.uuid, '/grub2/grub.cfg', (text) =>
          text.replace(/(xen-4\.17\.4\.gz\s+placeholder[^\n]*)/g, '$1 -- init=/evil'),
        ),
    ],
    [
      'a signature that no known key made',
      (machine: SimMachine) => {
        machine.packages = machine.packages.map((one) =>
          one.evr.includes('6.6.42') ? { ...one, keyId: '0123456789abcdef' } : one,
        )
      },
    ],
    [
      'the SINIT module',
      (machine: SimMachine) => put(machine, 'SINIT.BIN', (old) => Buffer.concat([old, Buffer.from('x')])),
    ],
  ])('an evil twin: behind an honest kernel also %s changed', async (_what, harm) => {
    const machine = await prepared(way)
    secondKernel(machine)
    harm(machine)
    restartMachine(machine)
    const { exit, answer } = await explain(machine)
    expect(answer.verdict).toBe('unexplained')
    expect(exit).toBe(4)
    const resumed = await typeResume(makeSimulatedHost(machine))
    expect(resumed.exit).toBe(4)
    expect(resumed.said).toContain('UNEXPLAINED')
  })

  it('an evil twin: a kernel that came with no package', async () => {
    const machine = await prepared(way)
    secondKernel(machine)
    machine.packages = machine.packages.filter(({ evr }) => !evr.includes('6.6.42'))
    restartMachine(machine)
    expect((await explain(machine)).exit).toBe(4)
  })
})

describe("after AEM's own seal replaced the forward seal, and a restart all the same", () => {
  it('every register is as predicted, and the prediction is not blamed', async () => {
    const machine = await prepared()
    seal(machine)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(false)
    const resumed = await typeResume(makeSimulatedHost(machine))
    expect(resumed.exit, resumed.said).toBe(3)
    expect(resumed.said).toContain('every register is as predicted')
    expect(resumed.said).not.toMatch(FALSE_ALARM)
    restartMachine(machine)
    expect((await typeResume(makeSimulatedHost(machine))).exit).toBe(0)
  })

  it('an evil twin: another Xen booted too, and that is an alarm', async () => {
    const machine = await prepared()
    seal(machine)
    put(machine, XEN_IMAGE, changeOneByte)
    restartMachine(machine)
    const resumed = await typeResume(makeSimulatedHost(machine))
    expect(resumed.exit).toBe(4)
    expect(resumed.said).not.toContain('every register is as predicted')
    expect(resumed.said).toContain('the prediction was wrong, or what booted is not what was checked')
  })
})
