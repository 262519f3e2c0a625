import { makeDirectoryStore } from '../../src/act/session-store.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import type { Host } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { type Typed, type } from './at-terminal.ts'

/** What SIGKILL is to the program: nothing of it runs any more, not even what stands in `finally`. */
export class Killed extends Error {}

/** One place where the program can die, e.g. `before write /var/lib/aem-reseal/session.json`. */
export type KillPoint = { readonly number: number; readonly what: string; readonly isLook: boolean }

export type Trap = {
  readonly at: number | null
  passed: KillPoint[]
  isDead: boolean
  /** Is waited for at each place, before the program goes on there. */
  readonly onPlace?: (point: KillPoint) => Promise<void>
}

/** A host whose program dies at the n-th place: before and after every write and every command that changes something, before every look. */
export function trapHost(host: Host, trap: Trap): Host {
  const pass = async (what: string, isLook = false): Promise<void> => {
    if (trap.isDead) throw new Killed('already dead')
    const point = { number: trap.passed.length, what, isLook }
    trap.passed.push(point)
    if (point.number === trap.at) {
      trap.isDead = true
      throw new Killed(what)
    }
    await trap.onPlace?.(point)
  }
  const around = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    await pass(`before ${what}`)
    const done = await work()
    await pass(`after ${what}`)
    return done
  }
  return {
    ...host,
    async run(call, input) {
      const what = `run ${call.id}`
      if (call.effect === 'write') return around(what, () => host.run(call, input))
      await pass(`before ${what}`, true)
      return host.run(call, input)
    },
    writeFileAtomic: (path, bytes, mode) =>
      around(`write ${path}`, () => host.writeFileAtomic(path, bytes, mode)),
    removeFile: (path) => around(`remove ${path}`, () => host.removeFile(path)),
    copyFile: (from, to, sha256) => around(`copy ${from}`, () => host.copyFile(from, to, sha256)),
    renameFile: (from, to) => around(`rename ${from}`, () => host.renameFile(from, to)),
  }
}

export type Story = {
  readonly make: () => SimMachine
  readonly restart: string
  readonly protect: 'plain' | 'forward-seal'
  /** By question id; the rest is answered as --yes would. */
  readonly answers?: Readonly<Record<string, string>>
  /** After the first and after every later boot, before anybody logs in. */
  readonly afterBoot?: (machine: SimMachine, boot: number) => void
  readonly whileOff?: (machine: SimMachine, boot: number) => void
  /** Before the first restart, once `start` has come to its end; then `resume` is run before the restart too. */
  readonly beforeRestart?: (machine: SimMachine) => void
  /** The program does not die alone: power goes with it. */
  readonly cutsPower?: true
}

export type End = {
  readonly exits: readonly number[]
  readonly machine: SimMachine
  readonly session: Session | null
  /** The last report, parsed. */
  readonly report: Record<string, unknown> | null
  readonly reports: readonly string[]
  readonly killPoints: readonly KillPoint[]
  readonly boots: number
  /** All that was printed, in one line. */
  readonly said: string
}

const MAX_RUNS = 12

/** How far a story has come. */
type Progress = {
  readonly machine: SimMachine
  readonly exits: number[]
  /** What the programs printed that came to their own end. */
  readonly said: string[]
  boots: number
  /** `beforeRestart` is still to come. */
  isWaiting: boolean
}

/** Told of a place where the program could have died, and how the story ended where it did. */
export type Witness = (point: KillPoint, survived: End) => void

/**
 * The user's way through start, restarts and resume.
 * @param watched at these places a copy of the machine is taken, its program dies there, and a new one is started on it, as the
 *   user would; the story itself goes on undisturbed
 */
export async function liveThrough(
  story: Story,
  watched: (point: KillPoint) => boolean = () => false,
  witness: Witness = () => undefined,
): Promise<End> {
  const progress: Progress = {
    machine: story.make(),
    exits: [],
    said: [],
    boots: 0,
    isWaiting: story.beforeRestart !== undefined,
  }
  return liveOn(story, progress, {
    at: null,
    passed: [],
    isDead: false,
    async onPlace(point) {
      if (!watched(point)) return
      // What has run until here is what a program that dies here leaves.
      const copy = { ...structuredClone(progress) }
      if (story.cutsPower || copy.machine.restartRequested !== null) restart(story, copy)
      witness(point, await liveOn(story, copy, { at: null, passed: [], isDead: false }))
    },
  })
}

function restart({ whileOff, afterBoot }: Story, progress: Progress): void {
  whileOff?.(progress.machine, progress.boots)
  restartMachine(progress.machine)
  progress.boots += 1
  afterBoot?.(progress.machine, progress.boots)
}

/** To the end of the story. A new process each time: a new host, a new store, no memory of the last one. */
async function liveOn(story: Story, progress: Progress, trap: Trap): Promise<End> {
  const { machine, exits, said } = progress
  for (let runs = 0; runs < MAX_RUNS; runs++) {
    const host = trapHost(makeSimulatedHost(machine), trap)
    const exit = await runOnce(host, trap, story, listReports(machine).length > 0, said)
    exits.push(exit)
    if (exit === 3 && progress.isWaiting) {
      progress.isWaiting = false
      story.beforeRestart?.(machine)
    } else if (exit === 3) restart(story, progress)
    else break
  }
  const reports = listReports(machine)
  const json = reports.filter((path) => path.endsWith('.json')).at(-1)
  return {
    exits,
    machine,
    session: await makeDirectoryStore(makeSimulatedHost(machine), DEFAULT_STATE_DIR).load(),
    report: json === undefined ? null : JSON.parse(textAt(machine, json)),
    reports,
    killPoints: trap.passed,
    boots: progress.boots,
    said: said.join(' ').replaceAll(/\s+/g, ' '),
  }
}

/** `resume` where there is a session, else `start`; nothing where the report says that all is done. @throws Killed */
async function runOnce(
  host: Host,
  trap: Trap,
  { restart, protect, answers }: Story,
  isDone: boolean,
  said: string[],
): Promise<number> {
  const open = await makeDirectoryStore(host, DEFAULT_STATE_DIR).load()
  if (open === null && isDone) return 0
  const words = open ? ['resume'] : ['start', '--protect', protect, '--restart', restart]
  // A wizard that begins again asks for what its command line had said.
  const run = await typeMortal(words, host, trap, { protection: protect, restart, ...answers })
  said.push(run.said)
  return run.exit
}

/** Types a command whose program may die on the way. @throws Killed */
export async function typeMortal(
  words: readonly string[],
  host: Host,
  trap: Trap,
  answers: Readonly<Record<string, string>> | null = null,
): Promise<Typed> {
  const run = await type(words, host, answers)
  if (trap.isDead) throw new Killed(run.said)
  return run
}

function listReports(machine: SimMachine): readonly string[] {
  return [...machine.dom0.keys()].filter((path) => path.startsWith(`${DEFAULT_STATE_DIR}/reports/`)).sort()
}

export function textAt(machine: SimMachine, path: string): string {
  return Buffer.from(machine.dom0.get(path)?.bytes ?? '').toString('utf8')
}
