import { readFile } from 'node:fs/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { createStage } from './kept-stage.ts'
import type { Stage, StageOptions } from './stage.ts'

/*
 * What is surprising about AEM 4.2.0, kept by the stand-ins. Run with AEM_SCRIPTS these tests judge the
 * stand-ins: the real programs must behave the same.
 */

let stage: Stage | undefined
afterEach(async () => {
  await stage?.destroy()
  stage = undefined
})

async function begin(options: StageOptions): Promise<Stage> {
  stage = await createStage(options)
  return stage
}

/** A stage whose device is sealed to the present state, switched on for the second time, the seal not yet run. */
async function sealedOnce(options: StageOptions): Promise<Stage> {
  const made = await begin(options)
  await made.powerOn()
  await made.powerOff()
  const boot = await made.powerOn({ seal: false })
  expect(boot.secretShown).toBe(true)
  return made
}

describe.each(['2.0', '1.2'] as const)('TPM %s', (tpm) => {
  test('a seal that cannot write to the device strands it: the freshness slot is new, the device is old', async () => {
    const { run, powerOff, powerOn } = await sealedOnce({ tpm })
    await run(['mount', '-o', 'remount,ro', '/boot'])
    const seal = await run(['/usr/sbin/anti-evil-maid-seal'])
    expect(seal.exit).toBe(1)
    expect(seal.stderr).toContain('Sealed /var/lib/anti-evil-maid/aem/secret.txt')
    expect(seal.stderr).toMatch(/Failed to seal secrets \(error @ line \d+\)!/)
    await powerOff()
    const boot = await powerOn({ seal: false })
    expect(boot.journal()).toContain('Freshness token unsealed.')
    expect(boot.journal()).toContain('Freshness token invalid!')
    expect(boot.secretShown).toBe(false)
    expect((await run(['test', '-e', '/run/anti-evil-maid/unseal-success'])).exit).toBe(0)
  })

  test('an unmeasured boot of the AEM entry is not sealed', async () => {
    const { powerOn, run } = await begin({ tpm })
    const boot = await powerOn({ launch: false })
    expect(boot.seal?.exit).toBe(1)
    expect(boot.journal()).toContain('PCR sanity check failed!')
    expect((await run(['ls', '/boot/aem/tpms'])).stdout).not.toContain('aem')
  })
})

test('TPM 2.0: a failed unseal leaves two objects in the TPM', async () => {
  const { updateXen, powerOff, powerOn, run } = await sealedOnce({ tpm: '2.0' })
  await updateXen()
  await powerOff()
  const boot = await powerOn({ seal: false })
  expect(boot.journal()).toContain('a policy check failed')
  const loaded = await run(['tpm2_getcap', '-T', 'device:/dev/tpm0', 'handles-transient'])
  expect(loaded.stdout.trim().split('\n')).toHaveLength(2)
})

test('TPM 1.2: a second seal by hand without a terminal fails after it has overwritten the freshness slot', async () => {
  const made = await begin({ tpm: '1.2' })
  const boot = await made.powerOn()
  expect(boot.journal()).toContain('Sealed')
  const seal = await made.run(['/usr/sbin/anti-evil-maid-seal', ''])
  expect(seal.exit).toBe(1)
  expect(seal.stderr).toContain('Failed /var/lib/anti-evil-maid/aem/secret.txt')
  await made.powerOff()
  const next = await made.powerOn({ seal: false })
  expect(next.journal()).toContain('Freshness token invalid!')
  // a terminal, or an empty /run/anti-evil-maid/srk-password, makes it work
  const terminal = made.runPty(['/usr/sbin/anti-evil-maid-seal', ''])
  await terminal.waitFor('Syncing to /boot')
  expect(await terminal.finished).toBe(0)
})

test('TPM 1.2: with tcsd stopped a program can talk to /dev/tpm0 itself', async () => {
  const { powerOn, run, pathOf } = await begin({ tpm: '1.2' })
  await powerOn({ seal: false })
  const registers = await readFile(pathOf('/sys/class/tpm/tpm0/pcrs'), 'utf8')
  const pcr17 = /^PCR-17: (.*)$/m.exec(registers)?.[1]?.replace(/ /g, '').toLowerCase()
  await run(['systemctl', 'stop', 'tcsd'])
  // TPM_PCRRead of PCR 17, twice in one open, and again in another
  const read = String.raw`printf '\000\301\000\000\000\016\000\000\000\025\000\000\000\021' >&3; head -c 30 <&3 | xxd -p -c 30`
  const line = `00c40000001e00000000${pcr17}\n`
  for (let n = 0; n < 2; n++) {
    const answer = await run(['sh', '-c', `exec 3<>/dev/tpm0; ${read}; ${read}`], { timeoutMs: 20_000 })
    expect(answer.stdout).toBe(line + line)
  }
  expect((await run(['systemctl', 'start', 'tcsd'])).exit).toBe(0)
})

test.each(['2.0', '1.2'] as const)('TPM %s: the SRK password is asked for and kept in clear', async (tpm) => {
  const made = await sealedOnce({ tpm, srkPassword: 'hunter2' })
  expect(await readFile(made.pathOf('/run/anti-evil-maid/srk-password'), 'utf8')).toBe('hunter2\n')
  expect(await readFile(made.pathOf('/run/stage/questions'), 'utf8')).toContain(
    'TPM SRK password to unseal the secret(s)',
  )
})

test('a removable stick: copies of its own, the seal ends when it is unplugged', async () => {
  const made = await begin({ tpm: '2.0', devices: [{ suffix: '.usb', external: true, removable: true }] })
  const [stick] = made.devices
  const boot = await made.powerOn()
  expect(boot.seal?.exit).toBe(0)
  expect(boot.journal()).toMatch(/Waiting for \/dev\/disk\/by-uuid\/[0-9a-f-]+ to be removed\.\.\./)
  const listing = await made.run(['lsblk', '--json', '--output', 'LABEL,UUID,MOUNTPOINT,RM'])
  const devices = JSON.parse(listing.stdout).blockdevices as {
    label: string
    uuid: string
    mountpoint: string
    rm: boolean
  }[]
  expect(devices.find((one) => one.label === 'aem.usb')).toMatchObject({
    uuid: stick?.disk.uuid,
    mountpoint: null,
    rm: true,
  })
  expect(devices.find((one) => one.label === 'boot')).toMatchObject({ mountpoint: '/boot' })
  await made.updateXen()
  await made.powerOff()
  // the stick still boots the old Xen, in which the secret unseals
  const second = await made.powerOn({ seal: false })
  expect(second.secretShown).toBe(true)
  await made.refreshDevice('.usb')
  await made.powerOff()
  expect((await made.powerOn({ seal: false })).secretShown).toBe(false)
  await made.unplug()
  expect((await made.run(['lsblk', '--noheadings', '--output', 'LABEL'])).stdout).not.toContain('aem.usb')
})
