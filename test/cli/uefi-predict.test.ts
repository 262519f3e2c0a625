import { describe, expect, it } from 'vitest'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { observeBootDevice } from '../../src/observe/device/boot-device.ts'
import { findBootedDevice, observeDevices } from '../../src/observe/device/devices.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { observePrediction } from '../../src/observe/launch/prediction.ts'
import { ALGORITHMS, registersOf } from '../core/launch/tcg-writer.ts'
import { ANSWERS } from '../support/answers.ts'
import { runMain } from '../support/io.ts'
import type { RecordedDom0 } from '../support/recorded-machine.ts'
import { eventsOf } from '../support/trenchboot-launch.ts'
import {
  configurationOf,
  ESP,
  KERNEL_LINE,
  type UefiParts,
  uefiDom0,
  uefiLaunch,
  XEN_LINE,
} from '../support/uefi-dom0.ts'

const NEXT_RELEASE = '6.6.40-1.qubes.fc37.x86_64'

async function predict(parts: UefiParts = {}, machine: RecordedDom0 = uefiDom0(parts)) {
  const run = await runMain(['predict', '--json', '--machine', machine.write()])
  const answer = ANSWERS.predict.parse(run.json)
  const row = (index: number) => answer.pcrs.find((pcr) => pcr.index === index)!
  return { answer, code: row(17), data: row(18) }
}

async function look(parts: UefiParts) {
  const host = await makeRecordedHost(uefiDom0(parts).write())
  return observePrediction(observeDom0(host), [17, 18])
}

async function checks(parts: UefiParts) {
  const host = await makeRecordedHost(uefiDom0(parts).write())
  const facts = await observeMachine(host)
  const device = findBootedDevice(await observeDevices(host, facts), facts.aemUuid)
  const found = await observeBootDevice(observeDom0(host), device, null)
  return found.checks.map(({ role, path, state }) => `${role} ${path} ${state}`)
}

describe.each(['amd-uefi', 'intel-uefi'] as const)('a machine launched on UEFI, %s', (kind) => {
  it('has PCR 17 refused with its reason, and PCR 18 predicted from the strings', async () => {
    const { answer, code, data } = await predict({ kind })
    expect(answer.calibrated).toBe(true)
    expect(code).toMatchObject({ predicted: null, code: 'trenchboot-mle' })
    expect(code.reason).toContain('after its own EFI part ran')
    const pcrs = registersOf(eventsOf(uefiLaunch({ kind })), ALGORITHMS.slice(0, 2))
    expect(data.predicted).toBe(pcrs.sha256![18])
    expect(data.components.map(({ role, path, changed }) => [role, path, changed])).toEqual([
      ['xen', '/efi/EFI/qubes/xen-4.17.4.efi', false],
      ['kernel', '/efi/EFI/qubes/aem-vmlinuz-6.6.36-1.qubes.fc37.x86_64', false],
      ['initramfs', '/efi/EFI/qubes/aem-initramfs-6.6.36-1.qubes.fc37.x86_64.img', false],
    ])
    expect(data.vouched).toBe(true)
    // The register says nothing of the files.
    for (const { vouchedBy } of data.components) expect(vouchedBy?.why).not.toContain('bytes')
    expect(answer.unvouched).toEqual([])
  })

  it('is never fully predicted, so no forward seal is made', async () => {
    expect((await look({ kind })).outcome).not.toBe('complete')
  })

  it('has all files that boot next checked, those of the EFI system partition too', async () => {
    const found = await checks({ kind })
    expect(found.filter((one) => one.includes('/efi/'))).toEqual([
      `xen ${ESP}/xen-4.17.4.efi current`,
      `kernel ${ESP}/aem-vmlinuz-6.6.36-1.qubes.fc37.x86_64 current`,
      `initramfs ${ESP}/aem-initramfs-6.6.36-1.qubes.fc37.x86_64.img current`,
    ])
    expect(found.at(-1)).toBe('grub.cfg /boot/grub2/grub.cfg current')
  })
})

describe('files of the EFI system partition', () => {
  it('of a kernel that is not installed are compared with nothing', async () => {
    const found = await checks({
      esp: {
        'aem-vmlinuz-6.1.1-1.qubes.fc37.x86_64': 'MZ old',
        'aem-initramfs-6.1.1-1.qubes.fc37.x86_64.img': 'old',
      },
    })
    expect(found.join()).not.toContain('6.1.1-1')
  })
})

