import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { tamperedXen } from './boot-files.ts'
import { createUsedStage } from './kept-stage.ts'
import { signerFingerprint } from './rpm.ts'
import type { Stage } from './stage.ts'
import { ARROW_DOWN, ENTER, photograph } from './terminal.ts'
import type { TpmVersion } from './tpm.ts'

/*
 * The whole job with real parts: a real update of a real RPM database, the program's own restart plan, a power cycle
 * that measures what is on the boot device, AEM's automatic seal, and the program again.
 */

type Answer = {
  readonly flow: string
  readonly outcome: string
  readonly exit: number
  readonly steps: readonly {
    readonly id: string
    readonly outcome: string
    readonly facts: Record<string, never>
  }[]
}

/** The test key that signs the stage's packages is made known as a user would do it. */
async function trustTestKey(stage: Stage): Promise<void> {
  const file = stage.pathOf('/etc/aem-reseal/trusted-keys')
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(file, `${await signerFingerprint()} the stage's own key\n`)
}

async function json(stage: Stage, args: readonly string[]): Promise<Answer> {
  const { exit, stdout, stderr } = await stage.aemReseal([...args, '--json'])
  try {
    return { ...JSON.parse(stdout), exit }
  } catch {
    throw new Error(`no JSON from ${args.join(' ')} (exit ${exit}):\n${stdout}\n${stderr}`)
  }
}

function outcomes(answer: Answer): Record<string, string> {
  return Object.fromEntries(answer.steps.map((step) => [step.id, step.outcome]))
}

/** Two good boots, then the update; dom0 still runs the old Xen. */
async function updatedStage(tpm: TpmVersion): Promise<Stage> {
  const stage = await createUsedStage({ tpm })
  await stage.powerOn()
  await trustTestKey(stage)
  await stage.updateXen()
  return stage
}

async function powerCycle(stage: Stage) {
  await stage.powerOff()
  return stage.powerOn()
}

const START = ['start', '--protect', 'plain', '--restart', 'manual']

describe.each(['2.0', '1.2'] as const)('a clean update on TPM %s', (tpm) => {
  let stage: Stage
  beforeAll(async () => {
    stage = await updatedStage(tpm)
  })
  afterAll(() => stage?.destroy())

  test('status tells of the pending restart', async () => {
    const status = await json(stage, ['status'])
    expect(status).toMatchObject({
      qubes: { release: '4.2' },
      aem: { installed: true, flavour: 'tboot', tpm, bootedWithAem: true, measured: true },
      xen: { pendingRestart: true },
      session: null,
      next: { command: 'aem-reseal start' },
    })
  })

  test('start confirms, records and predicts, and waits for the restart', async () => {
    const answer = await json(stage, START)
    expect(outcomes(answer)).toMatchObject({
      'detect-aem': 'ready',
      'confirm-update': 'confirmed',
      'check-boot-device': 'current',
      'record-baseline': 'recorded',
      predict: 'complete',
      restart: 'by-hand',
    })
    expect(answer.exit).toBe(3)
  })

  test('the first boot is blind, and resume explains it by the signed package', async () => {
    const boot = await powerCycle(stage)
    expect(boot.secretShown).toBe(false)
    const answer = await json(stage, ['resume', '--yes'])
    expect(outcomes(answer)).toMatchObject({
      'check-boot': 'expected',
      explain: 'explained',
      'accept-change': 'already-sealed',
      verify: 'verified',
      'confirm-secret': 'next-boot',
    })
    const explained = answer.steps.find((step) => step.id === 'explain')?.facts as unknown as {
      pcrs: {
        index: number
        now: string
        predicted: string | null
        causes: { package: { name: string } | null }[]
      }[]
    }
    const xen = explained.pcrs.find((pcr) => pcr.index === 18)
    expect(xen?.predicted).toBe(xen?.now)
    expect(xen?.causes.map((cause) => cause.package?.name)).toEqual(['xen-hypervisor'])
    expect(answer.exit).toBe(3)
  })

  test('the second boot shows the secret, and the session closes with a report', async () => {
    const boot = await powerCycle(stage)
    expect(boot.secretShown).toBe(true)
    const answer = await json(stage, ['resume', '--yes'])
    expect(outcomes(answer)).toMatchObject({
      explain: 'unchanged',
      'confirm-secret': 'shown',
      finish: 'finished',
    })
    expect(answer.exit).toBe(0)
    const reports = answer.steps.at(-1)?.facts as unknown as { reports: readonly string[] }
    const report = await readFile(stage.pathOf(reports.reports[0] ?? ''), 'utf8')
    expect(report).toContain('xen-hypervisor')
    const picture = reports.reports.find((file) => file.endsWith('.svg')) ?? ''
    expect(report).toContain(`](${path.basename(picture)})`)
    expect(await readFile(stage.pathOf(picture), 'utf8')).toMatch(/\/xen-4\.17\.4\.gz<[\s\S]*CHANGED/)
    for (const file of reports.reports) expect((await stat(stage.pathOf(file))).mode & 0o7777).toBe(0o600)
    const again = await stage.aemReseal(['resume', '--yes'])
    expect(again.exit).toBe(1)
  })
})

describe('an evil maid between update and restart', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await updatedStage('2.0')
  })
  afterAll(() => stage?.destroy())

  test('is found, named and not approved', async () => {
    expect((await json(stage, START)).exit).toBe(3)
    await stage.powerOff()
    await stage.replaceBootFile('xen-4.17.4.gz', tamperedXen)
    const boot = await stage.powerOn()
    expect(boot.secretShown).toBe(false)
    const answer = await json(stage, ['resume', '--yes'])
    expect(outcomes(answer).explain).toBe('unexplained')
    expect(answer.exit).toBe(4)
    const facts = answer.steps.at(-1)?.facts as unknown as { reasons: { what: string }[] } | undefined
    expect(facts?.reasons.map((reason) => reason.what).join('\n')).toContain('/boot/xen-4.17.4.gz')
  })
})

describe('the wizard in a terminal', () => {
  let stage: Stage
  afterEach(() => stage?.destroy())

  test.each(['2.0', '1.2'] as const)(
    'goes from start to the report, with typed answers, on TPM %s',
    async (tpm) => {
      stage = await updatedStage(tpm)
      const start = stage.aemResealPty(['start'])
      await start.waitFor('Which bulletin is this update for?', 120_000)
      start.type(ENTER)
      await start.waitFor('Forward seal, hold, or plain?', 120_000)
      start.type(ENTER)
      await photograph(start)
      await start.waitFor('When is dom0 restarted?', 120_000)
      start.type(ENTER)
      expect(await start.finished).toBe(3)

      // Sealed forward: the first boot of the new Xen shows the secret, and no boot is blind.
      expect((await powerCycle(stage)).secretShown).toBe(true)
      const resumed = stage.aemResealPty(['resume'])
      // Nothing has to be accepted again: only the boot that was predicted could show it.
      await resumed.waitFor('Did your own secret appear', 120_000)
      resumed.type(ARROW_DOWN)
      resumed.type(ENTER)
      expect(await resumed.finished).toBe(0)
    },
  )
})
