import { runSeal, sealCall } from '../../act/seal.ts'
import { labelOf } from '../../core/aem/devices.ts'
import { parseMountOptions } from '../../core/decide/readiness.ts'
import { type DigestLook, isTokenRenewed } from '../../core/decide/sealed-in-this-boot.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import type { HeldNote } from '../../core/session/held-note.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { describeReseal } from '../../messages/after-restart.ts'
import type { AemDevice } from '../../observe/device/devices.ts'
import type { Dom0 } from '../../observe/dom0/dom0.ts'
import { readTextOrNull } from '../../observe/read-text.ts'
import { observeSealOutcome } from '../../observe/seal/seal-outcome.ts'
import { observeSealState } from '../../observe/seal/seal-unit.ts'
import { lookAtToken, observeSealedCopy } from '../../observe/seal/sealed-copy.ts'
import { type CommandCall, isSuffix } from '../../tables/commands.ts'
import { line } from '../../ui/ui.ts'
import type { Step, StepContext } from '../step.ts'

/** Runs AEM's own seal; only the sealed files, read before and after, say whether it sealed. */
export const reseal: Step<'reseal'> = async ({ dom0, host, ui, options, session, store }) => {
  const suffix = await observeSuffix(dom0)
  const call = await chooseCall(dom0, session, await store.loadHeldNote())
  if (options.dryRun) {
    ui.say([line(`  would run: ${call.argv.join(' ')}`, 'dim')])
    return {
      outcome: 'failed',
      facts: { argv: call.argv, dryRun: true },
      message: describeReseal('failed', false, 'a rehearsal seals nothing'),
    }
  }
  const label = suffix === null ? null : labelOf(suffix)
  const before = await observeToken(dom0, label)
  const tpm = await dom0.tpm()
  const device = label === null ? null : await findDevice(dom0, label)
  // AEM leaves a device that is mounted already as it is, and does not wait for it.
  const isAwaited = device?.isRemovable === true && device.mountPoint === null
  const mounts = isAwaited ? await readMountCount(host, device.uuid) : null
  const running = ui.progress('AEM seals', () => runSeal(host, call, tpm.version))
  const watching = isAwaited
    ? watchStick({ dom0, host, ui }, device, { token: before, mounts }, running)
    : null
  const [run] = await Promise.all([running, watching])
  const after = await observeToken(dom0, label)
  const tokenRenewed = isTokenRenewed(before, after)
  const isSealed = tokenRenewed === true && run.state === 'seen' && run.value.exit === 0
  const said =
    run.state === 'seen' ? run.value.stderr : run.state === 'unknown' ? run.why : `${call.argv[0]} is missing`
  const outcome = isSealed ? 'sealed' : 'failed'
  if (isSealed) await store.removeHeldNote()
  const { bootId } = await dom0.machine()
  const isKept = isSealed && bootId !== null && after.state === 'seen'
  return {
    outcome,
    facts: { argv: call.argv, exit: run.state === 'seen' ? run.value.exit : null, tokenRenewed },
    message: describeReseal(
      outcome,
      tokenRenewed,
      isSealed ? said.trim() : await explainFailure(host, call, said.trim()),
    ),
    ...(isKept ? { session: { resealed: { bootId, token: after.sha256 } } } : {}),
  }
}

/** AEM has the stick mounted for some 50 ms (seen): looks that start a program come too late. */
const MOUNT_POLL_MS = 5
/** The mount is off the table before the stick has everything (umount(2) writes back after that); it is a few KiB. */
const WRITE_BACK_MS = 3_000
/** A stick is copied to within seconds; after this time without its mount seen, the person has to look. */
const MOUNT_MISSED_MS = 60_000

/**
 * Says when a stick is to be unplugged. AEM seals in dom0, mounts the stick, copies to it, unmounts it, and then waits
 * until it is gone (anti-evil-maid-seal 4.2.0, from `mount device`). Only its own mount that came and went shows that
 * the copy is on the stick; unplugged before, the stick would be stranded. On a busy machine that mount is missed: then
 * the stick's superblock tells of it. The seal itself is never touched.
 *
 * @param before the sealed token and the stick's count of mounts, before the seal began
 */
