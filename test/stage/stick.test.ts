import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createUsedStage } from './kept-stage.ts'
import { leftBehind } from './left-behind.ts'
import { withMounted } from './media.ts'
import { signerFingerprint } from './rpm.ts'
import type { Stage } from './stage.ts'
import { ARROW_DOWN, ENTER, type TerminalSession } from './terminal.ts'
import type { TpmVersion } from './tpm.ts'
import { verify } from './verified.ts'

/*
 * A removable stick: AEM's seal copies to it, unmounts it, and ends only when it is unplugged. lsblk says that a disk is
 * removable by /sys/block/NAME/removable; the stage mounts a 1 over that of its loop device (namespace/boot.sh).
 */

const LABEL = 'aem.stick'
/** A long UUID before it can break the line. */
const NOT_THERE = /is\s+not\s+plugged\s+in/
const TOKEN = 'secret.fre.sealed2'
const SEAL = 'anti-evil-maid-seal.service'

async function script(stage: Stage, text: string): Promise<string> {
  const done = await stage.run(['bash', '-ec', text])
  if (done.exit !== 0) throw new Error(`${text} ended with ${done.exit}: ${done.stdout}${done.stderr}`)
  return done.stdout.trim()
}

/** A stick that was sealed and updated, the session before its restart; then the first boot, in which AEM has not sealed. */
async function updated(tpm: TpmVersion): Promise<Stage> {
  const stage = await createUsedStage({
    tpm,
    devices: [{ suffix: '.stick', external: true, removable: true }],
  })
  expect((await stage.powerOn()).secretShown).toBe(true)
  const trust = `mkdir -p /etc/aem-reseal; echo ${await signerFingerprint()} test key >/etc/aem-reseal/trusted-keys`
  await script(stage, trust)
  await stage.updateXen()
  await stage.refreshDevice('.stick')
  const start = await stage.aemReseal(['start', '--protect', 'plain', '--restart', 'manual', '--yes'])
  expect(start.exit).toBe(3)
  await stage.powerOff()
  expect((await stage.powerOn({ seal: false })).secretShown).toBe(false)
  return stage
}

const wordsOf = (terminal: TerminalSession): string => terminal.screen().replaceAll(/\s+/g, ' ')

async function answerSecond(terminal: TerminalSession, question: string): Promise<void> {
  await terminal.waitFor(question, 120_000)
  terminal.type(ARROW_DOWN)
  terminal.type(ENTER)
}

/** Is a process of AEM's seal alive in dom0? */
const isSealing = async (stage: Stage): Promise<boolean> =>
  (await stage.run(['pgrep', '-f', '/usr/sbin/anti-evil-maid-sea[l]'])).exit === 0

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 50))
}

const ownCopy = (stage: Stage, folder: string): Promise<Buffer> =>
  script(stage, 'readlink /var/lib/tpm').then((link) =>
    readFile(path.join(folder, 'aem', link, LABEL, TOKEN)),
  )

/** Is what lies on the stick what dom0 sealed? Looked at by the stage, which has it whether dom0 does or not. */
async function isCopied(stage: Stage): Promise<boolean> {
  const disk = stage.devices[0]?.disk.name ?? ''
  const own = await withMounted(stage.holder, disk, 'probe', (folder) => ownCopy(stage, folder))
  return own.equals(await readFile(stage.pathOf(`/var/lib/tpm/${LABEL}/${TOKEN}`)))
}

