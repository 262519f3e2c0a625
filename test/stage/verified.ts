import { expect } from 'vitest'
import { createStage } from './kept-stage.ts'
import { leftBehind, triesOf } from './left-behind.ts'
import type { Stage } from './stage.ts'

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

/** Each check of a seal that is in order. */
export const GOOD = {
  'media-current': true,
  selection: true,
  policy: true,
  'unseal-txt': true,
  'unseal-fre': true,
  freshness: true,
  pcr13: true,
}

/** Runs a script in dom0 with `$live` and `$own`: dom0's and the device's sealed files. */
export async function inDom0(stage: Stage, script: string): Promise<string> {
  const head = 'set -e; live=/var/lib/tpm/aem own=/boot/aem/$(readlink /var/lib/tpm)/aem'
  const done = await stage.run(['bash', '-c', `${head}\n${script}`])
  if (done.exit !== 0) throw new Error(`${script} ended with ${done.exit}: ${done.stdout}${done.stderr}`)
  return done.stdout
}

/** Keeps the sealed files as they are now, for `putBack`. */
export const save = (stage: Stage) =>
  inDom0(stage, 'rm -rf /run/kept; mkdir /run/kept; cp -a $live /run/kept/live; cp -a $own /run/kept/own')

export const putBack = (stage: Stage) =>
  inDom0(stage, 'rm -rf $live $own; cp -a /run/kept/live $live; cp -a /run/kept/own $own')

/** A dom0 with a stick, sealed in two boots and saved; the first seal of its device lies in /root/older. */
export async function sealedTwice(tpm: '2.0' | '1.2'): Promise<Stage> {
  const stage = await createStage({ tpm, devices: [{}, { suffix: '.stick', external: true }] })
  await stage.powerOn()
  await inDom0(stage, 'cp -a $own /root/older')
  await stage.powerOff()
  expect((await stage.powerOn()).secretShown).toBe(true)
  await save(stage)
  return stage
}

/** A look at one device, which leaves nothing behind. @param costs wrong passwords that the TPM counts for it */
export async function lookAt(stage: Stage, suffix = 'aem', costs = 0): ReturnType<typeof verify> {
  const tries = await triesOf(stage)
  const seen = await verify(stage, '--device', suffix)
  expect(await triesOf(stage)).toBe(tries + costs)
  expect(await leftBehind(stage)).toBe('')
  return seen
}