describe('what somebody else wrote on the EFI system partition', () => {
  it.each<[string, UefiParts, string]>([
    ["Xen's options", { configuration: configurationOf(`${XEN_LINE} iommu=no`) }, '+ iommu=no'],
    [
      'what Xen hands on to the kernel',
      { configuration: configurationOf(`${XEN_LINE} -- systemd.run=/boot/evil`) },
      '+ systemd.run=/boot/evil',
    ],
    [
      "the kernel's options",
      { configuration: configurationOf(XEN_LINE, `${KERNEL_LINE} init=/bin/sh`) },
      '+ init=/bin/sh',
    ],
    [
      'a character that glues words',
      { configuration: configurationOf(`${XEN_LINE}\u00a0smt=off`) },
      'not printable ASCII',
    ],
    [
      'microcode of its own',
      { configuration: configurationOf(XEN_LINE, KERNEL_LINE, undefined, '    ucode=evil\n') },
      'sets "ucode"',
    ],
    [
      'a security module',
      { configuration: configurationOf(XEN_LINE, KERNEL_LINE, undefined, '    xsm=evil\n') },
      'sets "xsm"',
    ],
    [
      'a section for all',
      { configuration: `${configurationOf()}[global]\nucode=evil\n` },
      'section "global"',
    ],
    [
      'another file name',
      { configuration: configurationOf().replace('kernel=aem-', 'kernel=..\\') },
      'names the file',
    ],
    [
      'a copy of another name',
      { configuration: configurationOf().replace('kernel=aem-', 'kernel=') },
      'stands where the dom0 kernel belongs',
    ],
    ['no configuration', { esp: { 'xen-4.17.4.cfg': null } }, 'could not be read'],
    ['no section of that name', { section: 'vmlinuz-6.1' }, 'has no section vmlinuz-6.1'],
    [
      'another kernel under its name',
      { esp: { 'aem-vmlinuz-6.6.36-1.qubes.fc37.x86_64': 'MZ evil\n' } },
      'is not the file of kernel-latest',
    ],
    [
      'another initramfs',
      { esp: { 'aem-initramfs-6.6.36-1.qubes.fc37.x86_64.img': 'evil' } },
      'makes it again and compares',
    ],
  ])('is told, and nothing vouches for it: %s', async (_, parts, words) => {
    const { outcome, unvouched } = await look(parts)
    expect(outcome).toBe('unvouched')
    expect(unvouched.join('\n')).toContain(words)
  })

  it('is refused where the chainloader is not as the script writes it, and nothing is read for it', async () => {
    const { outcome, prediction, unvouched } = await look({
      section: 'vmlinuz-6.6.36-1.qubes.fc37.x86_64 more',
    })
    expect(outcome).not.toBe('complete')
    expect(prediction.pcrs.find(({ index }) => index === 18)?.predicted).toBeNull()
    expect(unvouched.join()).toContain('chainloader stands there as no script writes it')
  })

  it.each<[string, UefiParts, string]>([
    ['xen.efi', { esp: { 'xen-4.17.4.efi': 'MZ evil' } }, `xen ${ESP}/xen-4.17.4.efi changed`],
    [
      'the kernel',
      { esp: { 'aem-vmlinuz-6.6.36-1.qubes.fc37.x86_64': 'MZ evil' } },
      `kernel ${ESP}/aem-vmlinuz-6.6.36-1.qubes.fc37.x86_64 changed`,
    ],
    [
      'an initramfs that dracut made again since',
      { esp: { 'aem-initramfs-6.6.36-1.qubes.fc37.x86_64.img': 'older' } },
      `initramfs ${ESP}/aem-initramfs-6.6.36-1.qubes.fc37.x86_64.img stale`,
    ],
    [
      'no kernel',
      { esp: { 'aem-vmlinuz-6.6.36-1.qubes.fc37.x86_64': null } },
      `kernel ${ESP}/aem-vmlinuz-6.6.36-1.qubes.fc37.x86_64 absent`,
    ],
    [
      'no initramfs',
      { esp: { 'aem-initramfs-6.6.36-1.qubes.fc37.x86_64.img': null } },
      `initramfs ${ESP}/aem-initramfs-6.6.36-1.qubes.fc37.x86_64.img absent`,
    ],
  ])('is not current: %s', async (_, parts, line) => {
    expect(await checks(parts)).toContain(line)
  })
})

describe('where a line differs and nothing is sealed to it', () => {
  it('where Xen prints is no reason to stop: hold and plain go on', async () => {
    const boot = { xen: 'placeholder console=com1', kernel: KERNEL_LINE }
    const { outcome, unvouched } = await look({
      boot,
      esp: { 'aem-vmlinuz-6.6.36-1.qubes.fc37.x86_64': 'other' },
    })
    expect(unvouched.join('\n')).not.toContain('command line')
    expect(outcome).toBe('unvouched')
    expect((await look({ boot })).prediction.pcrs.find(({ index }) => index === 18)?.predicted).toBeNull()
  })
})

describe('a section that is not the first one', () => {
  const both = `${configurationOf(XEN_LINE, KERNEL_LINE, NEXT_RELEASE)}${configurationOf()}`

  it('leaves PCR 18 unpredicted, as GRUB decides whether Xen is told its name', async () => {
    const { data } = await predict({ configuration: both })
    expect(data).toMatchObject({ predicted: null, code: 'trenchboot-command-line' })
    expect(data.reason).toContain("depends on GRUB's version")
  })
})
