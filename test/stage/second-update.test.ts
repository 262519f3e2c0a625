import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { makeInitramfs } from '../../src/host/simulated/initramfs.ts'
import { otherXenBuild, tamperedXen } from './boot-files.ts'
import { createUsedStage } from './kept-stage.ts'
import { kernelName, kernelPackage, xenPackages } from './releases.ts'
import { buildPackage, signerFingerprint } from './rpm.ts'
import type { Stage } from './stage.ts'
import type { TpmVersion } from './tpm.ts'

/*
 * From `start` to the restart, with real parts: a second update, AEM's own seal, and power that goes while the secrets are
 * sealed forward. Each with its evil twin.
 */

const XEN = 'xen-4.17.4.gz'
const UNFIT = 'the forward seal no longer fits: `aem-reseal cancel`, then `aem-reseal start`'
const FALSE_ALARM = /prediction was wrong|could not be compared|UNEXPLAINED|had been sealed for this state/

/** Everything sealed, in both homes. */
const listSealed = async (stage: Stage): Promise<string> =>
  (await stage.run(['sh', '-c', 'cd /var/lib/tpm && sha256sum */*; cd /boot/aem/tpms && sha256sum */*/*']))
    .stdout

/** What lies beside the sealed files, in both homes. */
const listBeside = async (stage: Stage): Promise<string> =>
  (await stage.run(['sh', '-c', 'ls -d /var/lib/tpm/aem-reseal_* /boot/aem/tpms/*/aem-reseal_* 2>/dev/null']))
    .stdout

let stage: Stage
afterEach(() => stage?.destroy())

/** Two good boots and Xen's update: the next `start` seals forward. */
async function updated(tpm: TpmVersion): Promise<Stage> {
  const made = await createUsedStage({ tpm })
  expect((await made.powerOn()).secretShown).toBe(true)
  const file = made.pathOf('/etc/aem-reseal/trusted-keys')
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(file, `${await signerFingerprint()} Stage\n`)
  await made.updateXen()
  return made
}

const START = ['start', '--yes', '--protect', 'forward-seal', '--restart', 'manual']

async function prepared(tpm: TpmVersion): Promise<Stage> {
  const made = await updated(tpm)
  const started = await made.aemReseal(START)
  expect(started.exit, started.stdout + started.stderr).toBe(3)
  return made
}

async function restart(own: Stage): Promise<boolean> {
  await own.powerOff()
  return (await own.powerOn()).secretShown
}

/** One more release of Xen, as qubes-dom0-update installs it. */
async function secondXen(own: Stage): Promise<void> {
  const packages = xenPackages('new', 'fc37').map((spec) => ({
    ...spec,
    release: '5.fc37',
    files: Object.fromEntries(
      Object.entries(spec.files).map(([file, one]) => [
        file,
        file === `/boot/${XEN}` ? { content: otherXenBuild('fc37 third') } : one,
      ]),
    ),
  }))
  await own.installPackages(packages)
}

const NEXT = kernelName('fc37', '2')

/** What dracut makes of the second kernel, each time: the form and the words of a kernel package's call (`-f`). */
const NEXT_INITRAMFS = makeInitramfs({
  release: NEXT,
  words: ' -f\n',
  dracut: '057',
  microcode: '2.1',
  firmware: '20240610',
  aem: '4.2.0',
  modules: ['ext4'],
  crypttab: '',
})

/** A further kernel: its package, the initramfs and the grub.cfg that its scripts make. */
async function secondKernel(own: Stage): Promise<void> {
  await copyFile(await buildPackage(kernelPackage('fc37', '2')), own.pathOf('/run/kernel.rpm'))
  const done = await own.run(['rpm', '--install', '--nodeps', '/run/kernel.rpm'])
  if (done.exit !== 0) throw new Error(done.stderr)
  const folder = own.pathOf(`/lib/modules/${NEXT}`)
  await mkdir(folder, { recursive: true })
  await writeFile(path.join(folder, 'modules.dep'), 'kernel/ext4.ko.xz:\n')
  await writeFile(own.pathOf('/root/made.img'), NEXT_INITRAMFS)
  await own.replaceBootFile(`initramfs-${NEXT}.img`, Buffer.from(NEXT_INITRAMFS))
  const made = await own.run(['grub2-mkconfig', '-o', '/boot/grub2/grub.cfg'])
  if (made.exit !== 0) throw new Error(made.stderr)
}

