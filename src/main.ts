import { Command, CommanderError } from 'commander'
import type { GlobalOptions, Io } from './cli/io.ts'
import { EXIT, Failure } from './core/failure.ts'
import { renderJson } from './core/harmless-text.ts'
import type { Host } from './host/host.ts'
import { makeFailure } from './messages.ts'
import { renderFailure } from './ui/render-message.ts'
import { sanitizeText, toAscii } from './ui/sanitize.ts'
import { Interrupted } from './ui/ui.ts'

declare const AEM_RESEAL_VERSION: string

/** Which machine a command works on: none, the named one, or the real one as root. */
type Need = 'none' | 'machine'
type Action = (options: GlobalOptions, own: Record<string, unknown>, args: string[]) => Promise<number>

export type Running = { host: Host | null }

/**
 * Runs one command line.
 *
 * @param argv arguments without the program's own name
 * @param running gets the host while one is open, so that a signal can close it
 * @returns the exit code (docs/contract.md); every error is printed here
 */
export async function main(
  argv: readonly string[],
  io: Io,
  running: Running = { host: null },
): Promise<number> {
  let exit: number = EXIT.done
  const isJson = argv.includes('--json')
  const isAscii = argv.includes('--ascii')
  const program = makeProgram(argv, io, running, (code) => {
    exit = code
  })
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return exit
  } catch (error) {
    return report(error, io, isJson, isAscii, program.args[0] === 'rehearse')
  } finally {
    await running.host?.close()
    running.host = null
  }
}

/** The command line as commander knows it; a test parses with it what the program tells users to type. */
export function makeProgram(
  argv: readonly string[],
  io: Io,
  running: Running,
  setExit: (code: number) => void,
): Command {
  const program = new Command('aem-reseal')
  program
    .description(
      'Guides a Qubes OS dom0 with Anti Evil Maid through a security update: confirm, restart, explain, reseal, verify.',
    )
    .version(AEM_RESEAL_VERSION, '--version')
    .option('--json', 'one JSON document on standard output, nothing else there')
    .option('--machine <dir>', 'look at a recorded machine, read-only')
    .option('--state-dir <dir>', 'where the session and the reports are (default /var/lib/aem-reseal)')
    .option(
      '--yes',
      'ask nothing: the recommended way, restart by hand, an explained change accepted; nothing else is agreed to',
    )
    .option('--no-color', 'no colours (also NO_COLOR)')
    .option('--ascii', 'only ASCII characters')
    .option('--verbose', 'each program that is run, on standard error')
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: () => undefined })

  const add = (usage: string, description: string, need: Need, action: Action, parent = program): Command =>
    parent
      .command(usage)
      .description(description)
      .exitOverride()
      .configureOutput({ writeOut: io.stdout, writeErr: () => undefined })
      .action(async (...given: unknown[]) => {
        const own = given.at(-2) as Record<string, unknown>
        const args = given
          .slice(0, -2)
          .flat()
          .filter((arg): arg is string => typeof arg === 'string')
        const options = toGlobalOptions(program.opts())
        if (need === 'machine' && options.machine === null && io.uid !== 0) {
          setExit(await rerunAsRoot(io, argv))
          return
        }
        setExit(await action(options, own, args))
      })

  addCommands(add, io, running, argv)
  addBulletinCommands(program, add, io, running)
  program.allowExcessArguments(true).action(async () => {
    const [unknownCommand] = program.args
    if (unknownCommand !== undefined)
      throw makeFailure('usage', { reason: `there is no command ${unknownCommand}` })
    const options = toGlobalOptions(program.opts())
    if (options.machine === null && io.uid !== 0) setExit(await rerunAsRoot(io, argv))
    else setExit(await lookAtStatus(io, options, running))
  })
  return program
}

