import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { beginForward, blockedBy, sealForwardJson } from './forward.ts'
import { createStage } from './kept-stage.ts'
import { leftBehind } from './left-behind.ts'
import { signerFingerprint } from './rpm.ts'
import type { Boot, Stage } from './stage.ts'
import { ARROW_DOWN, ENTER, type TerminalSession } from './terminal.ts'
import type { TpmVersion } from './tpm.ts'
import { checksOf, detailOf, verify } from './verified.ts'

/*
 * Two devices that got the same freshness slot by AEM's own hand (assignslottosuffix of 4.2.0 looks for the slots of
 * others by a quoted glob). On TPM 1.2: found, explained, repaired when a person says so, and resealed. On TPM 2.0 AEM's
 * initrd reads slot 0 alone, so nothing is moved. With AEM_SCRIPTS it is the real AEM that does both.
 */

const STATE = '/var/lib/anti-evil-maid'
const QUESTION = 'Give aem.stick a freshness slot of its own?'
const DEVICES = [{}, { suffix: '.stick', external: true }]

const slotOf = (stage: Stage, label: string) =>
  readFile(stage.pathOf(`${STATE}/${label}/tpm-freshness-slot`), 'utf8')

async function script(stage: Stage, text: string): Promise<string> {
  const done = await stage.run(['bash', '-ec', text])
  if (done.exit !== 0) throw new Error(`${text} ended with ${done.exit}: ${done.stdout}${done.stderr}`)
  return done.stdout
}

async function restart(stage: Stage, from?: string): Promise<Boot> {
  await stage.powerOff()
  return stage.powerOn(from === undefined ? {} : { from })
}

/** dom0's files, the sealed files of both homes, and the TPM's eight slots. */
async function everything(stage: Stage): Promise<string> {
  const nv =
    stage.tpm.version === '2.0'
      ? `export TPM2TOOLS_TCTI=device:/dev/tpm0
         tpm2_startauthsession -S /tmp/look --policy-session
         tpm2_policycommandcode -Q -S /tmp/look TPM2_CC_NV_Read
         tpm2_nvread 0x454d -P session:/tmp/look | xxd -p
         tpm2_flushcontext /tmp/look; rm /tmp/look`
      : `ran=$(pgrep -x tcsd || :); systemctl start tcsd
         tpm_nvread -i 0x454d -s 160 -f /tmp/look >/dev/null; xxd -p /tmp/look; rm /tmp/look
         [ -n "$ran" ] || systemctl stop tcsd`
  return script(
    stage,
    `cd ${STATE}; sha256sum */*; cd /var/lib/tpms; sha256sum */*/*; cd /boot/aem/tpms; sha256sum */*/*\n${nv}`,
  )
}

/** A stage whose devices have no slot yet, so that AEM assigns them at its first seal of each. */
async function unassigned(tpm: TpmVersion): Promise<Stage> {
  const stage = await createStage({ tpm, devices: DEVICES })
  await stage.powerOn({ seal: false })
  await script(stage, `rm ${STATE}/aem/tpm-freshness-slot ${STATE}/aem.stick/tpm-freshness-slot`)
  await stage.powerOff()
  return stage
}

/** What the terminal shows, as one line: sentences are broken to its width. */
const wordsOf = (terminal: TerminalSession): string => terminal.screen().replaceAll(/\s+/g, ' ')

async function answerYes(terminal: TerminalSession, question: string): Promise<void> {
  await terminal.waitFor(question, 120_000)
  terminal.type(ARROW_DOWN)
  terminal.type(ENTER)
}

/** Boots from both devices, so that AEM's seals assign their slots, and from the first again. */
async function letAemAssign(stage: Stage): Promise<void> {
  const first = await stage.powerOn()
  expect(first.journal()).toContain("Suffix '' not in DB, attempting to create...")
  const second = await restart(stage, '.stick')
  expect(second.journal()).toContain("Suffix '.stick' not in DB, attempting to create...")
  expect([await slotOf(stage, 'aem'), await slotOf(stage, 'aem.stick')]).toEqual(['0\n', '0\n'])
  const third = await restart(stage)
  expect(third.secretShown).toBe(false)
  expect(third.journal()).toContain('Freshness token invalid!')
}

