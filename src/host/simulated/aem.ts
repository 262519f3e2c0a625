import { createHash } from 'node:crypto'
import { computePolicyPcr } from '../../core/decide/verify-copies.ts'
import { isUnlaunched, isUnset } from '../../core/launch/pcr.ts'
import { renderSelection } from '../../core/seal/key-public.ts'
import { decryptSecret, encryptSecret, SALT_BYTES, SEALED_KEY_BYTES } from '../../core/seal/sealed-blob.ts'
import { findDevice, type SimDevice, type SimMachine, selectedPcrsOf, sha256, TPM_ID } from './model.ts'
import { isPolicyMet, makeKeyPrivate, makeKeyPublic, readSealedKey } from './tpm2.ts'

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
  machine.dom0.set('/run/anti-evil-maid/srk-password', { bytes: Buffer.alloc(0), mtimeMs: machine.nowMs })
  say('Unsealing freshness token...')
  const keyPriv = device.files.get(`${directory}/key.priv`)?.bytes
  const isReleased = keyPub && keyPriv && token && isPolicyMet(machine, keyPub)
  const key = isReleased ? readSealedKey(keyPub, keyPriv) : null
  if (!isReleased || key === null) {
    say('Freshness token unsealing failed!')
    say('This is expected during the first boot from a particular')
    say('AEM media or after updating any of the boot components or')
    say('changing their configuration.')
    return
  }
  say('Freshness token unsealed.')
  machine.dom0.set('/run/anti-evil-maid/unseal-success', { bytes: Buffer.alloc(0), mtimeMs: machine.nowMs })
  // With TPM 2.0 AEM 4.2.0 reads the first slot alone, see listUsableSlots.
  if (machine.slots.get(0) !== sha256(decryptSecret(token, key) ?? '')) {
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
  const bad = selectedPcrsOf(machine).filter(
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
  machine.dom0.set(`/var/lib/anti-evil-maid/${label}/secret.fre`, { bytes: token, mtimeMs: machine.nowMs })
  // AEM's own order: the old copies are taken off the device with all that lies beside them (synctpms).
  for (const name of [...device.files.keys()]) if (name.startsWith('/aem/tpms/')) device.files.delete(name)
  for (const [name, bytes] of makeSealedFiles(machine, label, token)) {
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

function makeSealedFiles(
  machine: SimMachine,
  label: string,
  token: Uint8Array,
): readonly (readonly [string, Uint8Array])[] {
  const policy = computePolicyPcr(selectedPcrsOf(machine), machine.pcrs.sha256 ?? {}) ?? ''
  const random = (name: string): Buffer => createHash('sha256').update(`${name} ${machine.nowMs}`).digest()
  const key = random('key').subarray(0, SEALED_KEY_BYTES)
  const text = machine.dom0.get(`/var/lib/anti-evil-maid/${label}/secret.txt`)?.bytes ?? Buffer.alloc(0)
  const blob = (name: string, plain: Uint8Array): Uint8Array =>
    encryptSecret(plain, key, random(name).subarray(0, SALT_BYTES))
  return [
    ['key.pub', makeKeyPublic(policy, key)],
    ['key.priv', makeKeyPrivate(key)],
    ['key.pcrs', Buffer.from(`${renderSelection(selectedPcrsOf(machine))}\n`)],
    ['secret.txt.sealed2', blob('txt', text)],
    ['secret.fre.sealed2', blob('fre', token)],
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
