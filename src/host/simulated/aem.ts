import { createHash } from 'node:crypto'
import { computePolicyPcr } from '../../core/decide/verify-copies.ts'
import { isUnlaunched, isUnset } from '../../core/launch/pcr.ts'
import { findDevice, SELECTED_PCRS, type SimDevice, type SimMachine, sha256, TPM_ID } from './model.ts'

/** AEM's two services as they act on files, TPM slots and journal (anti-evil-maid 4.2.0). */

/** initrd: does the TPM release the freshness token from the device's own copy? */
export function unseal(machine: SimMachine, device: SimDevice): void {
  const say = (text: string): void => log(machine, 'anti-evil-maid-unseal', text)
  const directory = `/aem/tpms/${TPM_ID}/aem${device.suffix}`
  const keyPub = device.files.get(`${directory}/key.pub`)?.bytes
  const token = device.files.get(`${directory}/secret.fre.sealed2`)?.bytes
  machine.dom0.set('/run/anti-evil-maid/suffix', {
    bytes: Buffer.from(`${device.suffix}\n`),
    mtimeMs: machine.nowMs,
  })
  say('Unsealing freshness token...')
  const policy = computePolicyPcr(SELECTED_PCRS, machine.pcrs.sha256 ?? {})
  const isReleased = keyPub && token && Buffer.from(keyPub.subarray(12, 44)).toString('hex') === policy
  if (!isReleased) {
    say('Freshness token unsealing failed!')
    say('This is expected during the first boot from a particular')
    say('AEM media or after updating any of the boot components or')
    say('changing their configuration.')
    return
  }
  say('Freshness token unsealed.')
  machine.dom0.set('/run/anti-evil-maid/unseal-success', { bytes: Buffer.alloc(0), mtimeMs: machine.nowMs })
  if (![...machine.slots.values()].includes(sha256(token.subarray(16)))) {
    say('Freshness token does not match any slot in TPM NVRAM!')
    say('Freshness token invalid!')
    return
  }
  say('Freshness token valid, continuing.')
}

/** dom0: seals to whatever the PCRs are. @returns its exit code */
export function seal(machine: SimMachine): number {
  const device = findDevice(machine, machine.bootDevice)
  const say = (text: string): void => log(machine, 'anti-evil-maid-seal', text)
  const values = machine.pcrs.sha256 ?? {}
  const bad = SELECTED_PCRS.filter(
    (index) => isUnset(values[index] ?? '00') || isUnlaunched(values[index] ?? '00'),
  )
  if (!device || bad.length > 0) {
    say('PCR sanity check failed!')
    return 1
  }
  const label = `aem${device.suffix}`
  const token = createHash('sha1').update(`token ${machine.bootCount} ${machine.nowMs}`).digest()
  machine.slots.set(slotOf(machine, label), sha256(token))
  if (!machine.sealWorks || !device.isPresent || device.isReadOnly) {
    say('Failed to seal secrets (error @ line 95)!')
    return 1
  }
  for (const [name, bytes] of makeSealedFiles(machine, token)) {
    machine.dom0.set(`/var/lib/tpms/${TPM_ID}/${label}/${name}`, { bytes, mtimeMs: machine.nowMs })
    device.files.set(`/aem/tpms/${TPM_ID}/${label}/${name}`, { bytes, mtimeMs: machine.nowMs })
  }
  for (const extension of ['txt', 'fre']) {
    say(
      `Sealed /var/lib/anti-evil-maid/${label}/secret.${extension} using --pcr 13 --pcr 17 --pcr 18 --pcr 19`,
    )
  }
  say('Absent /var/lib/anti-evil-maid/aem/secret.key')
  say('Syncing to /boot')
  return 0
}

function makeSealedFiles(machine: SimMachine, token: Uint8Array): readonly (readonly [string, Uint8Array])[] {
  const policy = computePolicyPcr(SELECTED_PCRS, machine.pcrs.sha256 ?? {})
  const keyPub = Buffer.concat([Buffer.alloc(12), Buffer.from(policy ?? '', 'hex'), Buffer.alloc(36)])
  const blob = (content: string | Uint8Array): Buffer =>
    Buffer.concat([Buffer.from('Salted__'), Buffer.alloc(8), Buffer.from(content)])
  return [
    ['key.pub', keyPub],
    ['key.priv', createHash('sha512').update(token).digest()],
    ['key.pcrs', Buffer.from(`sha256:${SELECTED_PCRS.join(',')}\n`)],
    ['secret.txt.sealed2', blob(createHash('sha256').update(`text ${machine.bootCount}`).digest())],
    ['secret.fre.sealed2', blob(token)],
  ]
}

function slotOf(machine: SimMachine, label: string): number {
  const text = Buffer.from(
    machine.dom0.get(`/var/lib/anti-evil-maid/${label}/tpm-freshness-slot`)?.bytes ?? '0',
  )
  return Number(text.toString('utf8').trim())
}

function log(machine: SimMachine, unit: string, text: string): void {
  const at = `${new Date(machine.nowMs).toISOString().slice(0, 19)}+0000`
  machine.journal.push(`${at} dom0 ${unit}[${400 + machine.journal.length}]: ${unit}: ${text}`)
}