/** An update on both devices, the session before its restart, and the first boot after it; AEM has not sealed there. */
async function updateBoth(stage: Stage): Promise<void> {
  // `start` wants a boot that showed the secret.
  expect((await restart(stage)).secretShown).toBe(true)
  const trust = `mkdir -p /etc/aem-reseal; echo ${await signerFingerprint()} test key >/etc/aem-reseal/trusted-keys`
  await script(stage, trust)
  await stage.updateXen()
  await stage.refreshDevice('.stick')
  const start = await stage.aemReseal(['start', '--protect', 'plain', '--restart', 'manual', '--yes'])
  expect(start.exit).toBe(3)
  await stage.powerOff()
  await stage.powerOn({ seal: false })
}

// Each story is told in order: a test goes on from the state the one before left.
describe('equal freshness slots on TPM 1.2', () => {
  let stage: Stage
  let before: string

  beforeAll(async () => {
    stage = await unassigned('1.2')
  })
  afterAll(() => stage?.destroy())

  test('AEM gives both devices slot 0, and the seal of one strands the other', async () => {
    await letAemAssign(stage)
    before = await everything(stage)
  })

  test('verify and devices tell of it', async () => {
    const { devices } = await verify(stage, '--device', 'aem')
    expect(detailOf(devices, 'freshness')).toContain('aem.stick uses the same slot')
    const list = JSON.parse((await stage.aemReseal(['devices', '--json'])).stdout).devices
    expect(list).toEqual([
      expect.objectContaining({ label: 'aem', slot: 0, sharesSlotWith: ['aem.stick'] }),
      expect.objectContaining({ label: 'aem.stick', slot: 0, sharesSlotWith: ['aem'] }),
    ])
  })

  test('--yes repairs nothing, and says what it means', async () => {
    const kept = await stage.aemReseal(['devices', 'repair-slots', '--yes'])
    expect(kept.exit).toBe(1)
    expect(kept.stdout).toContain('same freshness slot: aem and aem.stick (slot 0); nothing was changed')
    expect(await everything(stage)).toBe(before)
  })

  test('declined: nothing is changed', async () => {
    const terminal = stage.aemResealPty(['devices', 'repair-slots'])
    await terminal.waitFor(QUESTION, 120_000)
    expect(wordsOf(terminal)).toContain(
      'after each seal of one device the other shows no secret at its next boot',
    )
    expect(wordsOf(terminal)).toContain('aem.stick from slot 0 to slot 1')
    terminal.type(ENTER)
    expect(await terminal.finished).toBe(1)
    expect(await everything(stage)).toBe(before)
    expect(await leftBehind(stage)).toBe('')
  })

  test('no free slot: nothing is asked, nothing is changed', async () => {
    await script(
      stage,
      `for n in 1 2 3 4 5 6 7; do mkdir ${STATE}/aem.old$n; echo $n >${STATE}/aem.old$n/tpm-freshness-slot; done`,
    )
    const full = await everything(stage)
    const terminal = stage.aemResealPty(['devices', 'repair-slots'])
    expect(await terminal.finished).toBe(1)
    expect(wordsOf(terminal)).toContain('no slot is free for aem.stick')
    expect(terminal.raw()).not.toContain(QUESTION)
    expect(await everything(stage)).toBe(full)
    await script(stage, `rm -r ${STATE}/aem.old*`)
    expect(await everything(stage)).toBe(before)
  })

  test('on request the stick gets the next slot, by its slot file alone', async () => {
    const terminal = stage.aemResealPty(['devices', 'repair-slots'])
    await answerYes(terminal, QUESTION)
    expect(await terminal.finished).toBe(0)
    expect([await slotOf(stage, 'aem'), await slotOf(stage, 'aem.stick')]).toEqual(['0\n', '1\n'])
    await script(stage, `echo 0 >${STATE}/aem.stick/tpm-freshness-slot`)
    expect(await everything(stage)).toBe(before)
    await script(stage, `echo 1 >${STATE}/aem.stick/tpm-freshness-slot`)
    expect(await leftBehind(stage)).toBe('')
    const again = await stage.aemReseal(['devices', 'repair-slots', '--yes'])
    expect(again.exit).toBe(0)
    expect(again.stdout).toContain('no two AEM devices have the same freshness slot')
  })

  test('the stick is resealed into its own slot in its own boot, and verifies', async () => {
    const boot = await restart(stage, '.stick')
    expect(boot.secretShown).toBe(false)
    const { exit, devices } = await verify(stage, '--device', '.stick')
    expect(detailOf(devices, 'freshness', 'aem.stick')).toBe('slot 1 holds this token')
    expect(exit).toBe(0)
  })

  test.each(['', '.stick'])(
    'from then on both stay valid: aem%s shows its secret and verifies',
    async (suffix) => {
      expect((await restart(stage, suffix)).secretShown).toBe(true)
      const { exit, devices } = await verify(stage, '--device', suffix)
      expect(Object.values(checksOf(devices, `aem${suffix}`))).not.toContain(false)
      expect(exit).toBe(0)
    },
  )
})

