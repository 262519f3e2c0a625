import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  beginForward,
  blockedBy,
  changeSession,
  checksOf,
  detailOf,
  leftBehind,
  predictNextBoot,
  readSession,
  sealForward,
  sealForwardJson,
  verify,
} from './forward.ts'
import { createStage, type Stage, type StageOptions } from './stage.ts'

/** A stage sealed to the present state, with the update installed and its session before the forward seal. */
async function updated(options: StageOptions): Promise<Stage> {
  const stage = await createStage(options)
  await stage.powerOn()
  await stage.powerOff()
  const boot = await stage.powerOn()
  expect(boot.secretShown).toBe(true)
  await stage.updateXen()
  for (const { external, suffix } of stage.devices) if (external) await stage.refreshDevice(suffix)
  await beginForward(stage)
  return stage
}

/** Every sealed file in both homes, and what lies beside them. */
const listSealed = async (stage: Stage): Promise<string> =>
  (await stage.run(['sh', '-c', 'cd /var/lib/tpm && sha256sum */*; cd /boot/aem/tpms && sha256sum */*/*']))
    .stdout

// One story: what cannot be done is refused, what fails is taken back, what is cancelled is put back, and at last the
// first boot of the new Xen shows the secret.
describe.each(['2.0', '1.2'] as const)('forward seal on TPM %s', (tpm) => {
  let stage: Stage
  let before: string
  let good: Awaited<ReturnType<typeof predictNextBoot>>
  beforeAll(async () => {
    stage = await updated({ tpm })
    before = await listSealed(stage)
    good = await predictNextBoot(stage)
  })
  afterAll(() => stage?.destroy())

  test.each([
    ['there is no prediction', async () => null],
    ['a selected register is not predicted', async () => ({ ...good, pcrs: good.pcrs.slice(0, -1) })],
    ['the prediction is not calibrated', async () => ({ ...good, calibrated: false })],
    ['the prediction was refused', async () => ({ ...good, refusal: { code: 'x', why: 'y' } })],
  ])('is refused when %s', async (_, make) => {
    await changeSession(stage, await make())
    const flow = await sealForwardJson(stage)
    expect(blockedBy(flow)).toEqual(['prediction'])
    expect(flow.exit).toBe(1)
    expect(await listSealed(stage)).toBe(before)
    expect(await leftBehind(stage)).toBe('')
  })

  test.each([
    ['the device is read-only', 'device-writable', 'mount -o remount,ro /boot', 'mount -o remount,rw /boot'],
    [
      'dom0 keeps no secret',
      'secrets-in-dom0',
      'mv /var/lib/anti-evil-maid/aem/secret.txt /root',
      'mv /root/secret.txt /var/lib/anti-evil-maid/aem',
    ],
    [
      'the device was never sealed',
      'device-sealed',
      'mv /boot/aem/tpms /boot/aem/kept',
      'mv /boot/aem/kept /boot/aem/tpms',
    ],
    [
      'a link on the device leads elsewhere',
      'device-sealed',
      'mv /boot/aem/tpms /boot/aem/kept; ln -s kept /boot/aem/tpms',
      'rm /boot/aem/tpms; mv /boot/aem/kept /boot/aem/tpms',
    ],
    [
      'the token is an old one',
      'freshness',
      'cd /var/lib/anti-evil-maid/aem; mv secret.fre /root; head -c 20 /dev/zero >secret.fre',
      'mv /root/secret.fre /var/lib/anti-evil-maid/aem',
    ],
    [
      'the device is full',
      'device-space',
      'dd if=/dev/zero of=/boot/filler bs=64k 2>/dev/null || :; sync',
      'rm /boot/filler',
    ],
  ])('is refused when %s', async (_, id, harm, mend) => {
    await changeSession(stage, good)
    expect((await stage.run(['sh', '-c', harm])).exit).toBe(0)
    const flow = await sealForwardJson(stage)
    expect((await stage.run(['sh', '-c', mend])).exit).toBe(0)
    expect(blockedBy(flow)).toEqual([id])
    expect(await listSealed(stage)).toBe(before)
  })

  test('a switch that fails is taken back', async () => {
    await changeSession(stage, good)
    await stage.run(['mount', '--bind', '/bin/false', '/usr/bin/python3'])
    const flow = await sealForwardJson(stage)
    await stage.run(['umount', '/usr/bin/python3'])
    expect(flow.steps.at(-1)).toMatchObject({
      id: 'forward-seal',
      outcome: 'failed',
      facts: { takenBack: true },
    })
    expect(flow.exit).toBe(1)
    expect(await listSealed(stage)).toBe(before)
    expect(await leftBehind(stage)).toBe('')
    expect((await verify(stage)).exit).toBe(0)
  })

  test('cancel puts the old files back, and the old state unseals', async () => {
    await changeSession(stage, good)
    const session = await readFile(stage.pathOf('/var/lib/aem-reseal/session.json'), 'utf8')
    expect((await sealForward(stage)).exit).toBe(3)
    expect(await listSealed(stage)).not.toBe(before)
    const cancelled = await stage.aemReseal(['cancel', '--json'])
    expect(JSON.parse(cancelled.stdout)).toMatchObject({ forwardSeal: 'restored' })
    expect(await listSealed(stage)).toBe(before)
    expect((await verify(stage)).exit).toBe(0)
    await stage.run(['sh', '-c', 'cat >/var/lib/aem-reseal/session.json'], { input: session })
  })

  test('it is sealed, says what the next boot must show, and leaves nothing behind', async () => {
    await changeSession(stage, good)
    const token = async () =>
      (await stage.run(['sha256sum', '/var/lib/anti-evil-maid/aem/secret.fre'])).stdout
    const old = await token()
    const sealed = await sealForward(stage)
    expect(sealed.stdout).toContain('sealed to the predicted registers')
    expect(sealed.stdout).toContain('Your secret MUST appear, before you type the disk passphrase')
    expect(sealed.stdout).toContain('type nothing, and power off')
    expect(sealed.exit).toBe(3)
    expect(await leftBehind(stage)).toBe('')
    expect(await token()).toBe(old)
    const text = await readFile(stage.pathOf('/var/lib/aem-reseal/session.json'), 'utf8')
    expect(text).not.toContain(stage.devices[0]?.secret)
    expect(sealed.stdout + sealed.stderr).not.toContain(stage.devices[0]?.secret)
    const { findings } = await readSession(stage)
    expect(Object.keys((findings['forward-seal']?.record ?? {}) as object).sort()).toEqual(
      ['bank', 'label', 'next', 'previous', 'tpmId', 'uuid', 'values'].sort(),
    )
  })

  test('before the restart nothing is claimed of it, neither good nor bad', async () => {
    const { exit, devices } = await verify(stage)
    expect(checksOf(devices)).toEqual({
      'media-current': true,
      selection: true,
      policy: null,
      'unseal-txt': null,
      'unseal-fre': null,
      freshness: null,
      pcr13: true,
    })
    expect(detailOf(devices, 'policy')).toContain('sealed forward')
    expect(exit).toBe(1)
  })

  test('the first boot of the new Xen shows the secret: no blind boot', async () => {
    await stage.powerOff()
    const boot = await stage.powerOn()
    expect(boot.secretShown).toBe(true)
    expect(boot.journal()).toContain('Freshness token unsealed.')
    expect(boot.journal()).toContain('Freshness token valid, continuing.')
    const resumed = await stage.aemReseal(['resume', '--yes'])
    expect(resumed.stdout).toContain('at this boot the TPM released the secret')
    expect(resumed.stdout).toContain("the device's own sealed copies fit this boot")
    expect(resumed.exit).toBe(0)
    expect((await verify(stage)).exit).toBe(0)
    expect(await leftBehind(stage)).toBe('')
    expect((await stage.run(['sh', '-c', 'ls -a /var/lib/tpm/ /boot/aem/tpms/*'])).stdout).not.toContain(
      'aem-reseal',
    )
  })
})

