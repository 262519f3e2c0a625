import { readFile, writeFile } from 'node:fs/promises'
import { chooseEntry, measureLaunch, replay } from './launch.ts'
import { withMounted } from './media.ts'
import type { Finished } from './process.ts'
import { signerFingerprint } from './rpm.ts'
import type { Stage } from './stage.ts'

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
  if (!device?.external) return predictFrom(stage, stage.pathOf('/boot'))
  return withMounted(stage.holder, device.disk.name, 'probe', (folder) => predictFrom(stage, folder))
}

async function predictFrom(stage: Stage, folder: string) {
  const launch = await measureLaunch(folder, chooseEntry(folder, 'default'), 'whole')
  const bank = stage.tpm.version === '2.0' ? 'sha256' : 'sha1'
  const luks = await readLuksRegister(stage)
  const row = (index: number, predicted: string | null) => ({
    index,
    bank,
    now: null,
    predicted,
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

/** A session after an update, confirmed by the program itself, about to seal forward to a prediction. */
export async function beginForward(stage: Stage, prediction?: unknown): Promise<void> {
  await stage.run(['mkdir', '-p', '/etc/aem-reseal'])
  await writeFile(stage.pathOf('/etc/aem-reseal/trusted-keys'), `${await signerFingerprint()} Stage\n`)
  await stage.aemReseal(['start', '--protect', 'plain', '--restart', 'manual', '--yes'])
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
  try {
    return JSON.parse(run.stdout) as FlowJson
  } catch {
    throw new Error(`resume ended with ${run.exit}: ${run.stdout}${run.stderr}`)
  }
}

/** Ids of the gate's checks that are not true. */
export function blockedBy(flow: FlowJson): readonly string[] {
  return (flow.steps[0]?.facts.checks ?? []).filter(({ ok }) => ok !== true).map(({ id }) => id)
}

/** Goes on with the session: seals forward and plans a restart by hand. */
export function sealForward(stage: Stage): Promise<Finished> {
  return stage.aemReseal(['resume', '--yes'])
}

export type Verified = {
  device: string
  ok: boolean | null
  checks: { id: string; ok: boolean | null; detail: string }[]
}[]

export async function verify(stage: Stage, ...args: string[]): Promise<{ exit: number; devices: Verified }> {
  const run = await stage.aemReseal(['verify', '--json', ...args])
  return { exit: run.exit, devices: JSON.parse(run.stdout) as Verified }
}

/** `{ 'unseal-txt': true, ... }` of one device. */
export function checksOf(devices: Verified, label = 'aem'): Record<string, boolean | null> {
  const found = devices.find((device) => device.device === label)
  return Object.fromEntries((found?.checks ?? []).map((check) => [check.id, check.ok]))
}

export function detailOf(devices: Verified, id: string, label = 'aem'): string {
  return (
    devices.find((device) => device.device === label)?.checks.find((check) => check.id === id)?.detail ?? ''
  )
}

/** Handles and sessions in the TPM, wrong passwords counted, and files of ours: what a run left behind. */
export async function leftBehind(stage: Stage): Promise<string> {
  const commands = [
    ...(stage.tpm.version === '2.0'
      ? [
          'tpm2_getcap -T device:/dev/tpm0 handles-transient',
          'tpm2_getcap -T device:/dev/tpm0 handles-loaded-session',
          'tpm2_getcap -T device:/dev/tpm0 properties-variable | grep LOCKOUT_COUNTER | grep -v 0x0 || :',
        ]
      : [
          'systemctl is-active tcsd | grep -v "^active" || :',
          'ss -Hltn "sport = :6545"',
          'ps -C tcsd -o args= | grep -e " -f" || :',
        ]),
    'find /run/aem-reseal /dev/shm /tmp -mindepth 1 -type f 2>/dev/null || :',
    'find /run/aem-reseal -mindepth 1 -name "work-*" || :',
    'grep /run/aem-reseal /proc/mounts || :',
  ]
  return (await stage.run(['bash', '-c', commands.join('\n')])).stdout
}