describe('equal freshness slots found by resume on TPM 1.2', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await unassigned('1.2')
    await stage.powerOn({ from: '.stick' })
    await restart(stage)
    await updateBoth(stage)
  })
  afterAll(() => stage?.destroy())

  test('declined: the slots stay, and the explanation goes on', async () => {
    const before = await everything(stage)
    const terminal = stage.aemResealPty(['resume'])
    await terminal.waitFor(QUESTION, 120_000)
    expect(await everything(stage)).toBe(before)
    terminal.type(ENTER)
    await terminal.waitFor('Accept the explained change', 120_000)
    expect(wordsOf(terminal)).toContain(
      'same freshness slot: aem and aem.stick (slot 0); nothing was changed',
    )
    terminal.type(ENTER)
    expect(await terminal.finished).toBe(1)
    expect(await everything(stage)).toBe(before)
  })

  test('repaired on request before the reseal, and the device of this boot verifies', async () => {
    const terminal = stage.aemResealPty(['resume'])
    await answerYes(terminal, QUESTION)
    await answerYes(terminal, 'Accept the explained change')
    expect(await terminal.finished).toBe(3)
    expect(wordsOf(terminal)).toContain('AEM resealed: the sealed files are new')
    expect([await slotOf(stage, 'aem'), await slotOf(stage, 'aem.stick')]).toEqual(['0\n', '1\n'])
    const { exit, devices } = await verify(stage, '--device', 'aem')
    expect(detailOf(devices, 'freshness')).toBe('slot 0 holds this token')
    expect(exit).toBe(0)
  })

  test('the stick seals into its own slot at its own boot, and verifies', async () => {
    expect((await restart(stage, '.stick')).secretShown).toBe(false)
    const { exit, devices } = await verify(stage, '--device', '.stick')
    expect(detailOf(devices, 'freshness', 'aem.stick')).toBe('slot 1 holds this token')
    expect(devices.map(({ ok }) => ok)).toEqual([true])
    // The open session has not judged this boot.
    expect(exit).toBe(1)
  })

  test('that seal did not touch the other: its next boot shows the secret, and the session ends', async () => {
    expect((await restart(stage)).secretShown).toBe(true)
    const resumed = await stage.aemReseal(['resume', '--yes'])
    expect(resumed.stdout).toContain('no two AEM devices have the same freshness slot')
    expect(resumed.exit).toBe(0)
  })
})

