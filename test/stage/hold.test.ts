import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tamperedXen } from './boot-files.ts'
import { signerFingerprint } from './rpm.ts'
import { type Boot, createStage, type Stage, type StageOptions } from './stage.ts'
import { ARROW_DOWN, ENTER } from './terminal.ts'

const TOKEN = '/var/lib/tpm/aem/secret.fre.sealed2'
const HELD = "AEM's automatic seal is held"

/** A dom0 whose device shows the secret, with the packagers' key of the test trusted; switched on. */
async function settled(options: StageOptions): Promise<Stage> {
  const stage = await createStage(options)
  await stage.powerOn()
  await stage.powerOff()
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

async function bootFileName(stage: Stage, pattern: string): Promise<string> {
  if (!pattern.endsWith('*')) return pattern
  const { stdout } = await stage.run(['sh', '-c', `cd /boot && ls ${pattern}`])
  return stdout.trim().split('\n')[0] ?? ''
}

// One story told in order: each test goes on from the state the one before left.
describe.each([
  { tpm: '2.0', attacks: ATTACKS },
  { tpm: '2.0', attacks: [], srkPassword: 'hunter2' },
  { tpm: '1.2', attacks: ATTACKS.slice(0, 1), srkPassword: 'hunter2' },
] as const)('hold with TPM $tpm, SRK password $srkPassword', ({ tpm, attacks, ...more }) => {
  let stage: Stage
  let before: string

  beforeAll(async () => {
    stage = await settled({ tpm, ...more })
    await installDropIn(stage)
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
    const start = await stage.aemReseal(['start', '--protect', 'hold', '--yes'])
    expect(start.exit).toBe(3)
    expect(start.stdout).toContain("AEM's automatic seal is held already")
    expect(start.stdout).toContain('Your secret will NOT appear')
  })

  test.each(attacks)(
    'an evil maid changes $what: no seal happens, the alarm names it',
    async ({ file, change, names }) => {
      const name = await bootFileName(stage, file)
      const good = await stage.readBootFile(name)
      await stage.powerOff()
      await stage.replaceBootFile(name, change)
      const boot = await stage.powerOn()
      expect(boot.secretShown).toBe(false)
      expect(boot.journal()).toContain(HELD)
      expect(boot.journal()).not.toMatch(/Sealed \//)
      const resume = await stage.aemReseal(['resume', '--yes'])
      expect(resume.exit).toBe(4)
      expect(resume.stdout).toContain('UNEXPLAINED')
      expect(resume.stdout).toMatch(names)
      expect(resume.stdout).toContain('nothing was sealed in this boot')
      // Asked again, by hand: still no.
      expect((await stage.run(['systemctl', 'start', 'anti-evil-maid-seal.service'])).exit).toBe(0)
      expect(await tokenOf(stage)).toBe(before)
      await stage.powerOff()
      await stage.replaceBootFile(name, good)
      await stage.powerOn()
    },
  )

  test('the honest update: held, with all that a later seal needs', async () => {
    if (attacks.length === 0) await restart(stage)
    expect(await tokenOf(stage)).toBe(before)
    const status = await stage.aemReseal(['status', '--json'])
    expect(JSON.parse(status.stdout)).toMatchObject({
      held: { why: expect.any(String) },
      next: { command: 'aem-reseal resume' },
    })
    expect(await readFile(stage.pathOf('/run/anti-evil-maid/suffix'), 'utf8')).toBe('\n')
    if ('srkPassword' in more)
      expect(await readFile(stage.pathOf('/run/anti-evil-maid/srk-password'), 'utf8')).toBe('hunter2\n')
    // Not accepted yet: starting the unit asks the gate again, and returns 0 for a seal that did not run.
    expect((await stage.run(['systemctl', 'start', 'anti-evil-maid-seal.service'])).exit).toBe(0)
    expect(await tokenOf(stage)).toBe(before)
  })

  test('accepted: the gate lets the seal run, and the sealed files are new', async () => {
    const resume = await stage.aemReseal(['resume', '--yes'])
    expect(resume.stdout).toContain('AEM resealed: the sealed files are new')
    expect(await tokenOf(stage)).not.toBe(before)
    expect(resume.exit).toBe(3)
    const status = await stage.aemReseal(['status', '--json'])
    expect(JSON.parse(status.stdout).held).toBeNull()
  })

  test('the next boot shows the secret, and the session comes to its end', async () => {
    const boot = await restart(stage)
    expect(boot.secretShown).toBe(true)
    expect((await stage.aemReseal(['resume', '--yes'])).exit).toBe(0)
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

describe('a prediction that comes true', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await settled({ tpm: '2.0' })
    await installDropIn(stage)
    await stage.updateXen()
    expect((await stage.aemReseal(['start', '--protect', 'hold', '--yes'])).exit).toBe(3)
  })
  afterAll(() => stage?.destroy())

  /** Writes what is measured in this boot into the session, as a prediction made before it would say it. */
  async function predictThisBoot(
    change: (pcrs: { index: number; predicted: string }[]) => unknown,
  ): Promise<void> {
    const path = stage.pathOf('/var/lib/aem-reseal/session.json')
    const session = JSON.parse(await readFile(path, 'utf8'))
    const pcrs = await Promise.all(
      [17, 18, 19].map(async (index) => {
        const value = await readFile(stage.pathOf(`/sys/class/tpm/tpm0/pcr-sha256/${index}`), 'utf8')
        return { index, bank: 'sha256', predicted: value.trim().toLowerCase() }
      }),
    )
    const prediction = { calibrated: true, variant: null, entry: null, refusal: null, pcrs: change(pcrs) }
    await writeFile(path, JSON.stringify({ ...session, prediction }))
  }

  test('another value for one register: held', async () => {
    await restart(stage)
    const before = await tokenOf(stage)
    await predictThisBoot((pcrs) =>
      pcrs.map((pcr) => (pcr.index === 19 ? { ...pcr, predicted: 'f'.repeat(64) } : pcr)),
    )
    const boot = await restart(stage)
    expect(boot.journal()).toContain(`${HELD}: PCR 19 is not as it was predicted`)
    expect(await tokenOf(stage)).toBe(before)
  })

  test('one register without a value: held', async () => {
    await predictThisBoot((pcrs) => pcrs.map((pcr) => (pcr.index === 18 ? { ...pcr, predicted: null } : pcr)))
    const boot = await restart(stage)
    expect(boot.journal()).toContain(`${HELD}: no value was predicted for PCR 18`)
  })

  test('every register as predicted: AEM seals by itself, once', async () => {
    await predictThisBoot((pcrs) => pcrs)
    const before = await tokenOf(stage)
    const boot = await restart(stage)
    expect(boot.secretShown).toBe(false)
    expect(boot.journal()).toContain('may run: every selected PCR is as it was predicted')
    expect(boot.journal()).toMatch(/Sealed \//)
    expect(await tokenOf(stage)).not.toBe(before)
    expect((await restart(stage)).secretShown).toBe(true)
  })
})

test('without hold, AEM has sealed to what the evil maid left, and the alarm says that', async () => {
  const stage = await settled({ tpm: '2.0' })
  try {
    await stage.updateXen()
    expect((await stage.aemReseal(['start', '--protect', 'plain', '--yes'])).exit).toBe(3)
    await stage.powerOff()
    await stage.replaceBootFile('xen-4.17.4.gz', tamperedXen)
    expect((await stage.powerOn()).journal()).toMatch(/Sealed \//)
    const resume = await stage.aemReseal(['resume', '--yes'])
    expect(resume.exit).toBe(4)
    expect(resume.stdout).toContain('AEM has sealed')
  } finally {
    await stage.destroy()
  }
})
