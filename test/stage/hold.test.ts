import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tamperedXen } from './boot-files.ts'
import { predictNextBoot, readSession, SESSION } from './forward.ts'
import { HARMS } from './harms.ts'
import { createUsedStage } from './kept-stage.ts'
import { clearLockout, leftBehind, lockOut, triesOf } from './left-behind.ts'
import { signerFingerprint } from './rpm.ts'
import type { Boot, Stage, StageOptions } from './stage.ts'
import { ARROW_DOWN, ENTER } from './terminal.ts'

const TOKEN = '/var/lib/tpm/aem/secret.fre.sealed2'
const HELD = "AEM's automatic seal is held"

/** A dom0 whose device shows the secret, with the packagers' key of the test trusted; switched on. */
async function settled(options: StageOptions): Promise<Stage> {
  const stage = await createUsedStage(options)
  expect((await stage.powerOn()).secretShown).toBe(true)
  const trust = `mkdir -p /etc/aem-reseal && echo ${await signerFingerprint()} test key >/etc/aem-reseal/trusted-keys`
  await stage.run(['sh', '-c', trust])
  return stage
}

async function installDropIn(stage: Stage): Promise<void> {
  const terminal = stage.aemResealPty(['gate', 'install'])
  await terminal.waitFor('no (nothing is changed)')
  terminal.type(ARROW_DOWN)
  await terminal.waitFor(/❯ yes/)
  terminal.type(ENTER)
  expect(await terminal.finished).toBe(0)
}

async function tokenOf(stage: Stage): Promise<string> {
  return createHash('sha256')
    .update(await readFile(stage.pathOf(TOKEN)))
    .digest('hex')
}

async function restart(stage: Stage): Promise<Boot> {
  await stage.powerOff()
  return stage.powerOn()
}

/** What an evil maid changes on the boot device between the update and the restart. */
type Attack = {
  readonly what: string
  readonly file: string
  readonly change: (old: Buffer) => Buffer
  readonly names: RegExp
}

const inMenu =
  (pattern: RegExp, text: string) =>
  (old: Buffer): Buffer =>
    Buffer.from(old.toString().replace(pattern, text))
const inside = (old: Buffer): Buffer => {
  const changed = Buffer.from(old)
  changed.write('evil maid was here', Math.floor(changed.length / 2))
  return changed
}
const ATTACKS: readonly Attack[] = [
  { what: 'Xen', file: 'xen-4.17.4.gz', change: tamperedXen, names: /xen-4\.17\.4\.gz/ },
  { what: 'the kernel', file: 'vmlinuz-*', change: inside, names: /vmlinuz-/ },
  { what: 'the initramfs', file: 'initramfs-*', change: inside, names: /initramfs-/ },
  {
    what: "the kernel's command line",
    file: 'grub2/grub.cfg',
    change: inMenu(/( aem\.uuid=\S+)/, '$1 init=/bin/sh'),
    names: /init=\/bin\/sh|command line|grub\.cfg/,
  },
  {
    what: "Xen's command line",
    file: 'grub2/grub.cfg',
    change: inMenu(/(module\t\/xen\S+ placeholder \S+)/, '$1 no-xsm'),
    names: /no-xsm|command line|grub\.cfg/,
  },
  {
    what: 'an extra module',
    file: 'grub2/grub.cfg',
    change: inMenu(/(module\t\/initramfs\S+)/, '$1\n\tmodule\t/tboot.gz'),
    names: /tboot\.gz|module|grub\.cfg/,
  },
]

/** The name of a boot file whose version is in it. */
async function bootFileName(stage: Stage, pattern: string): Promise<string> {
  if (!pattern.endsWith('*')) return pattern
  const { stdout } = await stage.run(['sh', '-c', `cd /boot && ls ${pattern}`])
  return stdout.trim().split('\n')[0] ?? ''
}

/** The wizard, before the restart, with the drop-in there already. */
async function startWithHold(stage: Stage): Promise<void> {
  const start = await stage.aemReseal(['start', '--protect', 'hold', '--yes'])
  expect(start.exit).toBe(3)
  expect(start.stdout).toContain("AEM's automatic seal is held already")
  expect(start.stdout).toMatch(/Your sentence (?:will|may) NOT appear this once: PCR/)
}

