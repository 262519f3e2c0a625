import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createStage } from './kept-stage.ts'
import { clearLockout, leftBehind, lockOut, triesOf } from './left-behind.ts'
import { writeTpmSysfs } from './machine-facts.ts'
import type { Stage } from './stage.ts'
import { checksOf, detailOf, GOOD, inDom0, lookAt, putBack, sealedTwice, verify } from './verified.ts'

const TPM = '-T device:/dev/tpm0'
/** XORs a byte of the same file in both copies. */
const damage = (stage: Stage, name: string, at: number) =>
  inDom0(
    stage,
    `for d in $live $own; do python3 - $d/${name} <<'P'
import sys
f=open(sys.argv[1],'r+b'); b=bytearray(f.read()); b[${at}]^=1; f.seek(0); f.write(b)
P
done`,
  )
const writeSlot = (stage: Stage, slot: number, hashOf: string) =>
  inDom0(
    stage,
    `${hashOf} | sha256sum | cut -c1-64 | xxd -r -p | tpm2_nvwrite ${TPM} 0x454d -i - --offset ${slot * 32} -P "$(cat /var/lib/anti-evil-maid/tpm-freshness-pw)"`,
  )

// One machine, each test breaks one thing and fixes it again.
describe('verify on TPM 2.0', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await sealedTwice('2.0')
  })
  afterAll(() => stage?.destroy())

  /** @param costs wrong passwords that the TPM counts for it */
  const look = (costs = 0, suffix = 'aem') => lookAt(stage, suffix, costs)

  test('a good seal', async () => {
    const { exit, devices } = await look()
    expect(checksOf(devices)).toEqual(GOOD)
    expect(exit).toBe(0)
  })

  test('a good seal on a device that cannot be written', async () => {
    await stage.readOnlyMedia(true)
    const { devices } = await look().finally(() => stage.readOnlyMedia(false))
    expect(checksOf(devices)).toEqual(GOOD)
  })

  test('a stick that was pulled out while it was written to: nothing is claimed of it until it is fixed', async () => {
    const stick = `/dev/disk/by-uuid/${stage.devices[1]?.disk.uuid}`
    const sealed = async () => (await verify(stage, '--device', '.stick')).devices
    const before = checksOf(await sealed(), 'aem.stick')
    expect(before['media-current']).not.toBeNull()
    await inDom0(stage, `/usr/sbin/debugfs -w -R "feature needs_recovery" ${stick} >/dev/null 2>&1`)
    const dirty = await sealed()
    expect(checksOf(dirty, 'aem.stick')['media-current']).toBeNull()
    expect(detailOf(dirty, 'media-current', 'aem.stick')).toContain('not closed cleanly')
    await inDom0(stage, `/usr/sbin/fsck.ext4 -p ${stick} >/dev/null || :`)
    expect(checksOf(await sealed(), 'aem.stick')).toEqual(before)
    expect(await leftBehind(stage)).toBe('')
  })

  test('a stale device copy: it unseals, but to an older token', async () => {
    await inDom0(stage, 'rm -rf $own; cp -a /root/older $own')
    const { exit, devices } = await look()
    expect(checksOf(devices)).toEqual({
      ...GOOD,
      'media-current': false,
      'unseal-fre': false,
      freshness: false,
    })
    expect(detailOf(devices, 'freshness')).toContain('damaged or old')
    expect(exit).toBe(1)
    await putBack(stage)
  })

  test('a damaged secret: the TPM says nothing, the hash does', async () => {
    await damage(stage, 'secret.txt.sealed2', 20)
    const { devices } = await look()
    expect(checksOf(devices)).toEqual({ ...GOOD, 'unseal-txt': false })
    await putBack(stage)
  })

  test('a damaged key', async () => {
    await damage(stage, 'key.priv', 70)
    const { devices } = await look()
    expect(checksOf(devices)).toEqual({ ...GOOD, 'unseal-txt': false, 'unseal-fre': false, freshness: null })
    expect(detailOf(devices, 'unseal-txt')).toContain('does not take key.pub and key.priv')
    await putBack(stage)
  })

  test('a secret that is not on the device', async () => {
    await inDom0(stage, 'rm $own/secret.txt.sealed2')
    const { devices } = await look()
    expect(checksOf(devices)).toEqual({ ...GOOD, 'media-current': false, 'unseal-txt': false })
    await putBack(stage)
  })

  test('an overwritten slot', async () => {
    await writeSlot(stage, 0, 'echo another')
    const { devices } = await look()
    expect(checksOf(devices)).toEqual({ ...GOOD, freshness: false })
    expect(detailOf(devices, 'freshness')).toContain('aem.stick uses too')
    await writeSlot(stage, 0, 'cat /var/lib/anti-evil-maid/aem/secret.fre')
  })

  test('a token in another device’s slot', async () => {
    await writeSlot(stage, 0, 'echo another')
    await writeSlot(stage, 1, 'cat /var/lib/anti-evil-maid/aem/secret.fre')
    await inDom0(stage, 'echo 1 > /var/lib/anti-evil-maid/aem.stick/tpm-freshness-slot')
    const { devices } = await look()
    expect(checksOf(devices)).toEqual({ ...GOOD, freshness: false })
    expect(detailOf(devices, 'freshness')).toContain('slot 1 (of aem.stick), not in its own, 0')
    await writeSlot(stage, 0, 'cat /var/lib/anti-evil-maid/aem/secret.fre')
    await inDom0(stage, 'echo 0 > /var/lib/anti-evil-maid/aem.stick/tpm-freshness-slot')
  })

  test('another PCR selection', async () => {
    await inDom0(
      stage,
      "cp /etc/anti-evil-maid.conf /run/kept; sed -i 's/--pcr 19//' /etc/anti-evil-maid.conf",
    )
    const { devices } = await look()
    expect(checksOf(devices)).toEqual({ ...GOOD, selection: false })
    await inDom0(stage, 'cp /run/kept/anti-evil-maid.conf /etc')
  })

  test('the TPM in lockout: nothing is tried, nothing is claimed', async () => {
    await lockOut(stage)
    const { exit, devices } = await look()
    expect(checksOf(devices)).toEqual({ ...GOOD, 'unseal-txt': null, 'unseal-fre': null, freshness: null })
    expect(detailOf(devices, 'unseal-txt')).toContain('lockout')
    expect(exit).toBe(1)
    await clearLockout(stage)
  })

  test('an SRK password that is not at hand costs no try', async () => {
    await inDom0(stage, 'mv /run/anti-evil-maid/srk-password /run/kept')
    const { devices } = await look()
    expect(checksOf(devices)).toEqual({ ...GOOD, 'unseal-txt': null, 'unseal-fre': null, freshness: null })
    expect(detailOf(devices, 'unseal-txt')).toContain('needed and not at hand')
    await inDom0(stage, 'mv /run/kept/srk-password /run/anti-evil-maid')
  })

  test('a wrong SRK password costs one try, and says so', async () => {
    await inDom0(stage, 'echo wrong > /run/anti-evil-maid/srk-password')
    const { devices } = await look(1)
    expect(checksOf(devices)).toEqual({ ...GOOD, 'unseal-txt': null, 'unseal-fre': null, freshness: null })
    expect(detailOf(devices, 'unseal-txt')).toContain('this cost one of the TPM’s tries')
    await inDom0(stage, ': > /run/anti-evil-maid/srk-password')
    await clearLockout(stage)
  })

  test('a device that is not plugged in', async () => {
    await stage.unplug('.stick')
    const { exit, devices } = await look(0, '.stick')
    expect(checksOf(devices, 'aem.stick')).toEqual({
      'media-current': null,
      selection: null,
      policy: null,
      'unseal-txt': null,
      // Whatever lies on it: dom0 says that it uses the slot where the token of this device lies.
      freshness: false,
      pcr13: true,
    })
    expect(detailOf(devices, 'media-current', 'aem.stick')).toContain('not plugged in')
    expect(exit).toBe(1)
    await stage.plug('.stick')
  })

  test('objects that a failed unseal left in the TPM are in nobody’s way', async () => {
    await inDom0(
      stage,
      `for i in 1 2 3; do tpm2_load ${TPM} -Q -C 0x81000001 -P str: -u $live/key.pub -r $live/key.priv -c /run/ctx || :; done`,
    )
    expect(checksOf((await look()).devices)).toEqual(GOOD)
  })

  test('a LUKS header that changed since the boot', async () => {
    await inDom0(stage, `cryptsetup config --label changed /dev/disk/by-uuid/${stage.luks.uuid}`)
    expect(checksOf((await look()).devices)).toEqual({ ...GOOD, pcr13: false })
  })

  test('sealed with other PCRs than the current ones', async () => {
    await inDom0(stage, `tpm2_pcrextend ${TPM} 13:sha256=${'ab'.repeat(32)}`)
    await writeTpmSysfs(stage.holder.outside('sysfs/tpm0'), stage.tpm)
    const { devices } = await look()
    expect(checksOf(devices)).toEqual({
      ...GOOD,
      policy: false,
      'unseal-txt': false,
      'unseal-fre': false,
      freshness: null,
      pcr13: false,
    })
    expect(detailOf(devices, 'unseal-txt')).toContain('sealed to other PCR values')
  })

  test('another Xen booted, with the reseal held', async () => {
    await stage.updateXen()
    await stage.powerOff()
    await stage.powerOn({ seal: false })
    const { devices } = await look()
    expect(checksOf(devices)).toMatchObject({ 'media-current': true, policy: false, 'unseal-txt': false })
  })
})

test('an SRK password is taken from this boot’s cache', async () => {
  const stage = await createStage({ tpm: '2.0', srkPassword: 'hunter 2' })
  try {
    await stage.powerOn()
    await stage.powerOff()
    expect((await stage.powerOn()).secretShown).toBe(true)
    // AEM's own look at the SRK in the initrd cost a try; ours costs none.
    const tries = await triesOf(stage)
    const { exit, devices } = await verify(stage)
    expect(checksOf(devices)).toEqual(GOOD)
    expect(exit).toBe(0)
    expect(await triesOf(stage)).toBe(tries)
    expect(await leftBehind(stage)).toBe('')
  } finally {
    await stage.destroy()
  }
})