/** The stage's dracut makes other bytes each time; this one makes what the kernel's scripts made. */
async function useSteadyDracut(own: Stage): Promise<void> {
  const script = `#!/bin/bash\n[ "$1" = -f ] && [ "$3" = ${NEXT} ] && cp /root/made.img "$2"\n`
  await writeFile(own.pathOf('/root/dracut'), script, { mode: 0o755 })
  const done = await own.run(['mount', '--bind', '/root/dracut', '/usr/bin/dracut'])
  if (done.exit !== 0) throw new Error(done.stderr)
}

async function expectUnfit(own: Stage, named: RegExp): Promise<void> {
  const before = await listSealed(own)
  const status = await own.aemReseal(['status'])
  expect(status.stdout.replaceAll(/\s+/g, ' ')).toContain(UNFIT)
  expect(status.stdout.replaceAll(/\s+/g, ' ')).toMatch(named)
  const told = JSON.parse((await own.aemReseal(['devices', '--json'])).stdout)
  expect(told.prepared.state).toBe('outdated')
  const explained = await own.aemReseal(['explain', '--json'])
  expect(JSON.parse(explained.stdout)).toMatchObject({
    verdict: 'unchanged',
    prepared: { state: 'outdated' },
  })
  expect(explained.exit).toBe(1)
  const resumed = await own.aemReseal(['resume', '--yes', '--json'])
  expect(JSON.parse(resumed.stdout)).toMatchObject({ outcome: 'forward-seal-outdated', exit: 1 })
  expect(resumed.exit).toBe(1)
  expect(await listSealed(own)).toBe(before)
}

const EXPLAINED = 'signed packages that came after `start`'

describe.each(['2.0', '1.2'] as const)('a second update while a session is open, on TPM %s', (tpm) => {
  test('another Xen is seen; taken back and made again, the first boot shows the secret', async () => {
    stage = await prepared(tpm)
    await secondXen(stage)
    await expectUnfit(stage, /xen-hypervisor 2001:4\.17\.4-5\.fc37 was installed since/)
    expect((await stage.aemReseal(['cancel'])).exit).toBe(0)
    const again = await stage.aemReseal(START)
    expect(again.exit, again.stdout).toBe(3)
    expect(await restart(stage)).toBe(true)
    expect((await stage.aemReseal(['resume', '--yes'])).exit).toBe(0)
  })

  test('restarted all the same, Xen and a kernel are explained by their packages', async () => {
    stage = await prepared(tpm)
    await secondXen(stage)
    await secondKernel(stage)
    await expectUnfit(stage, /kernel 1000:6\.6\.36-2\.qubes\.fc37 was installed since/)
    expect(await restart(stage)).toBe(false)
    await useSteadyDracut(stage)
    const explained = await stage.aemReseal(['explain', '--json'])
    expect(JSON.parse(explained.stdout).verdict, explained.stdout).toBe('explained')
    expect(explained.exit).toBe(0)
    const resumed = await stage.aemReseal(['resume', '--yes'])
    expect(resumed.exit, resumed.stdout).toBe(3)
    expect(resumed.stdout.replaceAll(/\s+/g, ' ')).toContain(EXPLAINED)
    expect(resumed.stdout).not.toMatch(FALSE_ALARM)
    expect(await restart(stage)).toBe(true)
    const done = await stage.aemReseal(['resume', '--yes'])
    expect(done.exit, done.stdout).toBe(0)
  })

  test('an evil twin: behind the honest kernel Xen was changed while the machine was off', async () => {
    stage = await prepared(tpm)
    await secondKernel(stage)
    await stage.replaceBootFile(XEN, tamperedXen)
    expect(await restart(stage)).toBe(false)
    await useSteadyDracut(stage)
    expect((await stage.aemReseal(['explain', '--json'])).exit).toBe(4)
    const resumed = await stage.aemReseal(['resume', '--yes'])
    expect(resumed.exit).toBe(4)
    expect(resumed.stdout).toContain('UNEXPLAINED')
  })

  test('an evil twin: the initramfs of the honest kernel is not the one that dom0 makes', async () => {
    stage = await prepared(tpm)
    await secondKernel(stage)
    await stage.replaceBootFile(`initramfs-${NEXT}.img`, (old) => Buffer.concat([old, Buffer.from('evil')]))
    await restart(stage)
    await useSteadyDracut(stage)
    const resumed = await stage.aemReseal(['resume', '--yes'])
    expect(resumed.exit).toBe(4)
    expect(resumed.stdout).toContain(`/initramfs-${NEXT}.img`)
  })
})