describe('equal freshness slots on TPM 2.0', () => {
  let stage: Stage
  let before: string

  beforeAll(async () => {
    stage = await unassigned('2.0')
    await letAemAssign(stage)
    before = await everything(stage)
  })
  afterAll(() => stage?.destroy())

  test('nothing is asked, nothing is moved, and why is said', async () => {
    const terminal = stage.aemResealPty(['devices', 'repair-slots'])
    expect(await terminal.finished).toBe(1)
    expect(wordsOf(terminal)).toContain('same freshness slot: aem and aem.stick (slot 0)')
    expect(wordsOf(terminal)).toContain("on TPM 2.0 AEM's initrd reads slot 0 alone")
    expect(wordsOf(terminal)).toContain('keep to one AEM device')
    expect(terminal.raw()).not.toContain(QUESTION)
    expect(await everything(stage)).toBe(before)
    expect(await leftBehind(stage)).toBe('')
  })

  test('resume says it too, and goes on', async () => {
    await updateBoth(stage)
    const resumed = await stage.aemReseal(['resume', '--yes'])
    expect(resumed.stdout.replaceAll(/\s+/g, ' ')).toContain(
      'it cannot be fixed here, and nothing was changed',
    )
    expect(resumed.stdout).toContain('AEM resealed: the sealed files are new')
    expect(resumed.exit).toBe(3)
    expect([await slotOf(stage, 'aem'), await slotOf(stage, 'aem.stick')]).toEqual(['0\n', '0\n'])
  })

  test('the device of this boot shows its secret at the next, and the session ends', async () => {
    expect((await restart(stage)).secretShown).toBe(true)
    expect((await stage.aemReseal(['resume', '--yes'])).stdout).toContain(
      'the report: /var/lib/aem-reseal/reports/',
    )
  })
})

describe('a device in another slot than the first on TPM 2.0', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await createStage({ tpm: '2.0' })
    await stage.powerOn({ seal: false })
    await script(stage, `echo 1 >${STATE}/aem/tpm-freshness-slot; systemctl start anti-evil-maid-seal`)
  })
  afterAll(() => stage?.destroy())

  test('verify does not call it good: AEM seals without a word, and finds no token at the next boot', async () => {
    const { exit, devices } = await verify(stage)
    expect(checksOf(devices)).toMatchObject({ 'unseal-txt': true, 'unseal-fre': true, freshness: false })
    expect(detailOf(devices, 'freshness')).toContain('slot 1 holds this token, but on TPM 2.0')
    expect(exit).toBe(1)
    const boot = await restart(stage)
    expect(boot.secretShown).toBe(false)
    expect(boot.journal()).toContain('Freshness token does not match any slot in TPM NVRAM!')
  })

  test('no forward seal promises a secret there', async () => {
    await stage.updateXen()
    // Its secret never appears: `start` says so, and stops where nobody goes on.
    const stopped = await stage.aemReseal(['start', '--yes', '--restart', 'manual'])
    expect(stopped.stdout.replaceAll(/\s+/g, ' ')).toContain('is not the current one')
    expect(stopped.exit).toBe(1)
    await beginForward(stage, undefined, true)
    const flow = await sealForwardJson(stage)
    expect(blockedBy(flow)).toEqual(['freshness'])
    expect(flow.exit).toBe(1)
    expect((await stage.aemReseal(['cancel'])).exit).toBe(0)
  })

  test('the way back that is named brings the secret back', async () => {
    const named = await stage.aemReseal(['devices', 'repair-slots', '--yes'])
    expect(named.exit).toBe(1)
    const way = /`echo 0 \| sudo (tee [^`]+)`/.exec(named.stdout.replaceAll(/\s+/g, ' '))?.[1]
    await script(stage, `echo 0 | ${way}`)
    await restart(stage)
    expect((await verify(stage)).exit).toBe(0)
    expect((await restart(stage)).secretShown).toBe(true)
  })
})