type Predicted = { index: number; bank: string; predicted: string | null }

/**
 * Puts a prediction into the session: what the stage's own measuring, apart from the program's, says of the next boot,
 * or something else than that. PCR 13 is no launch register, so the program's prediction does not speak of it.
 */
async function predict(stage: Stage, change = (pcrs: Predicted[]): unknown => pcrs): Promise<void> {
  const session = await readSession(stage)
  const prediction = await predictNextBoot(stage)
  const pcrs = change(prediction.pcrs.filter(({ index }) => index !== 13))
  await writeFile(stage.pathOf(SESSION), JSON.stringify({ ...session, prediction: { ...prediction, pcrs } }))
}

const without =
  (index: number) =>
  (pcrs: Predicted[]): unknown =>
    pcrs.map((pcr) => (pcr.index === index ? { ...pcr, predicted: null } : pcr))

/** The last `resume`: the secret was shown, the report is written. What could not be verified is not this test's matter. */
async function closeSession(stage: Stage): Promise<void> {
  const { stdout } = await stage.aemReseal(['resume', '--yes', '--json'])
  const steps = JSON.parse(stdout).steps as { id: string; outcome: string }[]
  expect(steps.find(({ id }) => id === 'confirm-secret')?.outcome).toBe('shown')
  expect(steps.at(-1)?.id).toBe('finish')
  expect(JSON.parse((await stage.aemReseal(['status', '--json'])).stdout).session).toBeNull()
}

/** Starts the boot's seal unit once more; a seal that did not run returns 0 too. */
async function startSealUnit(stage: Stage): Promise<void> {
  expect((await stage.run(['systemctl', 'start', 'anti-evil-maid-seal.service'])).exit).toBe(0)
}

const HANG = '#!/bin/sh\nexec sleep 1000\n'
const hang = (program: string): string => `mount --bind /run/hang ${program}`

/** What the gate looks at, gone or silent. None of it ends in a seal. */
const GATE_TROUBLE = [
  {
    harm: 'mv /var/lib/aem-reseal /root/kept',
    fix: 'rm -r /root/kept/held.json; cp -a /var/lib/aem-reseal/held.json /root/kept; rm -r /var/lib/aem-reseal; mv /root/kept /var/lib/aem-reseal',
    says: /no session of aem-reseal is open/,
  },
  {
    harm: `cp ${SESSION} /root/kept; echo '{' >${SESSION}`,
    fix: `mv /root/kept ${SESSION}`,
    says: /could not find out what booted .*session/,
  },
  {
    harm: 'mount -t tmpfs tmpfs /sys/class/tpm',
    fix: 'umount /sys/class/tpm',
    says: /the TPM's registers could not be read/,
  },
  {
    harm: 'mv /etc/anti-evil-maid.conf /root/kept',
    fix: 'mv /root/kept /etc/anti-evil-maid.conf',
    says: /the PCR selection in .* could not be read/,
  },
  {
    harm: `printf '${HANG}' >/run/hang && chmod +x /run/hang && ${['/usr/bin/journalctl', '/usr/sbin/txt-stat', '/usr/sbin/xl'].map(hang).join(' && ')}`,
    fix: 'umount /usr/bin/journalctl /usr/sbin/txt-stat /usr/sbin/xl && rm /run/hang',
    says: /PCR 19 is not as it was predicted/,
  },
] as const

type ResumeStep = {
  readonly id: string
  readonly facts: { readonly checks?: readonly { id: string; ok: boolean | null; detail: string }[] }
}

/** All that AEM's seal writes: its first act is a new token in dom0, before the TPM's slot. */
async function listSealing(stage: Stage): Promise<string> {
  const files = '/var/lib/anti-evil-maid/aem/* /var/lib/tpm/aem/* /boot/aem/tpms/*/aem/*'
  return (await stage.run(['sh', '-c', `sha256sum ${files}`])).stdout
}