describe.each(['2.0', '1.2'] as const)("AEM's own seal before the restart, on TPM %s", (tpm) => {
  // On TPM 1.2 AEM removes the cache of the boot after its seal, and by hand wants the suffix and a terminal.
  const byHand = ['sh', '-c', "setsid anti-evil-maid-seal '' </dev/null"]

  test('is seen; after it every register is as predicted, and nothing else is blamed', async () => {
    stage = await prepared(tpm)
    const before = await listSealed(stage)
    const sealed = await stage.run(byHand)
    expect(await listSealed(stage), sealed.stdout + sealed.stderr).not.toBe(before)
    await expectUnfit(stage, /AEM's sealed files are others/)
    expect(await restart(stage)).toBe(false)
    const resumed = await stage.aemReseal(['resume', '--yes'])
    expect(resumed.exit, resumed.stdout).toBe(3)
    expect(resumed.stdout.replaceAll(/\s+/g, ' ')).toContain('every register is as predicted')
    expect(resumed.stdout).not.toMatch(FALSE_ALARM)
    expect(await restart(stage)).toBe(true)
    expect((await stage.aemReseal(['resume', '--yes'])).exit).toBe(0)
  })

  test('an evil twin: another Xen booted too', async () => {
    stage = await prepared(tpm)
    await stage.run(byHand)
    await stage.replaceBootFile(XEN, tamperedXen)
    expect(await restart(stage)).toBe(false)
    const resumed = await stage.aemReseal(['resume', '--yes'])
    expect(resumed.exit).toBe(4)
    expect(resumed.stdout).not.toContain('every register is as predicted')
  })
})

/** Runs `start` up to its first exchange, and pulls the plug there: nothing is switched, both new sets are written. */
async function cutInForwardSeal(own: Stage): Promise<void> {
  const script = '#!/bin/sh\ntouch /run/reached\nsleep 600\n'
  await writeFile(own.pathOf('/root/python3'), script, { mode: 0o755 })
  const done = await own.run(['mount', '--bind', '/root/python3', '/usr/bin/python3'])
  if (done.exit !== 0) throw new Error(done.stderr)
  const running = own.startAemReseal(START)
  const isReached = async () => (await own.run(['test', '-e', '/run/reached'])).exit === 0
  for (let rounds = 0; !(await isReached()); rounds++) {
    if (rounds > 600) throw new Error('`start` came to no exchange')
    await setTimeout(100)
  }
  expect(await listBeside(own)).not.toBe('')
  await own.cutPower()
  await running.finished.catch(() => undefined)
}

describe.each(['2.0', '1.2'] as const)('a power cut inside the forward seal, on TPM %s', (tpm) => {
  test('is told calmly, and nothing half-written stays', async () => {
    stage = await updated(tpm)
    await cutInForwardSeal(stage)
    expect((await stage.powerOn()).secretShown).toBe(false)
    const resumed = await stage.aemReseal(['resume', '--yes'])
    expect(resumed.exit, resumed.stdout).toBe(3)
    expect(resumed.stdout.replaceAll(/\s+/g, ' ')).toContain('the forward seal was not brought to its end')
    expect(resumed.stdout).not.toMatch(FALSE_ALARM)
    expect(await listBeside(stage)).toBe('')
    expect(await restart(stage)).toBe(true)
    expect((await stage.aemReseal(['resume', '--yes'])).exit).toBe(0)
    expect(await listBeside(stage)).toBe('')
  })

  test('an evil twin: Xen was changed while the power was off', async () => {
    stage = await updated(tpm)
    await cutInForwardSeal(stage)
    await stage.replaceBootFile(XEN, tamperedXen)
    expect((await stage.powerOn()).secretShown).toBe(false)
    const resumed = await stage.aemReseal(['resume', '--yes'])
    expect(resumed.exit).toBe(4)
    expect(resumed.stdout).toContain('UNEXPLAINED')
  })
})
