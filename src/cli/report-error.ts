import { CommanderError } from 'commander'
import { EXIT, Failure } from '../core/failure.ts'
import { renderJson } from '../core/harmless-text.ts'
import { makeFailure } from '../tables/failures.ts'
import { renderFailure } from '../ui/render-message.ts'
import { sanitizeText, toAscii } from '../ui/sanitize.ts'
import { Interrupted } from '../ui/ui.ts'
import type { Io } from './io.ts'

/** How errors are told, by the words of the command line alone: it may be one that could not be parsed. */
export type Telling = {
  readonly isJson: boolean
  readonly isAscii: boolean
  readonly isRehearsal: boolean
}

/** Prints an error in the form of the contract. @returns its exit code */
export function reportError(error: unknown, io: Io, { isJson, isAscii, isRehearsal }: Telling): number {
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
