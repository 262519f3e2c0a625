import type { Stage } from './stage.ts'

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
