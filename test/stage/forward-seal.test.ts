import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  beginForward,
  blockedBy,
  changeSession,
  type FlowJson,
  predictNextBoot,
  readSession,
  sealForward,
  sealForwardJson,
} from './forward.ts'
import { HARMS } from './harms.ts'
import { createUsedStage } from './kept-stage.ts'
import { clearLockout, leftBehind, lockOut, triesOf } from './left-behind.ts'
import type { Stage, StageOptions } from './stage.ts'
import { photograph } from './terminal.ts'
import { checksOf, detailOf, verify } from './verified.ts'

/** A stage sealed to the present state, with the update installed and its session before the forward seal. */
async function updated(options: StageOptions): Promise<Stage> {
  const stage = await createUsedStage(options)
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

function detailsOf(flow: FlowJson): string {
  const failed = (flow.steps[0]?.facts.checks ?? []).filter(({ ok }) => ok !== true)
  return failed.map(({ detail }) => detail).join('\n')
}

/** Leaves objects in a TPM 2.0 until it has no room for another, as failed unseals of AEM do. */
async function fillTpm(stage: Stage): Promise<void> {
  const load =
    'tpm2_load -T device:/dev/tpm0 -Q -C 0x81000001 -P str: -u /var/lib/tpm/aem/key.pub -r /var/lib/tpm/aem/key.priv -c /run/context'
  const done = await stage.run(['sh', '-c', `${load}; ${load}; ${load}; ${load}`])
  expect(done.stderr).toContain('0x902')
}

const WRONG_PASSWORD =
  'tpm2_load -T device:/dev/tpm0 -C 0x81000001 -P wrong -u /var/lib/tpm/aem/key.pub -r /var/lib/tpm/aem/key.priv -c /run/context'

/** Looks, all the time, at what listens and at the command lines of all processes. */
function startWatch(stage: Stage) {
  const look = 'ss -Hltn >>/run/listening; cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " " >>/run/lines'
  const watching = stage.start(['bash', '-c', `while ${look}; do sleep 0.01; done`])
  const end = async () => {
    watching.kill('SIGKILL')
    await watching.finished
    const listening = (await readFile(stage.pathOf('/run/listening'), 'utf8')).split('\n')
    const addresses = listening.map((line) => line.split(/ +/)[3]).filter((one) => one !== undefined)
    const commandLines = await readFile(stage.pathOf('/run/lines'), 'utf8')
    await stage.run(['rm', '/run/listening', '/run/lines'])
    return { listening: [...new Set(addresses)], commandLines }
  }
  return { end }
}

// One story: what cannot be done is refused, what fails is taken back, what is cancelled is put back, and at last the
// first boot of the new Xen shows the secret.
describe.each(['2.0', '1.2'] as const)('forward seal on TPM %s', (tpm) => {
  let stage: Stage
  let before: string
  let session: string
  let good: Awaited<ReturnType<typeof predictNextBoot>>
  beforeAll(async () => {
    stage = await updated({ tpm })
    session = JSON.stringify(await readSession(stage))
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

  test.each(HARMS.filter(({ blocked }) => blocked.length > 0))(
    'is refused when $what',
    async ({ blocked, isFirst, wayOut, harm, fix }) => {
      await changeSession(stage, good)
      const tries = await triesOf(stage)
      expect((await stage.run(['bash', '-c', harm(stage)])).exit).toBe(0)
      const flow = await sealForwardJson(stage).finally(() => stage.run(['bash', '-c', fix(stage)]))
      expect(isFirst ? blockedBy(flow).slice(0, 1) : blockedBy(flow)).toEqual(blocked)
      expect(flow.steps.map(({ id }) => id)).toEqual(['gate-forward-seal'])
      expect(detailsOf(flow)).toMatch(wayOut)
      expect(flow.exit).toBe(1)
      expect(await listSealed(stage)).toBe(before)
      expect(await triesOf(stage)).toBe(tries)
      expect(await leftBehind(stage)).toBe('')
    },
  )

  test('is refused while the TPM is in lockout, and verify then claims nothing', async () => {
    await changeSession(stage, good)
    await lockOut(stage)
    const tries = await triesOf(stage)
    const flow = await sealForwardJson(stage)
    const { exit, devices } = await verify(stage)
    expect(await triesOf(stage)).toBe(tries)
    await clearLockout(stage)
    // AEM took the cached SRK password of TPM 1.2 away, so there is none whose trial would meet the lockout
    expect(blockedBy(flow)).toEqual(tpm === '2.0' ? ['tpm-not-locked', 'freshness'] : ['srk-password'])
    expect(detailsOf(flow)).toMatch(/lockout .*(or wait|for a while)/)
    expect(checksOf(devices)).toMatchObject({
      policy: true,
      'unseal-txt': null,
      'unseal-fre': null,
      freshness: null,
    })
    expect(detailOf(devices, 'unseal-txt')).toContain('lockout')
    expect(exit).toBe(1)
    expect(await listSealed(stage)).toBe(before)
    expect(await leftBehind(stage)).toBe('')
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

  // While the system's tcsd is down its port is free for everybody, and tcsd starts without a complaint beside a thief.
  if (tpm === '1.2')
    test("nothing is sealed while somebody else listens at tcsd's port", async () => {
      const thief = [
        'import socket,time',
        's=socket.socket()',
        'while True:',
        '  try: s.bind(("127.0.0.1",30003)); s.listen(); break',
        '  except OSError: time.sleep(0.002)',
        'time.sleep(5)',
      ].join('\n')
      await changeSession(stage, good)
      const begin = `setsid setpriv --reuid 65534 --clear-groups /usr/bin/python3 -c '${thief}' </dev/null >/dev/null 2>&1 & echo $!`
      const pid = (await stage.run(['bash', '-c', begin])).stdout.trim()
      const flow = await sealForwardJson(stage)
      await stage.run(['bash', '-c', `kill ${pid}; systemctl stop tcsd; systemctl start tcsd`])
      expect(flow.steps.at(-1)).toMatchObject({
        id: 'forward-seal',
        outcome: 'failed',
        facts: { takenBack: true, what: expect.stringContaining('a program of user 65534 listens') },
      })
      expect(await listSealed(stage)).toBe(before)
      expect(await leftBehind(stage)).toBe('')
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
    if (tpm === '2.0') await fillTpm(stage)
    const watch = startWatch(stage)
    const sealed = await sealForward(stage)
    const { listening, commandLines } = await watch.end()
    expect(listening.filter((address) => !/^(127\.0\.0\.1|\[::1\]):/.test(address))).toEqual([])
    expect(listening.includes('127.0.0.1:6545')).toBe(tpm === '1.2')
    expect(commandLines).toContain('aem-reseal.mjs resume')
    expect(commandLines).not.toContain(stage.devices[0]?.secret)
    expect(sealed.stdout).toContain('sealed to the predicted registers')
    expect(sealed.stdout).toContain('Your own sentence MUST appear before you type the passphrase.')
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

  test('a wrong prediction leaves the user where AEM leaves everybody', async () => {
    // the same session as if it had begun in this boot, with the boot files of then
    const now = (await stage.run(['cat', '/proc/sys/kernel/random/boot_id'])).stdout.trim()
    const { bootId } = JSON.parse(session) as { bootId: string }
    const input = session.replaceAll(bootId, now)
    await stage.run(['sh', '-c', 'cat >/var/lib/aem-reseal/session.json'], { input })
    const wrong = await predictNextBoot(stage)
    const [one = ''] = wrong.pcrs.map(({ predicted }) => predicted ?? '')
    await changeSession(stage, {
      ...wrong,
      pcrs: wrong.pcrs.map((row) => (row.index === 18 ? { ...row, predicted: one } : row)),
    })
    expect((await sealForward(stage)).exit).toBe(3)
    expect(await leftBehind(stage)).toBe('')
    await stage.powerOff()
    const boot = await stage.powerOn()
    expect(boot.secretShown).toBe(false)
    expect(boot.journal()).toContain('Freshness token unsealing failed!')
    expect(boot.journal()).toContain('Sealed /var/lib/anti-evil-maid/aem/secret.txt')
    await stage.powerOff()
    expect((await stage.powerOn()).secretShown).toBe(true)
    // The copies are right; whether the boot is, `resume` was not asked yet.
    const { exit, devices } = await verify(stage)
    expect(devices.map(({ ok }) => ok)).toEqual([true])
    expect(exit).toBe(1)
  })
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
      expect(refused.stderr.replaceAll(/\s+/g, ' ')).toContain('aem.stick is not plugged in and carries it')
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
      if (tpm === '2.0') {
        // AEM's initrd looks for a password by a wrong one: after it this TPM would take none
        await stage.run(['bash', '-c', WRONG_PASSWORD])
        expect(blockedBy(await sealForwardJson(stage))).toEqual(['tpm-tries-left'])
        await clearLockout(stage)
      }
      const watch = startWatch(stage)
      const blocked = await sealForwardJson(stage)
      if (tpm === '1.2') {
        // AEM removed the cached password after its seal, and --yes answers for nobody
        expect(blockedBy(blocked)).toEqual(['srk-password'])
        const terminal = stage.aemResealPty(['resume'])
        await terminal.waitFor('TPM SRK password')
        terminal.type('hunter 2\r')
        await photograph(terminal)
        await terminal.waitFor('When is dom0 restarted')
        terminal.type('\r')
        expect(await terminal.finished).toBe(3)
        expect(terminal.raw()).not.toContain('hunter')
      } else expect(blocked.exit).toBe(3)
      expect((await watch.end()).commandLines).not.toContain('hunter')
      expect(await leftBehind(stage)).toBe('')
      const session = await readFile(stage.pathOf('/var/lib/aem-reseal/session.json'), 'utf8')
      expect(session).not.toContain('hunter')
      await stage.powerOff()
      expect((await stage.powerOn()).secretShown).toBe(true)
    } finally {
      await stage.destroy()
    }
  })
})
