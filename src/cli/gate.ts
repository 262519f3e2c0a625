/* Long: what systemd runs and the drop-in that makes it run, on the same facts. */

import { installHold, removeHold } from '../act/hold-drop-in.ts'
import { makeDirectoryStore } from '../act/session-store.ts'
import type { GateDecision } from '../core/decide/gate.ts'
import { EXIT, Failure } from '../core/failure.ts'
import { sanitizeLine } from '../core/harmless-text.ts'
import { isAskedBySystemd } from '../core/hold/asked.ts'
import type { DropInAct } from '../core/hold/drop-in.ts'
import { makeHeldNote } from '../core/session/held-note.ts'
import type { Host } from '../host/host.ts'
import {
  describeHold,
  describeHoldInstalled,
  describeHoldRemoved,
  explainGate,
  gateLine,
} from '../messages/hold.ts'
import { observeDom0 } from '../observe/dom0/dom0.ts'
import { type GateAnswer, observeGate } from '../observe/seal/gate.ts'
import { isHeld, observeHold } from '../observe/seal/hold-drop-in.ts'
import { makeFailure } from '../tables/failures.ts'
import { HOLD_DROP_IN } from '../tables/paths.ts'
import type { Message } from '../ui/message.ts'
import { sayLook } from '../ui/render-message.ts'
import { assertAnswerable, makeUi, printJson, stateDirOf } from './context.ts'
import type { GlobalOptions, Io } from './io.ts'

/** The seal's unit waits 300 s at most (TimeoutStartSec=, anti-evil-maid 4.2.0), the user for less. */
const GATE_LIMIT_MS = 60_000
/** A disk that does not answer keeps no boot waiting for the sake of a note. */
const NOTE_LIMIT_MS = 10_000

type Asked = {
  readonly decision: GateDecision
  readonly bootId: string | null
  readonly detail: string | null
}

/**
 * `aem-reseal gate`, as systemd asks it: exit 0 lets AEM's seal run, 1 holds it. Whatever goes wrong is a no.
 * It takes no lock, since `resume` holds it when it starts the seal, and writes nothing but the note of a hold. Run by hand it
 * holds nothing back, so it leaves no note either.
 */
export async function runGate(io: Io, options: GlobalOptions, open: () => Promise<Host>): Promise<number> {
  let host: Host | null = null
  const asked = await withinLimit(async () => {
    if (options.machine === null && io.uid !== 0) return noBecause('not-root')
    host = await open()
    const answer: GateAnswer = await observeGate(observeDom0(host), () =>
      makeDirectoryStore(host as Host, stateDirOf(options)).load(),
    )
    return { decision: answer, bootId: answer.bootId, detail: null }
  })
  const isAsked = io.process !== undefined && isAskedBySystemd({ environment: io.environment, ...io.process })
  const note = host === null || !isAsked ? null : await noteWithinLimit(leaveNote(host, options, asked))
  print(io, options, { ...asked, isAsked }, note)
  return asked.decision.mayRun ? EXIT.done : EXIT.attention
}

function noBecause(reason: 'not-root' | 'error', detail: string | null = null): Asked {
  return { decision: { mayRun: false, reason, pcrs: [] }, bootId: null, detail }
}

async function withinLimit(work: () => Promise<Asked>): Promise<Asked> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const limit = new Promise<Asked>((resolve) => {
    const late = noBecause('error', `no answer within ${GATE_LIMIT_MS / 1000} s`)
    timer = setTimeout(() => resolve(late), GATE_LIMIT_MS)
  })
  try {
    return await Promise.race([work(), limit])
  } catch (error) {
    const said =
      error instanceof Failure ? error.text.what : error instanceof Error ? error.message : String(error)
    return noBecause('error', said)
  } finally {
    clearTimeout(timer)
  }
}

async function noteWithinLimit(writing: Promise<string | null>): Promise<string | null> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`not written within ${NOTE_LIMIT_MS / 1000} s`), NOTE_LIMIT_MS)
  })
  return Promise.race([writing, late]).finally(() => clearTimeout(timer))
}