test('a wrong prediction leaves the user where AEM leaves everybody', async () => {
  const stage = await updated({ tpm: '2.0' })
  try {
    const wrong = await predictNextBoot(stage)
    await changeSession(stage, {
      ...wrong,
      pcrs: wrong.pcrs.map((row) => (row.index === 18 ? { ...row, predicted: 'ab'.repeat(32) } : row)),
    })
    expect((await sealForward(stage)).exit).toBe(3)
    await stage.powerOff()
    const boot = await stage.powerOn()
    expect(boot.secretShown).toBe(false)
    expect(boot.journal()).toContain('Freshness token unsealing failed!')
    expect(boot.journal()).toContain('Sealed /var/lib/anti-evil-maid/aem/secret.txt')
    await stage.aemReseal(['resume', '--yes'])
    await stage.powerOff()
    expect((await stage.powerOn()).secretShown).toBe(true)
  } finally {
    await stage.destroy()
  }
})

test.each(['2.0', '1.2'] as const)(
  'an external stick on TPM %s: absent, sealed on its own file system, and the secret at its first boot',
  async (tpm) => {
    const stage = await updated({ tpm, devices: [{ suffix: '.stick', external: true }] })
    try {
      await stage.unplug('.stick')
      const absent = await sealForwardJson(stage)
      expect(blockedBy(absent)).toContain('device-present')
      await stage.plug('.stick')
      await stage.readOnlyMedia(true, '.stick')
      // the loop device keeps the mark, whoever uses it next: it is taken off whatever happens
      const readOnly = await sealForwardJson(stage).finally(() => stage.readOnlyMedia(false, '.stick'))
      expect(blockedBy(readOnly)).toEqual(['device-writable'])
      expect((await sealForward(stage)).exit).toBe(3)
      expect(await leftBehind(stage)).toBe('')
      await stage.unplug('.stick')
      const refused = await stage.aemReseal(['cancel'])
      expect(refused.exit).toBe(1)
      expect(refused.stderr).toContain('aem.stick is not plugged in and carries it')
      await stage.plug('.stick')
      await stage.powerOff()
      expect((await stage.powerOn()).secretShown).toBe(true)
    } finally {
      await stage.destroy()
    }
  },
)

describe.each(['2.0', '1.2'] as const)('an SRK password on TPM %s', (tpm) => {
  test('is taken from this boot’s cache, or asked for, and the first boot shows the secret', async () => {
    const stage = await updated({ tpm, srkPassword: 'hunter 2' })
    try {
      const blocked = await sealForwardJson(stage)
      if (tpm === '1.2') {
        // AEM removed the cached password after its seal, and --yes answers for nobody
        expect(blockedBy(blocked)).toEqual(['srk-password'])
        const terminal = stage.aemResealPty(['resume'])
        await terminal.waitFor('TPM SRK password')
        terminal.type('hunter 2\r')
        await terminal.waitFor('When is dom0 restarted')
        terminal.type('\r')
        expect(await terminal.finished).toBe(3)
        expect(terminal.raw()).not.toContain('hunter')
      } else expect(blocked.exit).toBe(3)
      const session = await readFile(stage.pathOf('/var/lib/aem-reseal/session.json'), 'utf8')
      expect(session).not.toContain('hunter')
      await stage.powerOff()
      expect((await stage.powerOn()).secretShown).toBe(true)
    } finally {
      await stage.destroy()
    }
  })
})
