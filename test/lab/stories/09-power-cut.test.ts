import { rm } from 'node:fs/promises'
import path from 'node:path'
import { expect } from 'vitest'
import { cacheFolder } from '../image/place.ts'
import type { Boot } from '../machine/boot.ts'
import { secretShown, UPDATE_XEN } from './guest.ts'
import { type Cut, cutsDuring, type Rhythm, thinOut } from './power-cuts.ts'
import { heldMachine, type Snapshot, sealedBase, startedMachine } from './snapshots.ts'
import { onMachine, timedTest } from './story.ts'

/*
 * The power fails. Must be seen: the next boot comes up, with the sentence (the forward seal was done) or blind as AEM
 * leaves everybody after an update; the program then comes to a right end, and the boot after that shows. Must not be seen:
 * a machine that is stuck, or an alarm where nobody did anything.
 */

/** A seal switches two directories within a second; the rest is looking. */
const RHYTHM: Rhythm = { pauseS: 15, dense: /sealing|anti-evil-maid-seal/, densePauseS: 0.7 }
const CUTS = Number(process.env.LAB_CUTS ?? 10)
/** What the program may end with: done, something to do, or a restart to come; 4 would be an alarm. */
const CALM = [0, 1, 3]

type Interrupted = {
  readonly name: string
  readonly from: () => Promise<Snapshot>
  readonly prepare: (boot: Boot) => Promise<unknown>
  /** Runs in the guest while the copies are made; null: its boot, from the initramfs on. */
  readonly line: string | null
  readonly count: number
}

async function cutsOf({ name, from, prepare, line, count }: Interrupted): Promise<Cut[]> {
  const folder = path.join(cacheFolder(), 'running', `cuts-${name}`)
  await rm(folder, { recursive: true, force: true })
  let kept: Cut[] = []
  await onMachine(`9-${name}`, await from(), async (machine) => {
    const boot = await machine.powerOn()
    if (line === null) {
      const { cuts } = await cutsDuring(machine, boot, folder, RHYTHM, boot.ready())
      kept = await thinOut(cuts, count)
      return
    }
    await boot.ready()
    await prepare(boot)
    // on the console, so that its text says where a cut was made
    const work = boot.run(['sh', '-c', `${line} >/dev/hvc0 2>&1`], { timeoutS: 900 })
    const { cuts } = await cutsDuring(machine, boot, folder, RHYTHM, work)
    kept = await thinOut(cuts, count)
  })
  return kept
}

/** Boots what the power cut has left, and lets the program end what it began. */
async function comesUp(name: string, cut: Cut): Promise<string> {
  let said = ''
  await onMachine(`9-${name}-after-${Math.round(cut.afterS)}s`, cut, async (machine) => {
    const boot = await machine.powerOn()
    await boot.ready()
    const shown = secretShown(boot)
    const resume = await boot.program(['resume', '--yes'])
    expect(CALM, resume.screen).toContain(resume.exit)
    await boot.powerOff()
    const next = await machine.powerOn()
    await next.ready()
    expect(secretShown(next), 'the sentence at the boot after').toBe(true)
    said = `${cut.afterS.toFixed(1)} s (${cut.line}): ${shown ? 'shown' : 'blind'}, resume ${resume.exit}`
  })
  return said
}

const STORIES: readonly Interrupted[] = [
  {
    name: 'start',
    from: sealedBase,
    prepare: (boot) => boot.must(['sh', '-c', UPDATE_XEN]),
    line: 'aem-reseal start --protect forward-seal --restart manual --yes',
    count: CUTS,
  },
  {
    name: 'seal-of-aem',
    from: startedMachine['forward-seal'],
    prepare: async () => {},
    line: null,
    count: Math.ceil(CUTS / 4),
  },
  {
    name: 'resume',
    from: heldMachine,
    prepare: async () => {},
    line: 'aem-reseal resume --yes',
    count: Math.ceil(CUTS / 4),
  },
]

for (const interrupted of STORIES)
  timedTest(`9: the power fails during ${interrupted.name}`, async () => {
    const cuts = await cutsOf(interrupted)
    const lines: string[] = []
    for (const cut of cuts) {
      const line = await comesUp(interrupted.name, cut)
      lines.push(line)
      console.log(`${interrupted.name}: ${line}`)
      await rm(cut.folder, { recursive: true, force: true })
    }
    expect(lines).toHaveLength(interrupted.count)
  })