// One story told in order: each test goes on from the state the one before left.
describe.each(['2.0', '1.2'] as const)('hold on TPM %s, the next boot predicted', (tpm) => {
  let stage: Stage
  let before: string
  const names = new Map<string, string>()

  beforeAll(async () => {
    stage = await settled({ tpm })
    await installDropIn(stage)
    for (const { file } of ATTACKS) names.set(file, await bootFileName(stage, file))
  })
  afterAll(() => stage?.destroy())

  test('while nothing changes, AEM seals at every boot as ever', async () => {
    before = await tokenOf(stage)
    const boot = await restart(stage)
    expect(boot.secretShown).toBe(true)
    expect(boot.journal()).toContain('may run: the TPM released the current freshness token')
    expect(await tokenOf(stage)).not.toBe(before)
  })

  test('the update: the wizard goes with hold, and plans the restart', async () => {
    await stage.updateXen()
    before = await tokenOf(stage)
    await startWithHold(stage)
    await predict(stage)
    await stage.powerOff()
  })

  test.each(ATTACKS)('an evil maid changes $what: no seal happens, the alarm names it', async (attack) => {
    const name = names.get(attack.file) ?? ''
    const good = await stage.readBootFile(name)
    await stage.replaceBootFile(name, attack.change)
    expect((await stage.readBootFile(name)).equals(good)).toBe(false)
    const boot = await stage.powerOn()
    expect(boot.secretShown).toBe(false)
    expect(boot.journal()).toContain(HELD)
    expect(boot.journal()).not.toMatch(/Sealed \//)
    const resume = await stage.aemReseal(['resume', '--yes'])
    expect(resume.exit).toBe(4)
    expect(resume.stdout).toContain('UNEXPLAINED')
    expect(resume.stdout).toMatch(attack.names)
    expect(resume.stdout).toContain('nothing was sealed in this boot')
    await startSealUnit(stage)
    expect(await tokenOf(stage)).toBe(before)
    await stage.powerOff()
    await stage.replaceBootFile(name, good)
  })

  test('the honest update: every register as predicted, AEM seals by itself', async () => {
    const boot = await stage.powerOn()
    expect(boot.secretShown).toBe(false)
    expect(boot.journal()).toContain('may run: every selected PCR is as it was predicted')
    expect(await tokenOf(stage)).not.toBe(before)
    expect((await stage.aemReseal(['resume', '--yes'])).exit).toBe(3)
  })

  test('the next boot shows the secret, and the session comes to its end', async () => {
    expect((await restart(stage)).secretShown).toBe(true)
    await closeSession(stage)
  })

  test('a change without a session is held too, and the login is told', async () => {
    await stage.powerOff()
    await stage.replaceBootFile('xen-4.17.4.gz', tamperedXen)
    const boot = await stage.powerOn()
    expect(boot.journal()).toContain(HELD)
    const resume = await stage.aemReseal(['resume', '--yes'])
    expect(resume.exit).toBe(1)
    expect(resume.stderr).toContain('held in this boot')
  })
})

describe.each(['2.0', '1.2'] as const)(
  'hold on TPM %s, with an SRK password, one register unpredicted',
  (tpm) => {
    let stage: Stage
    let before: string

    beforeAll(async () => {
      stage = await settled({ tpm, srkPassword: 'hunter2' })
      await installDropIn(stage)
      await stage.updateXen()
      before = await tokenOf(stage)
      await startWithHold(stage)
    })
    afterAll(() => stage?.destroy())

    test('the honest update is held, with all that a later seal needs', async () => {
      await predict(stage, without(18))
      const boot = await restart(stage)
      expect(boot.journal()).toContain(`${HELD}: no value was predicted for PCR 18`)
      expect(await tokenOf(stage)).toBe(before)
      const status = JSON.parse((await stage.aemReseal(['status', '--json'])).stdout)
      expect(status).toMatchObject({
        held: { why: expect.any(String) },
        next: { command: 'aem-reseal resume' },
      })
      expect(await readFile(stage.pathOf('/run/anti-evil-maid/suffix'), 'utf8')).toBe('\n')
      expect(await readFile(stage.pathOf('/run/anti-evil-maid/srk-password'), 'utf8')).toBe('hunter2\n')
      await startSealUnit(stage)
      expect(await tokenOf(stage)).toBe(before)
      // on TPM 2.0 two objects of AEM's own failed unseal are in the TPM
      const [tries, left] = [await triesOf(stage), await leftBehind(stage)]
      const gate = await stage.aemReseal(['gate'])
      expect(gate).toMatchObject({ exit: 1, stdout: expect.stringContaining(HELD) })
      expect(await triesOf(stage)).toBe(tries)
      expect(await leftBehind(stage)).toBe(left)
    })

    test.each(HARMS.filter(({ stopsReseal }) => stopsReseal !== undefined))(
      'before the first write nothing is resealed when $what',
      async ({ blocked, stopsReseal, wayOut, harm, fix }) => {
        const untouched = await listSealing(stage)
        const tries = await triesOf(stage)
        expect((await stage.run(['bash', '-c', harm(stage)])).exit).toBe(0)
        const resume = await stage
          .aemReseal(['resume', '--yes', '--json'])
          .finally(() => stage.run(['bash', '-c', fix(stage)]))
        const { steps } = JSON.parse(resume.stdout) as { steps: ResumeStep[] }
        expect([1, 4]).toContain(resume.exit)
        expect(steps.map(({ id }) => id)).not.toContain('reseal')
        const failed = steps.find(({ id }) => id === 'gate-reseal')?.facts.checks?.filter(({ ok }) => !ok)
        if (stopsReseal === 'at-gate') {
          expect(failed?.map(({ id }) => id)).toEqual(blocked)
          expect(failed?.map(({ detail }) => detail).join()).toMatch(wayOut)
        } else expect(failed).toBeUndefined()
        expect(await listSealing(stage)).toBe(untouched)
        expect(await triesOf(stage)).toBe(tries)
      },
    )

    test('nor while the TPM is in lockout', async () => {
      const untouched = await listSealing(stage)
      await lockOut(stage)
      const tries = await triesOf(stage)
      const resume = await stage.aemReseal(['resume', '--yes', '--json'])
      expect(await triesOf(stage)).toBe(tries)
      await clearLockout(stage)
      const { steps } = JSON.parse(resume.stdout) as { steps: ResumeStep[] }
      const checks = steps.find(({ id }) => id === 'gate-reseal')?.facts.checks ?? []
      expect(checks.filter(({ ok }) => !ok).map(({ id }) => id)).toEqual(['tpm-not-locked'])
      expect(checks.find(({ ok }) => !ok)?.detail).toMatch(/lockout .*(or wait|for a while)/)
      expect(steps.at(-1)?.id).toBe('gate-reseal')
      expect(await listSealing(stage)).toBe(untouched)
    })

    test('accepted: the gate lets the seal run, and the sealed files are new', async () => {
      const resume = await stage.aemReseal(['resume', '--yes'])
      expect(resume.stdout).toContain('AEM resealed: the sealed files are new')
      expect(await tokenOf(stage)).not.toBe(before)
      expect(resume.exit).toBe(3)
      expect(JSON.parse((await stage.aemReseal(['status', '--json'])).stdout).held).toBeNull()
    })

    test('the next boot shows the secret, and the session comes to its end', async () => {
      expect((await restart(stage)).secretShown).toBe(true)
      await closeSession(stage)
    })
  },
)

test('the gate holds whatever it cannot look at, in bounded time; another prediction than what boots is held', async () => {
  const stage = await settled({ tpm: '2.0' })
  try {
    await installDropIn(stage)
    await stage.updateXen()
    const before = await tokenOf(stage)
    await startWithHold(stage)
    await predict(stage, (pcrs) =>
      pcrs.map((pcr) => (pcr.index === 19 ? { ...pcr, predicted: 'f'.repeat(64) } : pcr)),
    )
    const boot = await restart(stage)
    expect(boot.journal()).toContain(`${HELD}: PCR 19 is not as it was predicted`)
    expect(await tokenOf(stage)).toBe(before)
    const left = await leftBehind(stage)
    for (const { harm, fix, says } of GATE_TROUBLE) {
      expect((await stage.run(['bash', '-c', harm])).exit, harm).toBe(0)
      const asked = boot.journal().length
      await startSealUnit(stage)
      expect((await stage.run(['bash', '-c', fix])).exit, fix).toBe(0)
      expect(boot.journal().slice(asked)).toMatch(says)
      const status = JSON.parse((await stage.aemReseal(['status', '--json'])).stdout)
      expect(status.held.why).toMatch(says)
      expect(await tokenOf(stage)).toBe(before)
    }
    expect(await leftBehind(stage)).toBe(left)
  } finally {
    await stage.destroy()
  }
})
