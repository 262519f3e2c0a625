import * as z from '../form.ts'
import { onFirstUse } from '../on-first-use.ts'

/** Left by the gate for the login: AEM's automatic seal was held, and why. It only informs; nothing is decided on it. */
const heldNoteSchema = onFirstUse(() =>
  z.object({
    format: z.literal('aem-reseal held note'),
    version: z.literal(1),
    at: z.iso.datetime(),
    bootId: z.nullable(z.string()),
    reason: z.string(),
    pcrs: z.array(z.int()),
    why: z.string(),
  }),
)

export type HeldNote = z.infer<ReturnType<typeof heldNoteSchema>>

/** @param why one sentence for a person */
export function makeHeldNote(held: Omit<HeldNote, 'format' | 'version'>): HeldNote {
  return { format: 'aem-reseal held note', version: 1, ...held }
}

/** @returns null for anything but a note: without it the program says less, never something else */
export function parseHeldNote(text: string): HeldNote | null {
  try {
    return heldNoteSchema().safeParse(JSON.parse(text)).data ?? null
  } catch {
    return null
  }
}
