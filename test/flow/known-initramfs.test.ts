import { crc32, deflateRawSync, gunzipSync } from 'node:zlib'
import { beforeEach, describe, expect, it } from 'vitest'
import { forwardDevice, refreshDevice } from '../../flows/devices.ts'
import { findLedgerDevice } from '../../src/core/session/device-ledger.ts'
import { INTERNAL, installKernel, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { KERNEL_RELEASE, type SimMachine, sha256 } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { ANSWERS } from '../support/answers.ts'
import {
  approvedMachine,
  isSecretShown,
  loadLedger,
  NEXT_XEN,
  INITRAMFS as ON_BOOT,
  put,
  update,
} from '../support/approved-machine.ts'
import { runMain } from '../support/io.ts'
import { boot, filesOf, runOnStick, twoDevices, updateMicrocode } from '../support/two-devices.ts'
import { verifyNow } from '../support/verify-now.ts'

/* What an approved boot measured is known. It must not vouch for what another boot makes of the same file, nor for an old one. */

const GRUB = '/grub2/grub.cfg'
const INITRAMFS = `/initramfs-${KERNEL_RELEASE}.img`
const HOUR_MS = 3600 * 1000
const EVIL = Buffer.from('070701 an evil cpio archive')

/**
 * A gzip file that GRUB unpacks to `honest` (it skips the extra field, RFC 1952, 2.3.1.1). Linux does not know that field
 * (lib/decompress_inflate.c): of the file as it is stored it unpacks `evil`, which lies in it as deflate data.
 */
function twoFaced(honest: Uint8Array, evil: Uint8Array): Buffer {
  const extra = deflateRawSync(evil)
  const head = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3, extra.length & 255, extra.length >> 8])
  const end = Buffer.alloc(8)
  end.writeUInt32LE(crc32(honest), 0)
  end.writeUInt32LE(honest.length, 4)
  return Buffer.concat([head, extra, deflateRawSync(honest), end])
}

/** `module --nounzip`: GRUB hands the file over as it is stored. */
function handOverPacked(grubConfig: Uint8Array): Buffer {
  const text = Buffer.from(grubConfig).toString()
  const changed = text.replaceAll(/(module\s+)(\/initramfs-)/g, '$1--nounzip $2')
  expect(changed).not.toBe(text)
  return Buffer.from(changed)
}

/** All that is said of this boot, without a session. */
async function judge(machine: SimMachine) {
  const host = makeSimulatedHost(machine)
  const { exit: explain } = await runMain(['explain', '--ascii'], { host })
  const { exit: verify } = await runMain(['verify', '--ascii'], { host })
  const status = ANSWERS.status.parse((await runMain(['status', '--json'], { host })).json)
  return { explain, verify, status: status.sinceApproved?.state }
}

async function sealForward(machine: SimMachine) {
  const { outcomes } = await runOnStick(machine, forwardDevice)
  const isSealed = outcomes.includes('forward-seal: sealed')
  boot(machine, STICK.uuid)
  return { isSealed, isShown: isSecretShown(machine) }
}

const REFUSED = { isSealed: false, isShown: false }

let machine: SimMachine

describe('an initramfs that GRUB unpacked', () => {
  it('gets no forward seal where it is handed over packed', async () => {
    machine = await twoDevices()
    await runOnStick(machine, refreshDevice)
    expect((await runOnStick(machine, forwardDevice)).outcomes).toContain('forward-seal: sealed')
    const stick = filesOf(machine, STICK.uuid)
    const { bytes } = stick.get(INITRAMFS)!
    const honest = bytes[0] === 0x1f ? gunzipSync(bytes) : bytes
    stick.set(INITRAMFS, { bytes: twoFaced(honest, EVIL), mtimeMs: machine.nowMs })
    boot(machine, STICK.uuid)
    expect(isSecretShown(machine)).toBe(true)
    await verifyNow(machine)
    const known = findLedgerDevice(await loadLedger(machine), 'aem.stick').knownFiles
    expect(known.map((file) => file.sha256)).not.toContain(sha256(stick.get(INITRAMFS)!.bytes))
    stick.set(GRUB, { bytes: handOverPacked(stick.get(GRUB)!.bytes), mtimeMs: machine.nowMs })
    for (let time = 0; time < 2; time++) boot(machine, INTERNAL.uuid)
    expect(await sealForward(machine)).toEqual(REFUSED)
  })

  it('is unexplained where it is handed over packed', async () => {
    machine = await approvedMachine()
    put(machine, ON_BOOT, (old) => twoFaced(old, EVIL))
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
    expect((await runMain(['verify'], { host: makeSimulatedHost(machine) })).exit).toBe(0)
    update(machine, NEXT_XEN)
    put(machine, 'grub2/grub.cfg', handOverPacked)
    restartMachine(machine)
    expect(machine.booted?.initramfs?.image[0]).toBe(0x1f)
    expect(await judge(machine)).toEqual({ explain: 4, verify: 1, status: 'unexplained' })
  })
})

