import { CommanderError } from 'commander'
import { EXIT, Failure } from '../core/failure.ts'
import { renderJson } from '../core/harmless-text.ts'
import { makeFailure } from '../tables/failures.ts'
import { fold } from '../ui/fold.ts'
import { renderFailure } from '../ui/render-message.ts'
import { sanitizeText, toAsciiLine } from '../ui/sanitize.ts'
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
    const columns = io.errorColumns ?? Number.POSITIVE_INFINITY
    const lines = renderFailure(failure)
      .map((own) => (isAscii ? toAsciiLine(own) : own))
      .flatMap((own) => fold(own, columns))
      .map((own) => sanitizeText(own.text))
    io.stderr(`${lines.join('\n')}\n`)
  }
  return exit
}

function toFailure(error: unknown, isRehearsal: boolean): Failure {
  if (error instanceof Failure) return error
  if (error instanceof Interrupted)
    return makeFailure('interrupted', isRehearsal ? { isRehearsal: 'yes' } : {})
  if (error instanceof CommanderError)
    return makeFailure('usage', { reason: error.message.replace(/^error: /, '') })
  const isError = error instanceof Error
  return makeFailure(
    'internal',
    { reason: isError ? error.message : String(error) },
    isError ? error.stack : undefined,
  )
}
