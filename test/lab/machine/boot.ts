import { appendFileSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { Agent, GuestOptions, GuestResult } from './agent.ts'
import { poll, within } from './child.ts'
import type { BootChoice } from './loader.ts'
import type { Launch } from './measure.ts'

/* A machine that is on: what its guest says and does until it ends. */

const READY_S = 900
const END_S = 180
const PROGRAM_S = 900
const COLUMNS = 100
const ROWS = 40
/** The input is a pipe that never ends: at the end of it script(1) would type Ctrl-D. */
const IN_TERMINAL = `d=$(mktemp -d) && mkfifo "$d/keys" && exec 3<>"$d/keys" && rm -r "$d" && printf %s "$KEYS" >&3 &&
exec script --quiet --return --command "$SCRIPT" /dev/null <&3`
/** A guest that says this will never be ready. */
const LOST = /You are in emergency mode|Kernel panic[^\r\n]*|Panic on CPU[^\r\n]*/
/** Control sequences (ECMA-48, 5.4). */
const ESCAPES = /\u001b\[[0-?]*[ -/]*[@-~]/g

/** One power-on. */
export type Boot = {
  readonly choice: BootChoice
  readonly launch: Launch | null
  /** All that the serial console has said so far. */
  readonly serial: () => string
  /** Waits until the guest's system is up; the answer is its boot id. */
  readonly ready: () => Promise<string>
  readonly run: (argv: readonly string[], options?: GuestOptions) => Promise<GuestResult>
  /** Runs what must succeed. @throws Error with its words otherwise */
  readonly must: (argv: readonly string[], options?: GuestOptions) => Promise<GuestResult>
  /** Runs the program in a terminal of its own, in which `keys` are typed; what it drew is kept in `screens.log` too. */
  readonly program: (args: readonly string[], keys?: string) => Promise<{ exit: number; screen: string }>
  /** Waits until the guest has switched itself off or asked for a restart. */
  readonly ended: (seconds?: number) => Promise<'restart' | 'off'>
  /** An orderly shutdown, to its end. */
  readonly powerOff: () => Promise<void>
}

export type BootParts = {
  readonly choice: BootChoice
  readonly launch: Launch | null
  /** Folder of this power-on's logs. */
  readonly logs: string
  readonly agent: Agent
  /** QEMU has ended. */
  readonly ended: Promise<unknown>
  /** Ends what else belongs to this power-on. */
  readonly off: () => Promise<void>
}

/** What stories do with a machine that is on. */
export function makeBoot({ choice, launch, logs, agent, ended, off }: BootParts): Boot {
  const serial = (): string => readFileSync(path.join(logs, 'serial.log'), 'latin1')
  const guestEnded = async (seconds = END_S): Promise<'restart' | 'off'> => {
    await within(seconds, 'the end of the guest', ended)
    await off()
    // Xen's words (xen/common/shutdown.c)
    return /Hardware Dom0 shutdown: rebooting/.test(serial()) ? 'restart' : 'off'
  }
  return {
    choice,
    launch,
    serial,
    ready: () =>
      poll(READY_S, 'the guest', () => {
        const lost = LOST.exec(serial())
        if (lost) throw new Error(`the guest does not come up: ${lost[0]}`)
        return agent.bootId()
      }),
    run: agent.run,
    must: async (argv, options) => {
      const result = await agent.run(argv, options)
      if (result.exit !== 0)
        throw new Error(`${argv.join(' ')} ended with ${result.exit}\n${result.stdout}${result.stderr}`)
      return result
    },
    program: async (args, keys = '') => {
      const line = ['aem-reseal', ...args].join(' ')
      const env = { TERM: 'linux', KEYS: keys, SCRIPT: `stty cols ${COLUMNS} rows ${ROWS}; exec ${line}` }
      const { exit, stdout } = await agent.run(['sh', '-c', IN_TERMINAL], { env, timeoutS: PROGRAM_S })
      appendFileSync(path.join(logs, 'screens.log'), `### ${line} -> ${exit}\n${stdout}\n`)
      return { exit, screen: stdout.replaceAll('\r', '').replace(ESCAPES, '') }
    },
    ended: guestEnded,
    powerOff: async () => {
      // the answer may be lost with the machine
      await agent.run(['systemctl', 'poweroff']).catch(() => null)
      if ((await guestEnded()) !== 'off')
        throw new Error('the guest restarted where it should switch itself off')
    },
  }
}