describe('an initramfs of earlier packages', () => {
  beforeEach(async () => {
    machine = await twoDevices()
    await runOnStick(machine, refreshDevice)
    expect((await runOnStick(machine, forwardDevice)).outcomes).toContain('forward-seal: sealed')
    boot(machine, STICK.uuid)
    expect(isSecretShown(machine)).toBe(true)
  })

  const approveInternal = async () => {
    for (let time = 0; time < 2; time++) boot(machine, INTERNAL.uuid)
    await verifyNow(machine, { approve: true })
  }
  /** So that its date does not speak against it. */
  const putWithNewDate = (bytes: Uint8Array) =>
    filesOf(machine, STICK.uuid).set(INITRAMFS, { bytes, mtimeMs: machine.nowMs + 24 * HOUR_MS })

  it('is none of those that came before `verify`', async () => {
    const old = filesOf(machine, STICK.uuid).get(INITRAMFS)!
    updateMicrocode(machine)
    await verifyNow(machine)
    await approveInternal()
    putWithNewDate(old.bytes)
    expect(await sealForward(machine)).toEqual(REFUSED)
  })

  it('becomes none of the new ones by a boot that missed the update', async () => {
    await verifyNow(machine)
    const old = filesOf(machine, STICK.uuid).get(INITRAMFS)!
    updateMicrocode(machine)
    await approveInternal()
    for (let time = 0; time < 2; time++) boot(machine, STICK.uuid)
    await verifyNow(machine)
    await approveInternal()
    putWithNewDate(old.bytes)
    expect(await sealForward(machine)).toEqual(REFUSED)
  })

  it('vouches while the packages are the same', async () => {
    await verifyNow(machine)
    for (let time = 0; time < 2; time++) boot(machine, INTERNAL.uuid)
    expect(await sealForward(machine)).toEqual({ isSealed: true, isShown: true })
  })

  describe('and a state that the stick was sealed forward from', () => {
    let before: Map<string, { bytes: Uint8Array; mtimeMs: number }>
    beforeEach(async () => {
      await verifyNow(machine)
      before = new Map(filesOf(machine, STICK.uuid))
      updateMicrocode(machine)
      await approveInternal()
      expect((await runOnStick(machine, refreshDevice)).exit).toBe(0)
      expect((await runOnStick(machine, forwardDevice)).outcomes).toContain('forward-seal: sealed')
      filesOf(machine, STICK.uuid).delete('/tboot.gz')
      expect((await runOnStick(machine, refreshDevice)).outcomes).toContain('refresh-device: refreshed')
    })

    it('is no approved one again after a refresh', async () => {
      for (const [path, file] of before)
        filesOf(machine, STICK.uuid).set(path, { ...file, mtimeMs: machine.nowMs + 999 * HOUR_MS })
      for (let time = 0; time < 2; time++) boot(machine, STICK.uuid)
      expect(isSecretShown(machine)).toBe(true)
      expect(await judge(machine)).toMatchObject({ explain: 4, status: 'unexplained' })
    })

    it('is left behind by what it was sealed forward to', async () => {
      boot(machine, STICK.uuid)
      expect(await judge(machine)).toMatchObject({ explain: 0, status: 'same' })
    })

    it('is no measure any more once a further update was approved on the other device', async () => {
      update(machine, NEXT_XEN)
      await approveInternal()
      expect((await runOnStick(machine, refreshDevice)).outcomes).toContain('refresh-device: refreshed')
      boot(machine, STICK.uuid)
      expect(await judge(machine)).toMatchObject({ explain: 0, status: 'same' })
    })
  })
})

describe('of two kernels that came since', () => {
  const [older, newer] = ['6.6.40-1.qubes.fc37.x86_64', '6.6.42-1.qubes.fc37.x86_64']
  beforeEach(async () => {
    machine = await twoDevices()
    await runOnStick(machine, refreshDevice)
    await runOnStick(machine, forwardDevice)
    boot(machine, STICK.uuid)
    await verifyNow(machine)
    for (const kernel of [older, newer]) {
      machine.nowMs += HOUR_MS
      installKernel(machine, kernel)
      machine.nowMs += HOUR_MS
      await runOnStick(machine, refreshDevice)
    }
  })

  it('the older one is unexplained', async () => {
    const text = Buffer.from(filesOf(machine, STICK.uuid).get(GRUB)!.bytes).toString()
    const entries = [...text.matchAll(/menuentry 'AEM [\s\S]*?\n\s*\}/g)].map(([entry]) => entry)
    const entry = entries.find((one) => one.includes(older))!.replace(/'AEM [^']*'/, "'Old'")
    const custom = Buffer.from(`${entry}\nset default="Old"\n`)
    filesOf(machine, STICK.uuid).set('/grub2/custom.cfg', { bytes: custom, mtimeMs: machine.nowMs })
    boot(machine, STICK.uuid)
    expect(Buffer.from(machine.booted!.kernel.image).toString('latin1')).toContain(older)
    expect(await judge(machine)).toEqual({ explain: 4, verify: 1, status: 'unexplained' })
  })

  it('the newer one is explained', async () => {
    boot(machine, STICK.uuid)
    expect(await judge(machine)).toMatchObject({ explain: 0, status: 'explained' })
  })
})

it('a stick that boots none of its AEM entries is brought up to date again', async () => {
  machine = await twoDevices()
  await runOnStick(machine, refreshDevice)
  expect((await runOnStick(machine, refreshDevice)).outcomes).toContain('check-refresh: current')
  const { bytes } = filesOf(machine, STICK.uuid).get(GRUB)!
  const evil = `menuentry 'Evil' { linux /vmlinuz-${KERNEL_RELEASE} init=/evil }\nset default='Evil'\n`
  const changed = Buffer.concat([bytes, Buffer.from(evil)])
  filesOf(machine, STICK.uuid).set(GRUB, { bytes: changed, mtimeMs: machine.nowMs })
  const { outcomes, said } = await runOnStick(machine, refreshDevice)
  expect(outcomes).toContain('refresh-device: refreshed')
  expect(said).toContain("the entry that boots next is none of AEM's")
  expect(Buffer.from(filesOf(machine, STICK.uuid).get(GRUB)!.bytes).toString()).not.toContain('Evil')
})
