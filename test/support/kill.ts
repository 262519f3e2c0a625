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

export type Trap = { readonly at: number | null; passed: KillPoint[]; isDead: boolean }

/** A host whose program dies at the n-th place: before and after every write and every command that changes something, before every look. */
export function trapHost(host: Host, trap: Trap): Host {
  const pass = (what: string, isLook = false): void => {
    if (trap.isDead) throw new Killed('already dead')
    const number = trap.passed.length
    trap.passed.push({ number, what, isLook })
    if (number !== trap.at) return
    trap.isDead = true
    throw new Killed(what)
  }
  const around = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    pass(`before ${what}`)
    const done = await work()
    pass(`after ${what}`)
    return done
  }
  return {
    ...host,
    async run(call, input) {
      const what = `run ${call.id}`
      if (call.effect === 'write') return around(what, () => host.run(call, input))
      pass(`before ${what}`, true)
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

/**
 * The user's way through start, restarts and resume with a program that dies at one place; after that a new program
 * is started, as the user would. @param at null: it never dies
 */
export async function liveThrough(story: Story, at: number | null): Promise<End> {
  const machine = story.make()
  const trap: Trap = { at, passed: [], isDead: false }
  const exits: number[] = []
  const said: string[] = []
  let boots = 0
  let isWaiting = story.beforeRestart !== undefined
  const restart = (): void => {
    story.whileOff?.(machine, boots)
    restartMachine(machine)
    boots += 1
    story.afterBoot?.(machine, boots)
  }
  for (let runs = 0; runs < MAX_RUNS; runs++) {
    // A new process: a new host, a new store, no memory of the last one.
    const host = trapHost(makeSimulatedHost(machine), trap)
    const exit = await runOnce(host, trap, story, listReports(machine).length > 0, said).catch(
      (error: unknown) => {
        if (!(error instanceof Killed)) throw error
        trap.isDead = false
        return 'killed' as const
      },
    )
    if (exit !== 'killed') exits.push(exit)
    if (exit === 3 && isWaiting) {
      isWaiting = false
      story.beforeRestart?.(machine)
      continue
    }
    if (exit === 'killed' && story.cutsPower) restart()
    else if (exit === 'killed' ? machine.restartRequested !== null : exit === 3) restart()
    else if (exit !== 'killed') break
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
    boots,
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
