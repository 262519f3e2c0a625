import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createStage } from './kept-stage.ts'
import { leftBehind } from './left-behind.ts'
import { signerFingerprint } from './rpm.ts'
import type { Stage, StageOptions } from './stage.ts'
import { ARROW_DOWN, ENTER } from './terminal.ts'
import { checksOf, verify } from './verified.ts'

/*
 * Devices with boot files of their own: brought up to date by the program, and sealed forward for a boot of their own.
 * dracut, grub2-mkconfig and systemd-run stand in (README.md); copies, file systems, TPM and AEM's seal are real.
 */

type Json = {
  readonly exit: number
  readonly outcome: string
  readonly steps: readonly { readonly id: string; readonly outcome: string; readonly facts: unknown }[]
}

async function json(stage: Stage, args: readonly string[]): Promise<Json> {
  const { exit, stdout, stderr } = await stage.aemReseal([...args, '--json'])
  try {
    return { ...JSON.parse(stdout), exit }
  } catch {
    throw new Error(`no JSON from ${args.join(' ')} (exit ${exit}):\n${stdout}\n${stderr}`)
  }
}

async function sh(stage: Stage, script: string): Promise<string> {
  const done = await stage.run(['sh', '-c', script])
  expect(done.exit, `${script}: ${done.stderr}`).toBe(0)
  return done.stdout
}

/**
 * The stage's signer known, and each device sealed in a boot of its own: with TPM 1.2 in a slot of its own, with TPM 2.0 in
 * slot 0, which AEM gives to every device and the only one it reads there.
 */
async function prepared(options: StageOptions): Promise<Stage> {
  const stage = await createStage(options)
  await stage.powerOn()
  for (const [slot, { label }] of options.tpm === '1.2' ? stage.devices.entries() : [])
    await sh(stage, `echo ${slot} >/var/lib/anti-evil-maid/${label}/tpm-freshness-slot`)
  const file = stage.pathOf('/etc/aem-reseal/trusted-keys')
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(file, `${await signerFingerprint()} Stage\n`)
  // The device of the last boot is the one the stories go on with.
  for (const { suffix } of [...stage.devices].reverse())
    for (const expected of [false, true]) {
      await stage.powerOff()
      const boot = await stage.powerOn({ from: suffix })
      if (expected) expect(boot.secretShown, `aem${suffix}: ${boot.journal()}`).toBe(true)
    }
  return stage
}

/** Answers yes in a terminal, and gives what was on the screen. */
async function refreshInTerminal(stage: Stage, label: string): Promise<{ exit: number; screen: string }> {
  const terminal = stage.aemResealPty(['devices', 'refresh', label], { rows: 60 })
  await terminal.waitFor(`Bring ${label} up to date now?`, 120_000)
  terminal.type(ARROW_DOWN + ENTER)
  return { exit: await terminal.finished, screen: terminal.screen() }
}

const mountedAt = (label: string, script: string): string =>
  `mount /dev/disk/by-label/${label} /mnt && { ( ${script} ); }; umount /mnt`

const TWO = [{}, { suffix: '.stick', external: true }]

