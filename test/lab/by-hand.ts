/*
 * A machine of the lab for somebody who wants to look: boots a copy of a snapshot, says how to reach its console, and goes on through
 * restarts until it is switched off.
 *
 *   node tools/run-typescript.mjs test/lab/by-hand.ts [sealed | updated | started | held] [TITLE OF A BOOT ENTRY]
 */

import { rm } from 'node:fs/promises'
import path from 'node:path'
import { cacheFolder } from './image/place.ts'
import { copyState, openMachine } from './machine/machine.ts'
import { type Snapshot, sealedBase, startedMachine, updatedMachine } from './stories/snapshots.ts'

const SNAPSHOTS: Readonly<Record<string, () => Promise<Snapshot>>> = {
  sealed: sealedBase,
  updated: updatedMachine,
  started: startedMachine['forward-seal'],
  held: startedMachine.hold,
}
/** Nobody is hurried. */
const DAY_S = 86_400

const [, , name = 'sealed', entry] = process.argv
const from = SNAPSHOTS[name]
if (from === undefined) throw new Error(`there are ${Object.keys(SNAPSHOTS).join(', ')}, not ${name}`)
const snapshot = await from()
const folder = path.join(cacheFolder(), 'running', `by-hand-${process.pid}`)
await copyState(snapshot.folder, folder)
const machine = openMachine(folder, snapshot.bootOffset)
const end = async (): Promise<void> => {
  await machine.destroy()
  await rm(folder, { recursive: true, force: true })
  process.exit()
}
process.on('SIGINT', end)
process.on('SIGTERM', end)

for (let count = 1; ; count++) {
  const boot = await machine.powerOn(count === 1 && entry !== undefined ? { entry: [entry] } : {})
  console.log(`boot ${count}: ${boot.choice.title}`)
  console.log(`console: socat -,raw,echo=0,escape=0x1d UNIX-CONNECT:${folder}/boot-${count}/console.sock`)
  if ((await boot.ended(DAY_S)) === 'off') break
}
await end()