// Each story is told in order: a test goes on from the state the one before left.
describe.each(['2.0', '1.2'] as const)('a reseal to a removable stick on TPM %s', (tpm) => {
  let stage: Stage
  let terminal: TerminalSession

  beforeAll(async () => {
    stage = await updated(tpm)
  })
  afterAll(() => stage?.destroy())

  test('a stick that is not there is no alarm; nothing is written without it', async () => {
    const before = await script(stage, `sha256sum /var/lib/tpm/${LABEL}/* /var/lib/anti-evil-maid/*/*`)
    await stage.unplug('.stick')
    const gone = await stage.aemReseal(['resume', '--yes'])
    expect(gone.exit).toBe(1)
    expect(gone.stdout.replaceAll(/\s+/g, ' ')).toContain('so nothing that it carries can be compared')
    expect(gone.stdout).not.toContain('UNEXPLAINED')
    expect(await script(stage, `sha256sum /var/lib/tpm/${LABEL}/* /var/lib/anti-evil-maid/*/*`)).toBe(before)
    await stage.plug('.stick')
  })

  test('the words to unplug it come when the copy is on it and it is unmounted, not before', async () => {
    terminal = stage.aemResealPty(['resume'])
    await answerSecond(terminal, 'Accept the explained change')
    await terminal.waitFor('leave it in until the words to unplug it appear here', 120_000)
    expect(terminal.screen()).not.toContain('UNPLUG the stick now')
    await terminal.waitFor('UNPLUG the stick now', 120_000)
    expect(await script(stage, `lsblk -dnro MOUNTPOINT /dev/disk/by-label/${LABEL}`)).toBe('')
    expect(await isCopied(stage)).toBe(true)
  })

  test('the seal is not cut short while the stick stays in', async () => {
    for (let looks = 0; looks < 5; looks++) {
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      expect(await isSealing(stage)).toBe(true)
    }
    expect(terminal.screen()).not.toContain('AEM resealed')
  })

  test('unplugged, the seal ends by itself; nothing is claimed of a stick that is not there', async () => {
    await stage.unplug('.stick')
    await terminal.waitFor(NOT_THERE, 120_000)
    expect(await isSealing(stage)).toBe(false)
    expect(wordsOf(terminal)).toContain('AEM resealed: the sealed files are new')
    expect(wordsOf(terminal)).not.toContain('aem.stick: the sealed copies fit this boot')
  })

  test('asked for again and plugged in, it is verified', async () => {
    await stage.plug('.stick')
    terminal.type(ARROW_DOWN)
    terminal.type(ENTER)
    await terminal.waitFor('aem.stick: the sealed copies fit this boot', 120_000)
    expect(await terminal.finished).toBe(3)
    expect((await verify(stage)).exit).toBe(0)
    expect(await leftBehind(stage)).toBe('')
  })

  test('the next boot shows the secret; the stick that its seal wanted out is asked for again', async () => {
    await stage.powerOff()
    expect((await stage.powerOn()).secretShown).toBe(true)
    await stage.unplug('.stick')
    terminal = stage.aemResealPty(['resume'])
    await terminal.waitFor(NOT_THERE, 120_000)
    await stage.plug('.stick')
    terminal.type(ARROW_DOWN)
    terminal.type(ENTER)
    await answerSecond(terminal, 'Did your own secret appear')
    expect(await terminal.finished).toBe(0)
    expect(wordsOf(terminal)).toContain('aem.stick: the sealed copies fit this boot')
    expect(wordsOf(terminal)).not.toContain('UNEXPLAINED')
  })
})

describe('a reseal to a removable stick that does not go by the book', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await updated('2.0')
  })
  afterAll(() => stage?.destroy())

  test('Ctrl-C: the seal comes to its end first, and no words of it are lost', async () => {
    const terminal = stage.aemResealPty(['resume'])
    await answerSecond(terminal, 'Accept the explained change')
    await terminal.waitFor('leave it in until the words to unplug it appear here', 120_000)
    await until(() => isSealing(stage))
    // what Ctrl-C sends; typed, it would also end the nsenter that the terminal was opened with
    await script(stage, "pkill -INT -f '[a]em-reseal.mjs resume'")
    await terminal.waitFor('UNPLUG the stick now', 120_000)
    expect(await isSealing(stage)).toBe(true)
    await stage.unplug('.stick')
    expect(await terminal.finished).toBe(130)
    expect(await isSealing(stage)).toBe(false)
    expect(await isCopied(stage)).toBe(true)
  })

  test('with the stick again it verifies, and the next boot shows the secret', async () => {
    await stage.plug('.stick')
    expect((await verify(stage)).exit).toBe(0)
    await stage.powerOff()
    expect((await stage.powerOn()).secretShown).toBe(true)
  })
})

describe('a stick that is left in until systemd gives the automatic seal up', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await updated('2.0')
  })
  afterAll(() => stage?.destroy())

  test('its unit failed, but it sealed and copied: resume says so, and does not seal again', async () => {
    // as after the 300 s of AEM's own unit
    await script(
      stage,
      `mkdir -p /run/systemd/system/${SEAL}.d; printf '[Service]\\nTimeoutStartSec=12\\n' >/run/systemd/system/${SEAL}.d/soon.conf; systemctl daemon-reload`,
    )
    expect((await stage.run(['systemctl', 'start', SEAL])).exit).toBe(1)
    expect(await script(stage, `systemctl show --property=Result --value ${SEAL}`)).toBe('timeout')
    expect(await isCopied(stage)).toBe(true)
    const token = await readFile(stage.pathOf(`/var/lib/tpm/${LABEL}/${TOKEN}`))
    const resumed = await stage.aemReseal(['resume', '--yes', '--json'])
    const steps = JSON.parse(resumed.stdout).steps as { id: string; outcome: string }[]
    const outcomes = Object.fromEntries(steps.map(({ id, outcome }) => [id, outcome]))
    expect(outcomes).toMatchObject({
      explain: 'explained',
      'accept-change': 'already-sealed',
      verify: 'verified',
    })
    expect(resumed.exit).toBe(3)
    expect((await readFile(stage.pathOf(`/var/lib/tpm/${LABEL}/${TOKEN}`))).equals(token)).toBe(true)
    await stage.powerOff()
    expect((await stage.powerOn()).secretShown).toBe(true)
  })
})
