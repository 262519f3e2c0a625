import * as z from '../form.ts'
import { onFirstUse } from '../on-first-use.ts'
import type { Session } from '../session/checkpoint.ts'
import { compareWords, type WordChange } from '../vouch/command-line.ts'
import { listExpectedRegisters } from './approved-state.ts'

/** Something that the next boot measures differently. */
export type ChangedPart = {
  readonly role: string
  readonly path: string | null
  readonly package: { readonly name: string; readonly evr: string; readonly signer: string | null } | null
  /** Where a person accepted another command line: word by word. */
  readonly words: WordChange | null
}

export type NextChanges = {
  /** Registers with another value at the next boot, and what makes it. */
  readonly changes: readonly { readonly index: number; readonly parts: readonly ChangedPart[] }[]
  /** Registers of which nothing says what they will be. */
  readonly unpredicted: readonly number[]
}

/** What is read of the kept `predict` answer and of what a person accepted in that step. */
const prediction = onFirstUse(() =>
  z.object({
    pcrs: z.array(
      z.object({
        index: z.number(),
        bank: z.string(),
        components: z._default(
          z.array(
            z.object({
              role: z.string(),
              path: z.nullish(z.string()),
              commandLine: z.nullish(z.string()),
              changed: z.nullish(z.boolean()),
              package: z.nullish(
                z.object({ name: z.string(), evr: z.string(), signer: z.nullish(z.string()) }),
              ),
            }),
          ),
          [],
        ),
      }),
    ),
  }),
)
const accepted = onFirstUse(() =>
  z.object({ accepted: z.array(z.looseObject({ kind: z.string(), path: z.string() })) }),
)

/** What changes at the next boot, register by register; null where nothing was recorded or predicted. */
export function listNextChanges(
  session: Pick<Session, 'baseline' | 'expectation' | 'prediction' | 'findings'>,
): NextChanges | null {
  const { baseline, findings } = session
  const registers = listExpectedRegisters(session)
  const parsed = prediction().safeParse(session.prediction)
  if (baseline === null || registers === null || !parsed.success) return null
  const now = baseline.pcrs[baseline.bank] ?? {}
  const own = accepted().safeParse(findings.predict).data?.accepted ?? []
  const isOwnLine = (path: string): boolean =>
    own.some((one) => one.kind === 'command-line' && one.path === path)
  const lineBefore = (role: string): string | null =>
    role === 'xen' ? baseline.xenCommandLine : role === 'kernel' ? baseline.kernelCommandLine : null
  const partsOf = (index: number): readonly ChangedPart[] =>
    parsed.data.pcrs
      .filter((pcr) => pcr.index === index && pcr.bank === baseline.bank)
      .flatMap(({ components }) => components)
      .filter(({ changed }) => changed !== false)
      .map(({ role, path = null, commandLine, package: owner }) => {
        const before = lineBefore(role)
        const hasWords =
          path !== null && isOwnLine(path) && before !== null && typeof commandLine === 'string'
        return {
          role,
          path,
          package: owner ? { ...owner, signer: owner.signer ?? null } : null,
          words: hasWords ? compareWords(before, commandLine) : null,
        }
      })
  return {
    changes: registers
      .filter(({ index, value }) => value !== null && value !== now[index])
      .map(({ index }) => ({ index, parts: partsOf(index) })),
    unpredicted: registers.filter(({ value }) => value === null).map(({ index }) => index),
  }
}
