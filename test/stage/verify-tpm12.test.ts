import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createStage } from './kept-stage.ts'
import { leftBehind, triesOf } from './left-behind.ts'
import { writeTpmSysfs } from './machine-facts.ts'
import type { Stage } from './stage.ts'
import { checksOf, detailOf, GOOD, inDom0, lookAt, putBack, sealedTwice, verify } from './verified.ts'

const FRESH_PASSWORD = '"$(cat /var/lib/anti-evil-maid/tpm-freshness-pw)"'

/** Changes the first characters of the line after a marker, in both copies. */
const damage = (stage: Stage, marker: string, lines: number) =>
  inDom0(
    stage,
    `for d in $live $own; do n=$(grep -n '${marker}' $d/secret.txt.sealed2 | cut -d: -f1); sed -i "$((n+${lines}))s/^....../AAAAAA/" $d/secret.txt.sealed2; done`,
  )
const writeSlot = (stage: Stage, slot: number, hashOf: string) =>
  inDom0(
    stage,
    `${hashOf} | sha1sum | cut -c1-40 | xxd -r -p >/run/slot; tpm_nvwrite -i 0x454d -n ${slot * 20} -s 20 --password=${FRESH_PASSWORD} -f /run/slot; rm /run/slot`,
  )

// One machine, each test breaks one thing and fixes it again.
describe('verify on TPM 1.2', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await sealedTwice('1.2')
  })
  afterAll(() => stage?.destroy())

  const look = (suffix = 'aem') => lookAt(stage, suffix)

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

  test('a device that is not plugged in', async () => {
    await stage.unplug('.stick')
    const { exit, devices } = await look('.stick')
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

  test('tcsd that does not run is started for the look, and stopped again', async () => {
    await inDom0(stage, 'systemctl stop tcsd')
    expect(checksOf((await verify(stage, '--device', 'aem')).devices)).toEqual(GOOD)
    expect(await inDom0(stage, 'pgrep -x tcsd || :')).toBe('')
    await inDom0(stage, 'systemctl start tcsd')
  })

  test('a stale device copy', async () => {
    await inDom0(stage, 'rm -rf $own; cp -a /root/older $own')
    const { devices } = await look()
    expect(checksOf(devices)).toEqual({
      ...GOOD,
      'media-current': false,
      'unseal-fre': false,
      freshness: false,
    })
    await putBack(stage)
  })

  test('a damaged secret', async () => {
    await damage(stage, 'ENC DAT', 1)
    const { devices } = await look()
    expect(checksOf(devices)).toEqual({ ...GOOD, 'unseal-txt': false })
    await putBack(stage)
  })

  test('a damaged key inside the blob', async () => {
    await damage(stage, 'Symmetric Key', 4)
    const { devices } = await look()
    expect(checksOf(devices)).toEqual({ ...GOOD, 'unseal-txt': false })
    expect(detailOf(devices, 'unseal-txt')).toContain('does not take the sealed file')
    await putBack(stage)
  })

  test('an overwritten slot', async () => {
    await writeSlot(stage, 0, 'echo another')
    expect(checksOf((await look()).devices)).toEqual({ ...GOOD, freshness: false })
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
    expect(checksOf((await look()).devices)).toEqual({ ...GOOD, selection: false })
    await inDom0(stage, 'cp /run/kept/anti-evil-maid.conf /etc')
  })

  test('a LUKS header that changed since the boot', async () => {
    await inDom0(stage, `cryptsetup config --label changed /dev/disk/by-uuid/${stage.luks.uuid}`)
    expect(checksOf((await look()).devices)).toEqual({ ...GOOD, pcr13: false })
  })

  test('sealed with other PCRs than the current ones', async () => {
    // TPM_Extend of PCR 13 (TPM Main 1.2 part 3, section 16.1)
    const extend = String.raw`printf '\000\301\000\000\000\042\000\000\000\024\000\000\000\015%s' 'twenty bytes of hash' >&3`
    await inDom0(stage, `systemctl stop tcsd; exec 3<>/dev/tpm0; ${extend}; head -c 30 <&3 >/dev/null`)
    await writeTpmSysfs(stage.holder.outside('sysfs/tpm0'), stage.tpm)
    await inDom0(stage, 'systemctl start tcsd')
    const { exit, devices } = await look()
    expect(checksOf(devices)).toEqual({
      ...GOOD,
      policy: false,
      'unseal-txt': false,
      'unseal-fre': false,
      freshness: null,
      pcr13: false,
    })
    expect(detailOf(devices, 'unseal-txt')).toContain('sealed to other PCR values')
    expect(exit).toBe(1)
  })

  test('another Xen booted, with the reseal held', async () => {
    await stage.updateXen()
    await stage.powerOff()
    await stage.powerOn({ seal: false })
    const { devices } = await look()
    expect(checksOf(devices)).toMatchObject({
      'media-current': true,
      policy: false,
      'unseal-txt': false,
      'unseal-fre': false,
      freshness: null,
    })
    expect(detailOf(devices, 'unseal-txt')).toContain('sealed to other PCR values')
  })
})

describe('an SRK password on TPM 1.2', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await createStage({ tpm: '1.2', srkPassword: 'hunter 2' })
    await stage.powerOn()
    await stage.powerOff()
  })
  afterAll(() => stage?.destroy())

  test('is taken from this boot’s cache while AEM has not sealed yet', async () => {
    expect((await stage.powerOn({ seal: false })).secretShown).toBe(true)
    const tries = await triesOf(stage)
    const { exit, devices } = await verify(stage)
    expect(checksOf(devices)).toEqual(GOOD)
    expect(exit).toBe(0)
    expect(await triesOf(stage)).toBe(tries)
    expect(await leftBehind(stage)).toBe('')
  })

  test('a wrong one costs one try, and says so', async () => {
    const cache = '/run/anti-evil-maid/srk-password'
    await inDom0(stage, `cp ${cache} /run/kept; echo wrong > ${cache}`)
    const tries = await triesOf(stage)
    const { exit, devices } = await verify(stage)
    expect(checksOf(devices)).toEqual({ ...GOOD, 'unseal-txt': null, 'unseal-fre': null, freshness: null })
    expect(detailOf(devices, 'unseal-txt')).toContain('this cost one of the TPM’s tries')
    expect(exit).toBe(1)
    expect(await triesOf(stage)).toBe(tries + 1)
    await inDom0(stage, `mv /run/kept ${cache}`)
  })

  test('is needed and not at hand after AEM’s seal', async () => {
    await inDom0(stage, 'systemctl start anti-evil-maid-seal')
    expect(await inDom0(stage, 'ls /run/anti-evil-maid 2>/dev/null || :')).toBe('')
    const tries = await triesOf(stage)
    const { exit, devices } = await verify(stage)
    expect(checksOf(devices)).toEqual({ ...GOOD, 'unseal-txt': null, 'unseal-fre': null, freshness: null })
    expect(detailOf(devices, 'unseal-txt')).toContain('needed and not at hand')
    expect(detailOf(devices, 'unseal-txt')).toContain('finding that out cost one of the TPM’s tries')
    expect(exit).toBe(1)
    expect(await triesOf(stage)).toBe(tries + 1)
    expect(await leftBehind(stage)).toBe('')
  })
})
