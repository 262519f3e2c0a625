import { type HoldChange, isAsked, renderDropIn } from '../core/hold/drop-in.ts'
import type { Host } from '../host/host.ts'
import { type HoldFacts, isHeld, observeHold, observeLoadedUnit } from '../observe/seal/hold-drop-in.ts'
import { command } from '../tables/commands.ts'
import { HOLD_DROP_IN } from '../tables/paths.ts'

/**
 * Writes the drop-in, makes systemd read it, and asks systemd whether it did: a key it does not know is ignored in
 * silence, and the seal would run unasked. What systemd does not take is taken away again.
 */
export async function installHold(host: Host, facts: HoldFacts): Promise<HoldChange> {
  const program = facts.program.path
  if (isHeld(facts)) return { changed: false, program, why: null }
  if (program === null) return { changed: false, program, why: facts.program.why }
  if (facts.unit?.isLoaded !== true) {
    return { changed: false, program, why: "systemd does not know AEM's seal unit" }
  }
  const version = await host.run(command('gate-version', { program }))
  if (version.state !== 'seen' || version.value.exit !== 0) {
    return { changed: false, program, why: `/usr/bin/node cannot run ${program}` }
  }
  const { argv } = command('gate-asked', { program })
  await host.makePrivateDirectory(HOLD_DROP_IN.slice(0, HOLD_DROP_IN.lastIndexOf('/')))
  await host.writeFileAtomic(HOLD_DROP_IN, Buffer.from(renderDropIn(argv)), 0o644)
  const reload = await host.run(command('daemon-reload', {}))
  const unit = await observeLoadedUnit(host)
  if (reload.state === 'seen' && reload.value.exit === 0 && unit !== null && isAsked(unit, argv)) {
    return { changed: true, program, why: null }
  }
  await removeHold(host)
  return {
    changed: false,
    program,
    why: 'systemd did not take the drop-in: its `systemctl show` does not name the command; the file was removed again',
  }
}

/** Takes the drop-in away, makes systemd forget it, and asks systemd whether it did. */
export async function removeHold(host: Host): Promise<HoldChange> {
  await host.removeFile(HOLD_DROP_IN)
  await host.run(command('daemon-reload', {}))
  const { file, isInstalled, unit, program } = await observeHold(host)
  if (file === 'absent' && isInstalled === false) return { changed: true, program: program.path, why: null }
  const others = unit?.dropIns.filter((path) => path !== HOLD_DROP_IN) ?? []
  const why =
    isInstalled === null
      ? 'systemd could not be asked whether it forgot the drop-in'
      : `systemd still asks the gate; drop-ins: ${others.join(', ') || 'none'}`
  return { changed: file === 'absent', program: program.path, why }
}