function addCommands(
  add: (usage: string, text: string, need: Need, action: Action) => Command,
  io: Io,
  running: Running,
  argv: readonly string[],
): void {
  const open = async (options: GlobalOptions): Promise<Host> => {
    const { makeHost } = await import('./cli/context.ts')
    running.host = await makeHost(io, options)
    return running.host
  }
  /** After a run that was killed: first as it was before it. */
  const openCleared = async (options: GlobalOptions): Promise<Host> => {
    const host = await open(options)
    await host.clearLeftovers?.()
    return host
  }
  add('start', 'the wizard after an update, before the restart', 'machine', async (options, own) => {
    const { runStart } = await import('./cli/session.ts')
    return runStart(io, options, await openCleared(options), {
      bulletin: text(own.bulletin),
      keys: keysOf(own),
      protect: text(own.protect),
      restart: text(own.restart),
    })
  })
    .option('--bulletin <id-or-file>', 'the bulletin this update is for')
    .option('--keys <path...>', KEYS_HELP)
    .option('--protect <way>', 'forward-seal, hold or plain')
    .option('--restart <when>', 'now, +MIN, HH:MM or manual')
  add('resume', 'go on from the checkpoint', 'machine', async (options) => {
    const { runResume } = await import('./cli/session.ts')
    return runResume(io, options, await openCleared(options))
  })
  add('rehearse', 'dry run of the whole job', 'none', async (options, own) => {
    const { hasAem, listScenarios, rehearseBuiltIn, rehearseHere } = await import('./cli/rehearse.ts')
    if (own.list === true) return listScenarios(io, options)
    const scenario = text(own.scenario)
    if (scenario !== null) return rehearseBuiltIn(io, options, scenario)
    const host = await open(options)
    if (!(await hasAem(host))) return rehearseBuiltIn(io, options, null)
    // On a real dom0 the rehearsal reads the TPM and AEM's files: only root can.
    const mustBeRoot = options.machine === null && io.uid !== 0
    return mustBeRoot ? rerunAsRoot(io, rehearseArguments(options)) : rehearseHere(io, options, host)
  })
    .option('--scenario <name>', 'on the built-in machine, with this story')
    .option('--list', 'the scenarios')
  add('status', 'one look at AEM, TPM, devices, Xen and the session', 'machine', (options) =>
    lookAtStatus(io, options, running),
  )
  add(
    'predict',
    'the PCRs of the next boot, from the files that are on the boot device now',
    'machine',
    async (options) => {
      const { runPredict } = await import('./cli/predict.ts')
      return runPredict(io, options, await open(options))
    },
  )
  add('explain', 'what changed since the session began, and why', 'machine', async (options) => {
    const { runExplain } = await import('./cli/explain.ts')
    return runExplain(io, options, await open(options))
  })
  add('verify', "check the devices' own sealed copies", 'machine', async (options, own) => {
    const { runVerify } = await import('./cli/verify.ts')
    return runVerify(io, options, await openCleared(options), text(own.device))
  }).option('--device <suffix>', 'only this device')
  add(
    'gate [act]',
    "for systemd: may AEM's automatic seal run now? (install, show, remove: the drop-in that asks it)",
    'none',
    async (options, _own, args) => {
      const { isDropInAct, runDropIn, runGate } = await import('./cli/gate.ts')
      const [act] = args
      // Asked by systemd in early boot: no sudo, and every answer but yes is no.
      if (act === undefined) return runGate(io, options, () => open(options))
      if (!isDropInAct(act))
        throw makeFailure('usage', { reason: `gate takes install, show or remove, not ${act}` })
      if (options.machine === null && io.uid !== 0) return rerunAsRoot(io, argv)
      return runDropIn(io, options, await open(options), act)
    },
  )
  add(
    'devices [act] [device]',
    'every AEM device, its state and what it needs (refresh [DEVICE]: bring its boot files up to date; forward-seal DEVICE: seal it for its own next boot; repair-slots: a freshness slot for each)',
    'machine',
    async (options, _own, args) => {
      const { DEVICE_ACTS, isDeviceAct, runDeviceAct, runDevices } = await import('./cli/devices.ts')
      const [act, device] = args
      if (act === undefined) return runDevices(io, options, await open(options))
      if (!isDeviceAct(act))
        throw makeFailure('usage', { reason: `devices takes ${DEVICE_ACTS.join(', ')}, not ${act}` })
      return runDeviceAct(io, options, await openCleared(options), act, device ?? null)
    },
  )
  add('cancel', 'cancel a scheduled restart and the session', 'machine', async (options) => {
    const { runCancel } = await import('./cli/session.ts')
    return runCancel(io, options, await openCleared(options))
  })
  add('record', 'write this machine as a recorded machine, redacted', 'machine', async (options, own) => {
    const { runRecord } = await import('./cli/record.ts')
    return runRecord(io, options, await open(options), text(own.out) ?? '')
  }).requiredOption('--out <dir>', 'a new directory')
  add('commands', 'every program that may ever run', 'none', async (options) => {
    const { runCommands } = await import('./cli/commands.ts')
    return runCommands(io, options)
  })
  add('plan [flow]', 'the flow, as text or Mermaid', 'none', async (options, own, args) => {
    const { runPlan } = await import('./cli/plan.ts')
    return runPlan(io, options, args[0] ?? null, own.mermaid === true)
  }).option('--mermaid', 'as a Mermaid flowchart')
}

type Add = (usage: string, text: string, need: Need, action: Action, parent?: Command) => Command

const KEYS_HELP = 'key files or directories (default: beside the bulletin)'

function keysOf(own: Record<string, unknown>): string[] {
  return Array.isArray(own.keys) ? own.keys.filter((key): key is string => typeof key === 'string') : []
}

