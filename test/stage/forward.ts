import { readFile, writeFile } from 'node:fs/promises'
import { bootFolder, measureLaunch, replay } from './launch.ts'
import { withMounted } from './media.ts'
import type { Finished } from './process.ts'
import { signerFingerprint } from './rpm.ts'
import type { Stage } from './stage.ts'
import { ARROW_DOWN, ENTER, photograph } from './terminal.ts'

export const SESSION = '/var/lib/aem-reseal/session.json'

export type SessionJson = Record<string, unknown> & { findings: Record<string, Record<string, unknown>> }

export async function readSession(stage: Stage): Promise<SessionJson> {
  return JSON.parse(await readFile(stage.pathOf(SESSION), 'utf8')) as SessionJson
}

/**
 * What the registers will be at the next boot from the device as it is now, by the harness's own measuring, which
 * shares no code with the program's prediction. In the form of the contract's `predict` answer.
 */
export async function predictNextBoot(stage: Stage) {
  const device = stage.devices[0]
  if (!device) throw new Error('the stage has no AEM device')
  const { name, uuid } = device.disk
  if (!device.external) return predictFrom(stage, stage.pathOf('/boot'), uuid)
  return withMounted(stage.holder, name, 'probe', (folder) => predictFrom(stage, folder, uuid))
}

async function predictFrom(stage: Stage, folder: string, uuid: string) {
  const launch = await measureLaunch(folder, bootFolder(folder, uuid, null), 'whole')
  const bank = stage.tpm.version === '2.0' ? 'sha256' : 'sha1'
  const luks = await readLuksRegister(stage)
  const row = (index: number, predicted: string | null) => ({
    index,
    bank,
    now: null,
    predicted,
    vouched: true,
    reason: 'measured by the stage',
    components: [],
  })
  return {
    calibrated: true,
    variant: { map: 'legacy', commandLine: 'whole' },
    entry: null,
    refusal: null,
    pcrs: [row(13, luks), ...[17, 18, 19].map((index) => row(index, replay(launch.events, index, bank)))],
  }
}

/** PCR 13 as the kernel shows it: a TPM 1.2 of the stage talks to one program only, and that is tcsd now. */
async function readLuksRegister(stage: Stage): Promise<string | null> {
  const at = (name: string) => readFile(stage.pathOf(`/sys/class/tpm/tpm0/${name}`), 'utf8')
  const text =
    stage.tpm.version === '2.0'
      ? await at('pcr-sha256/13')
      : (/^PCR-13: (.*)$/m.exec(await at('pcrs'))?.[1] ?? '')
  return text.replaceAll(/\s/g, '').toLowerCase() || null
}

/**
 * A session after an update, confirmed by the program itself, about to seal forward to a prediction.
 * @param isUnvouched nothing vouches for this boot, and the person goes on all the same
 */
export async function beginForward(stage: Stage, prediction?: unknown, isUnvouched = false): Promise<void> {
  await stage.run(['mkdir', '-p', '/etc/aem-reseal'])
  await writeFile(stage.pathOf('/etc/aem-reseal/trusted-keys'), `${await signerFingerprint()} Stage\n`)
  const start = ['start', '--protect', 'plain', '--restart', 'manual']
  if (isUnvouched) {
    const terminal = stage.aemResealPty(start, { rows: 60 })
    await terminal.waitFor('go on all the same?', 120_000)
    terminal.type(ARROW_DOWN + ENTER)
    await terminal.waitFor('Which bulletin is this update for?', 120_000)
    terminal.type(ENTER)
    await photograph(terminal)
    await terminal.finished
  } else await stage.aemReseal([...start, '--yes'])
  await changeSession(stage, prediction ?? (await predictNextBoot(stage)))
}

/** Puts the session before the forward seal, with this prediction. */
export async function changeSession(stage: Stage, prediction: unknown): Promise<void> {
  const session = await readSession(stage)
  const changed = {
    ...session,
    flow: 'post-update',
    step: 'gate-forward-seal',
    protection: 'forward-seal',
    restart: null,
    // The protecting step is still to come: nothing was prepared yet.
    prepared: null,
    prediction,
  }
  await writeFile(stage.pathOf(SESSION), JSON.stringify(changed))
}

export type FlowJson = {
  exit: number
  steps: {
    id: string
    outcome: string
    facts: { checks?: { id: string; ok: boolean | null; detail: string }[] }
  }[]
}

/** The same, for its facts. */
export async function sealForwardJson(stage: Stage): Promise<FlowJson> {
  const run = await stage.aemReseal(['resume', '--yes', '--json'])
  const flow = run.stdout.startsWith('{') ? (JSON.parse(run.stdout) as Partial<FlowJson>) : {}
  if (!flow.steps) throw new Error(`resume ended with ${run.exit}: ${run.stdout}${run.stderr}`)
  return flow as FlowJson
}

/** Ids of the gate's checks that are not true. */
export function blockedBy(flow: FlowJson): readonly string[] {
  return (flow.steps[0]?.facts.checks ?? []).filter(({ ok }) => ok !== true).map(({ id }) => id)
}

/** Goes on with the session: seals forward and plans a restart by hand. */
export function sealForward(stage: Stage): Promise<Finished> {
  return stage.aemReseal(['resume', '--yes'])
}