describe.each(['2.0', '1.2'] as const)('a second device on TPM %s', (tpm) => {
  let stage: Stage
  beforeAll(async () => {
    stage = await prepared({ tpm, devices: TWO })
    await stage.updateXen()
  })
  afterAll(() => stage?.destroy())

  test('is left to do after the update was booted from the first one, sealed forward', async () => {
    expect((await json(stage, ['start', '--yes', '--restart', 'manual'])).exit).toBe(3)
    await stage.powerOff()
    expect((await stage.powerOn({ from: '' })).secretShown).toBe(true)
    const resumed = await json(stage, ['resume', '--yes'])
    expect(resumed.steps.at(-1)).toMatchObject({ id: 'finish', outcome: 'devices-left' })
    expect(resumed.exit).toBe(3)
    const { stdout } = await stage.aemReseal(['devices', '--json'])
    const { devices } = JSON.parse(stdout) as { devices: { label: string; work: { needs?: string } }[] }
    expect(devices.find(({ label }) => label === 'aem.stick')?.work).toMatchObject({ needs: 'refresh' })
  })

  test('is not sealed forward as long as it would boot the old Xen', async () => {
    const refused = await json(stage, ['devices', 'forward-seal', 'aem.stick', '--yes'])
    expect(refused.steps).toMatchObject([
      { id: 'check-ground', outcome: 'vouched' },
      { id: 'check-device', outcome: 'blocked' },
    ])
    expect(refused.exit).toBe(1)
  })

  test('is not written to without a yes, and --yes is none', async () => {
    const digests = mountedAt('aem.stick', 'cd /mnt; find . -type f -exec sha256sum {} + | sort')
    const before = await sh(stage, digests)
    const kept = await json(stage, ['devices', 'refresh', 'aem.stick', '--yes'])
    expect(kept.steps).toMatchObject([{ id: 'check-refresh', outcome: 'kept' }])
    expect(await sh(stage, digests)).toBe(before)
  })

  test.each([
    [
      'no space is left on it',
      mountedAt('aem.stick', 'dd if=/dev/zero of=/mnt/filler bs=64k 2>/dev/null || :'),
      mountedAt('aem.stick', 'rm /mnt/filler'),
      'device-space',
    ],
    [
      "dom0's own Xen is not the package's",
      'cp -a /boot/xen-4.17.4.gz /root; echo >>/boot/xen-4.17.4.gz',
      'cp -a /root/xen-4.17.4.gz /boot',
      'sources',
    ],
    [
      'grub2 on it is a link',
      mountedAt('aem.stick', 'mv /mnt/grub2 /mnt/kept; ln -s kept /mnt/grub2'),
      mountedAt('aem.stick', 'rm /mnt/grub2; mv /mnt/kept /mnt/grub2'),
      'grub-directory',
    ],
  ])('is not written to when %s', async (_what, harm, fix, id) => {
    await sh(stage, harm)
    const blocked = await json(stage, ['devices', 'refresh', 'aem.stick', '--yes'])
    await sh(stage, fix)
    expect(blocked.steps).toMatchObject([{ id: 'check-refresh', outcome: 'blocked' }])
    const { checks } = blocked.steps[0]!.facts as { checks: { id: string; ok: boolean | null }[] }
    expect(checks.filter(({ ok }) => ok !== true).map((check) => check.id)).toContain(id)
  })

  test('is not written to when its switch is on read-only', async () => {
    await stage.readOnlyMedia(true, '.stick')
    const blocked = await json(stage, ['devices', 'refresh', 'aem.stick', '--yes']).finally(() =>
      stage.readOnlyMedia(false, '.stick'),
    )
    expect(blocked.steps).toMatchObject([{ id: 'check-refresh', outcome: 'blocked' }])
  })

  test('is brought up to date on request, and leaves /boot of dom0 and everything else alone', async () => {
    const boot = await sh(stage, 'cd /boot; find . -type f -exec sha256sum {} + | sort')
    const { exit, screen } = await refreshInTerminal(stage, 'aem.stick')
    expect(screen).toContain('was read again')
    expect(exit).toBe(0)
    expect(await sh(stage, 'cd /boot; find . -type f -exec sha256sum {} + | sort')).toBe(boot)
    const [xen, own] = (
      await sh(stage, mountedAt('aem.stick', 'sha256sum </mnt/xen-4.17.4.gz; sha256sum </boot/xen-4.17.4.gz'))
    ).split('\n')
    expect(xen).toBe(own)
    expect(await sh(stage, mountedAt('aem.stick', 'find /mnt -name "*aem-reseal*" -o -name "*.new"'))).toBe(
      '',
    )
    expect(await leftBehind(stage)).toBe('')
  })

  test('is not sealed forward where somebody changed the initramfs since', async () => {
    await sh(
      stage,
      mountedAt('aem.stick', 'cp -a /mnt/initramfs-*.img /root; echo evil >>"$(echo /mnt/initramfs-*.img)"'),
    )
    const refused = await json(stage, ['devices', 'forward-seal', 'aem.stick', '--yes'])
    await sh(stage, mountedAt('aem.stick', 'cp -a /root/initramfs-*.img /mnt'))
    expect(refused.steps.at(-1)).toMatchObject({ id: 'predict', outcome: 'unvouched' })
    expect(refused.exit).toBe(1)
  })

  test('is sealed forward, and its first boot shows the secret: no blind boot', async () => {
    const sealed = await json(stage, ['devices', 'forward-seal', 'aem.stick', '--yes'])
    expect(sealed.steps.at(-1), JSON.stringify(sealed.steps.at(-1))).toMatchObject({
      id: 'keep-forward',
      outcome: 'kept',
    })
    expect(sealed.exit).toBe(0)
    expect(await leftBehind(stage)).toBe('')
    const before = await verify(stage, '--device', 'aem.stick')
    expect(checksOf(before.devices, 'aem.stick')).toMatchObject({ policy: null, 'unseal-txt': null })
    await stage.powerOff()
    const boot = await stage.powerOn({ from: '.stick' })
    expect(boot.journal()).toContain('Freshness token valid, continuing.')
    expect(boot.secretShown).toBe(true)
    expect((await verify(stage, '--device', 'aem.stick')).exit).toBe(0)
    // The other one is not bad because this boot is none of its own; with TPM 2.0 its token is gone all the same.
    const both = await verify(stage)
    expect(checksOf(both.devices, 'aem')).toMatchObject({
      policy: true,
      'unseal-txt': null,
      freshness: tpm === '2.0' ? false : null,
    })
    expect(both.exit).toBe(1)
    const { stdout: told } = await stage.aemReseal(['verify'])
    expect(told).toContain(
      tpm === '2.0' ? 'aem: no secret would appear at its next boot' : 'not everything could be checked',
    )
    expect(told).not.toContain('anti-evil-maid-seal')
    const { stdout } = await stage.aemReseal(['devices', '--json'])
    const { devices } = JSON.parse(stdout) as { devices: { label: string; work: unknown }[] }
    expect(devices.map(({ label, work }) => [label, work])).toEqual([
      ['aem', { state: 'done' }],
      ['aem.stick', { state: 'done' }],
    ])
  })

  test('and so does the next boot from the first one, sealed forward where they share a slot', async () => {
    const back = await json(stage, ['devices', 'forward-seal', 'aem', '--yes'])
    const last = tpm === '2.0' ? 'keep-forward: kept' : 'check-device: nothing-to-do'
    expect(`${back.steps.at(-1)?.id}: ${back.steps.at(-1)?.outcome}`).toBe(last)
    expect(back.exit).toBe(0)
    await stage.powerOff()
    expect((await stage.powerOn({ from: '' })).secretShown).toBe(true)
  })

  test('an attacked boot from the second one, which AEM sealed by itself, makes its copy no good one', async () => {
    await sh(
      stage,
      mountedAt('aem.stick', 'cp -a /mnt/initramfs-*.img /root; echo evil >>"$(echo /mnt/initramfs-*.img)"'),
    )
    await stage.powerOff()
    expect((await stage.powerOn({ from: '.stick' })).secretShown).toBe(false)
    expect((await verify(stage, '--device', 'aem.stick')).exit).toBe(1)
    await stage.powerOff()
    await stage.powerOn({ from: '' })
    const { devices, exit } = await verify(stage, '--device', 'aem.stick')
    expect(checksOf(devices, 'aem.stick')).toMatchObject({ policy: null, 'unseal-txt': null })
    expect(exit).toBe(1)
  })
})

test('a stale stick that dom0 boots from: up to date, sealed forward, and the secret at its first boot', async () => {
  const stage = await prepared({ tpm: '2.0', devices: [{ suffix: '.stick', external: true }] })
  try {
    await stage.updateXen()
    const stale = await json(stage, ['start', '--yes', '--restart', 'manual'])
    expect(stale.steps.slice(-2)).toMatchObject([
      { id: 'check-boot-device', outcome: 'stale' },
      { id: 'check-refresh', outcome: 'kept' },
    ])
    expect(stale.exit).toBe(1)
    expect((await refreshInTerminal(stage, 'aem.stick')).exit).toBe(0)
    expect((await json(stage, ['start', '--yes', '--restart', 'manual'])).exit).toBe(3)
    await stage.powerOff()
    expect((await stage.powerOn()).secretShown).toBe(true)
    const resumed = await json(stage, ['resume', '--yes'])
    expect(resumed.exit).toBe(0)
  } finally {
    await stage.destroy()
  }
})