function addBulletinCommands(program: Command, add: Add, io: Io, running: Running): void {
  const bulletin = program
    .command('bulletin')
    .description('what the Qubes Security Bulletins ask, and whether it is met here')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: () => undefined })
    .allowExcessArguments(true)
    .action(() => {
      const [, unknownWord] = program.args
      const given = unknownWord === undefined ? '' : `, not ${unknownWord}`
      throw makeFailure('usage', { reason: `bulletin takes list, show or check${given}` })
    })
  const open = async (options: GlobalOptions): Promise<Host> => {
    const { makeHost } = await import('./cli/context.ts')
    running.host = await makeHost(io, options)
    return running.host
  }
  add(
    'list',
    'all bulletins for this release',
    'machine',
    async (options) => {
      const { runBulletinList } = await import('./cli/bulletin.ts')
      return runBulletinList(io, options, await open(options))
    },
    bulletin,
  )
  add(
    'show <id-or-file...>',
    'one bulletin in full, or several',
    'none',
    async (options, own, args) => {
      const { runBulletinShow } = await import('./cli/bulletin.ts')
      return runBulletinShow(io, options, args, keysOf(own))
    },
    bulletin,
  ).option('--keys <path...>', KEYS_HELP)
  add(
    'check [id-or-file]',
    'the one answer: met, not met, restart due',
    'machine',
    async (options, own, args) => {
      const { runBulletinCheck } = await import('./cli/bulletin.ts')
      return runBulletinCheck(io, options, await open(options), args[0] ?? null, keysOf(own))
    },
    bulletin,
  ).option('--keys <path...>', KEYS_HELP)
}

async function lookAtStatus(io: Io, options: GlobalOptions, running: Running): Promise<number> {
  const { runStatus } = await import('./cli/status.ts')
  const { makeHost } = await import('./cli/context.ts')
  running.host = await makeHost(io, options)
  return runStatus(io, options, running.host)
}

/** The options of `rehearse` in dom0, given again to the run as root. */
function rehearseArguments(options: GlobalOptions): readonly string[] {
  const flags = {
    '--json': options.json,
    '--yes': options.yes,
    '--ascii': options.ascii,
    '--no-color': !options.color,
  }
  const set = Object.entries(flags).filter(([, isSet]) => isSet)
  return ['rehearse', ...set.map(([flag]) => flag)]
}

async function rerunAsRoot(io: Io, argv: readonly string[]): Promise<number> {
  const result = await io.runAsRoot(argv)
  if ('exit' in result) return result.exit
  throw makeFailure('sudo-failed', { command: ['aem-reseal', ...argv].join(' '), reason: result.failed })
}

function toGlobalOptions(raw: Record<string, unknown>): GlobalOptions {
  return {
    json: raw.json === true,
    machine: text(raw.machine),
    stateDir: toAbsolute(text(raw.stateDir)),
    yes: raw.yes === true,
    color: raw.color !== false,
    ascii: raw.ascii === true,
    verbose: raw.verbose === true,
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function toAbsolute(path: string | null): string | null {
  return path === null || path.startsWith('/') ? path : `${process.cwd()}/${path}`
}

/** Prints an error in the form of the contract. @returns its exit code */
function report(error: unknown, io: Io, isJson: boolean, isAscii: boolean, isRehearsal: boolean): number {
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done
  const { text: failure, exit } = toFailure(error, isRehearsal)
  if (isJson) {
    const { code, what, why, next } = failure
    io.stdout(renderJson({ error: { code, what, why, next } }))
  } else {
    const lines = renderFailure(failure, io.errorColumns ?? null)
      .map((own) => sanitizeText(own.text))
      .join('\n')
    io.stderr(`${isAscii ? toAscii(lines) : lines}\n`)
  }
  return exit
}

const INTERRUPTED = {
  why: 'what was recorded so far is kept',
  next: '`aem-reseal resume` goes on where it stopped; where it says that no session is open, begin anew',
}

const REHEARSAL_INTERRUPTED = {
  why: 'it was a rehearsal: nothing was changed, and nothing of it is kept',
  next: '`aem-reseal rehearse` begins anew',
}

function toFailure(error: unknown, isRehearsal: boolean): Pick<Failure, 'text' | 'exit'> {
  if (error instanceof Failure) return error
  if (error instanceof Interrupted) {
    const text = isRehearsal ? REHEARSAL_INTERRUPTED : INTERRUPTED
    return { exit: EXIT.interrupted, text: { code: 'interrupted', what: 'interrupted', ...text } }
  }
  if (error instanceof CommanderError)
    return makeFailure('usage', { reason: error.message.replace(/^error: /, '') })
  return {
    exit: EXIT.internal,
    text: {
      code: 'internal',
      what: `a defect in aem-reseal: ${error instanceof Error ? error.message : String(error)}`,
      why: 'this is not your mistake; nothing was approved or sealed because of it',
      next: 'please report it with the words below; the state is kept',
      ...(error instanceof Error && error.stack ? { verbatim: error.stack } : {}),
    },
  }
}