async function watchStick(
  { dom0, host, ui }: Pick<StepContext, 'dom0' | 'host' | 'ui'>,
  { label, uuid }: AemDevice,
  before: { readonly token: DigestLook; readonly mounts: number | null },
  running: Promise<unknown>,
): Promise<void> {
  ui.say([line('  AEM seals to a stick: leave it in until the words to unplug it appear here', 'dim')])
  let isOver = false
  const end = (): void => {
    isOver = true
  }
  const over = running.then(end, end)
  const pause = (ms: number) =>
    Promise.race([over, new Promise((resolve) => setTimeout(resolve, ms).unref())])
  const begun = performance.now()
  let wasMounted = false
  let isWarned = false
  for (;;) {
    const isMounted = await isMountedAt(host, `/mnt/anti-evil-maid/${label}`)
    if (isOver) return
    if (isMounted === false && (wasMounted || (await wasMountedOnce(dom0, { label, uuid }, before)))) break
    wasMounted ||= isMounted === true
    if (!wasMounted && !isWarned && performance.now() - begun > MOUNT_MISSED_MS) {
      isWarned = true
      ui.say([
        line('  AEM is still at work, and whether it has copied to the stick was not seen here.', 'warn'),
        line('  Look in another terminal: sudo journalctl -b -u anti-evil-maid-seal, and lsblk.'),
        line('  Leave the stick in while it is mounted, and while AEM does not wait for it to be removed.'),
      ])
    }
    await pause(MOUNT_POLL_MS)
  }
  await pause(WRITE_BACK_MS)
  if (isOver) return
  ui.say([
    line('  UNPLUG the stick now: AEM has copied to it and waits until it is gone.', 'bold'),
    line('  Plug it in again afterwards for the check, and keep it with you after it.'),
  ])
}

/** Mounted for writing once since, closed cleanly, and dom0's copy was renewed before: that was AEM's copy. */
async function wasMountedOnce(
  dom0: Dom0,
  { label, uuid }: Pick<AemDevice, 'label' | 'uuid'>,
  before: { readonly token: DigestLook; readonly mounts: number | null },
): Promise<boolean> {
  const { host } = dom0
  if (before.mounts === null || (await readMountCount(host, uuid)) !== before.mounts + 1) return false
  return isTokenRenewed(before.token, await observeToken(dom0, label)) === true
}

/** @returns null where it cannot be read, or while the stick is mounted for writing */
async function readMountCount(host: Host, uuid: string | null): Promise<number | null> {
  const state = uuid === null ? null : valueOrNull(await host.readFileSystemState(uuid))
  return state === null || state.isJournalDirty ? null : state.mountCount
}

/** @returns null where the mounts cannot be read */
async function isMountedAt(host: Host, mountPoint: string): Promise<boolean | null> {
  const mounts = await readTextOrNull(host, '/proc/mounts')
  return mounts === null ? null : parseMountOptions(mounts, mountPoint) !== null
}

async function findDevice(dom0: Dom0, label: string): Promise<AemDevice | null> {
  const { devices } = await dom0.devices()
  return devices.find((device) => device.label === label) ?? null
}

async function chooseCall(dom0: Dom0, session: Session, note: HeldNote | null): Promise<CommandCall> {
  const seal = await observeSealOutcome(dom0, session, note)
  return sealCall(seal.outcome === 'held' && seal.state.cachedSuffix !== null)
}

/** `systemctl start` returns 0 for a seal that was held again. */
async function explainFailure(host: Host, call: CommandCall, said: string): Promise<string> {
  const { unit } = await observeSealState(host)
  if (call.id !== 'seal-held' || unit?.result !== 'exec-condition') return said
  return ['the gate held the seal again; ask it why: sudo aem-reseal gate', said].filter(Boolean).join('\n')
}

async function observeSuffix(dom0: Dom0): Promise<string | null> {
  const device = await dom0.booted()
  const suffix = device?.suffix ?? (await dom0.seal()).cachedSuffix
  return suffix !== null && isSuffix(suffix) ? suffix : null
}

async function observeToken(dom0: Dom0, label: string | null): Promise<DigestLook> {
  const { host } = dom0
  const tpmId = await dom0.tpmId()
  if (tpmId === null || label === null) return { state: 'unknown' }
  return lookAtToken(await observeSealedCopy(host, '/var/lib', tpmId, label))
}
