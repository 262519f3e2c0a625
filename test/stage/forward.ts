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

/*
 * TPM 1.2 answers one program at a time, so tcsd makes way. TPM Main 1.2 part 3, section 7.1 (TPM_GetCapability): area
 * 0x19 gives TPM_DA_INFO of an entity type, here 4, the SRK (part 2, section 21.10: tag, state, current count); area
 * 0x14 the handles of a resource type, here keys 1, authorization sessions 2 and transports 4.
 */
const ASK_TPM12 = String.raw`systemctl stop tcsd; exec 3<>/dev/tpm0
ask() { printf "$2" >&3; head -c "$1" <&3 | xxd -p -c 64; }
ask 35 '\000\301\000\000\000\024\000\000\000\145\000\000\000\031\000\000\000\002\000\004'
for type in 1 2 4; do ask 16 "\000\301\000\000\000\026\000\000\000\145\000\000\000\024\000\000\000\004\000\000\000\00$type"; done
exec 3>&-; systemctl start tcsd`

async function askTpm12(stage: Stage): Promise<{ tries: number; lockedSeconds: number; handles: string }> {
  const done = await stage.run(['bash', '-c', ASK_TPM12])
  const [info = '', ...handles] = done.stdout.trim().split('\n')
  if (info.length !== 70 || handles.length !== 3) throw new Error(`no answer: ${done.stdout}${done.stderr}`)
  return {
    tries: Number.parseInt(info.slice(34, 38), 16),
    lockedSeconds: Number.parseInt(info.slice(54, 62), 16),
    handles: handles.filter((answer) => !answer.endsWith('0000000000020000')).join('\n'),
  }
}

/** Wrong passwords the TPM has counted: what a run must not change without saying so. */
export async function triesOf(stage: Stage): Promise<number> {
  if (stage.tpm.version === '1.2') return (await askTpm12(stage)).tries
  const script =
    'tpm2_getcap -T device:/dev/tpm0 properties-variable | sed -n "s/^TPM2_PT_LOCKOUT_COUNTER: //p"'
  return Number((await stage.run(['bash', '-c', script])).stdout)
}

/** Gives wrong SRK passwords until the TPM takes none for a while; on TPM 1.2 that while is counted in seconds. */
export async function lockOut(stage: Stage): Promise<void> {
  const live = '/var/lib/tpm/$(ls /var/lib/tpm | grep "^aem" | head -1)'
  if (stage.tpm.version === '2.0') {
    const load = `tpm2_load -T device:/dev/tpm0 -Q -C 0x81000001 -P wrong -u ${live}/key.pub -r ${live}/key.priv -c /run/ctx`
    await stage.run(['bash', '-c', `for i in 1 2 3; do ${load} 2>/dev/null; done`])
    return
  }
  const wrong = `echo wrong | setsid tpm_unsealdata -i ${live}/secret.fre.sealed2`
  // each try after the fifth doubles the time, and one that comes within it is not counted
  for (let rounds = 0; rounds < 20; rounds++) {
    await stage.run(['bash', '-c', `for i in {1..5}; do ${wrong}; sleep 0.3; done >/dev/null 2>&1`])
    if ((await askTpm12(stage)).lockedSeconds >= 12) return
  }
  throw new Error('the TPM is not in lockout')
}

/** What AEM's own seal does first. */
export async function clearLockout(stage: Stage): Promise<void> {
  const owner = '/var/lib/anti-evil-maid/tpm-owner-pw'
  const script =
    stage.tpm.version === '2.0'
      ? `tpm2_dictionarylockout -T device:/dev/tpm0 -p "$(cat ${owner})" --clear-lockout`
      : `setsid tpm_resetdalock <${owner}`
  const done = await stage.run(['bash', '-c', script])
  if (done.exit !== 0) throw new Error(`the lockout stays: ${done.stderr}`)
}

const LEFT_IN_TPM = {
  '2.0': ['transient', 'loaded-session', 'saved-session'].map(
    (kind) => `tpm2_getcap -T device:/dev/tpm0 handles-${kind}`,
  ),
  '1.2': ['systemctl is-active tcsd | grep -v "^active"', 'ss -Hltn "sport = :6545"'],
}

/**
 * What a run left behind that is not its session: handles in the TPM, a tcsd of ours or none at all, files in /run,
 * /dev/shm and /tmp, mounts, processes, and secrets where none belong. Empty when all is well.
 */
export async function leftBehind(stage: Stage): Promise<string> {
  const commands = [
    ...LEFT_IN_TPM[stage.tpm.version],
    'find /run/aem-reseal /dev/shm /tmp -mindepth 0 ! -path /tmp ! -path /dev/shm 2>/dev/null',
    'grep /run/aem-reseal /proc/mounts',
    'losetup --list --noheadings --output BACK-FILE | grep ^/run/aem-reseal',
    'ps -eo args= | grep -e "[a]em-reseal.mjs" -e "[t]csd .*-f" -e "[t]pm2\\?_"',
  ]
  // by standard input, so that its own command line is no finding
  const { stdout } = await stage.run(['bash'], { input: commands.join('\n') })
  const handles = stage.tpm.version === '1.2' ? (await askTpm12(stage)).handles : ''
  return stdout + handles + (await listLeaks(stage))
}

/** Files of dom0 that hold a secret or the SRK password and are neither AEM's own nor the stage's. */
async function listLeaks(stage: Stage): Promise<string> {
  const { srkPassword } = stage.options
  const secrets = [...stage.devices.map(({ secret }) => secret), ...(srkPassword ? [srkPassword] : [])]
  const places = '/run /var/lib/aem-reseal /var/log /tmp /dev/shm /etc /root'
  // the stage's own: the screen, which shows the secret as AEM does, and the answers to AEM's questions
  const known = '^/run/stage/(console.log|answers|questions)$|^/run/anti-evil-maid/srk-password$'
  const script = `grep -rlFs -f - ${places} | grep -vE '${known}'`
  return (await stage.run(['bash', '-c', script], { input: secrets.join('\n') })).stdout
}