/** @returns why the note could not be written, or null */
async function leaveNote(host: Host, options: GlobalOptions, asked: Asked): Promise<string | null> {
  const { decision, detail } = asked
  if (decision.mayRun || !host.writable) return null
  try {
    const bootId = asked.bootId ?? (await readBootId(host))
    const why = `${explainGate(decision)}${detail ? ` (${detail})` : ''}`
    const held = {
      at: host.now().toISOString(),
      bootId,
      reason: decision.reason,
      pcrs: [...decision.pcrs],
      why,
    }
    await makeDirectoryStore(host, stateDirOf(options)).saveHeldNote(makeHeldNote(held))
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function readBootId(host: Host): Promise<string | null> {
  const read = await host.readFile('/proc/sys/kernel/random/boot_id')
  return read.state === 'seen' ? Buffer.from(read.value).toString('utf8').trim() || null : null
}

function print(
  io: Io,
  options: GlobalOptions,
  asked: Asked & { readonly isAsked: boolean },
  noteFailed: string | null,
): void {
  const { decision, detail, isAsked } = asked
  if (options.json) {
    const { mayRun } = decision
    const reason = decision.mayRun ? decision.rule : decision.reason
    const pcrs = decision.mayRun ? [] : decision.pcrs
    printJson(io, 'gate', {
      mayRun,
      reason,
      pcrs,
      why: explainGate(decision),
      detail,
      askedBySystemd: isAsked,
    })
    return
  }
  io.stdout(`${sanitizeLine(gateLine(decision, detail, isAsked))}\n`)
  if (noteFailed !== null) io.stderr(`${sanitizeLine(`aem-reseal: no note was left: ${noteFailed}`)}\n`)
}

/** `aem-reseal gate install`, `show` and `remove`: the drop-in that makes systemd ask. A person says yes, nobody else. */
export async function runDropIn(io: Io, options: GlobalOptions, host: Host, act: DropInAct): Promise<number> {
  const facts = await observeHold(host)
  const say = (message: Message, isGood: boolean): number => {
    if (options.json) {
      const { isInstalled, file, program, unit } = facts
      printJson(io, 'gate-drop-in', {
        act,
        done: isGood,
        dropIn: HOLD_DROP_IN,
        isInstalled,
        file,
        program,
        unit,
        what: message.what,
        why: message.why ?? null,
      })
    } else sayLook(makeUi(io, options), message)
    return isGood ? EXIT.done : EXIT.attention
  }
  if (act === 'show') {
    const { isInstalled, askedWhy, fileWhy } = facts
    return say(describeHold(facts), isInstalled === true && askedWhy === null && fileWhy === null)
  }
  if (act === 'install' && isHeld(facts)) {
    return say(describeHoldInstalled({ changed: false, program: facts.program.path, why: null }), true)
  }
  if (act === 'remove' && facts.isInstalled === false && facts.file === 'absent') {
    return say(describeHoldRemoved({ changed: false, program: facts.program.path, why: null }), true)
  }
  if (!(await isConfirmed(io, options, act))) return EXIT.attention
  const change = act === 'install' ? await installHold(host, facts) : await removeHold(host)
  return say(
    act === 'install' ? describeHoldInstalled(change) : describeHoldRemoved(change),
    change.why === null,
  )
}

const QUESTIONS = {
  install: {
    id: 'install-drop-in',
    message: "Hold AEM's automatic seal from now on, until each change is explained and accepted?",
    hint: `writes ${HOLD_DROP_IN}`,
    how: '`aem-reseal gate show` prints the drop-in; write it, then `sudo systemctl daemon-reload`',
  },
  remove: {
    id: 'remove-drop-in',
    message: 'Let AEM seal by itself again to whatever boots?',
    hint: `removes ${HOLD_DROP_IN}`,
    how: `\`sudo rm ${HOLD_DROP_IN}\`, then \`sudo systemctl daemon-reload\``,
  },
} as const

async function isConfirmed(io: Io, options: GlobalOptions, act: 'install' | 'remove'): Promise<boolean> {
  const { id, message, hint, how } = QUESTIONS[act]
  if (options.yes) throw makeFailure('drop-in-needs-person', { act, how })
  assertAnswerable(io, options, '', true)
  const answer = await makeUi(io, options).ask<'yes' | 'no'>({
    id,
    message,
    choices: [
      { value: 'no', label: 'no', hint: 'nothing is changed' },
      { value: 'yes', label: 'yes', hint },
    ],
    default: 'no',
    withYes: 'no',
  })
  return answer === 'yes'
}
