import * as z from '../form.ts'

export type FileProblem = 'damaged' | 'foreign' | 'newer'

/**
 * Reads a file of this program that says its format and version.
 *
 * @param text the whole file
 * @returns its value, or why there is none: `damaged` (no JSON, or fields of another form), `foreign` (another
 *   program's file), `newer` (written by a later version of this program), with the detail
 */
export function parseVersionedFile<T>(
  text: string,
  own: { readonly format: string; readonly version: number; readonly schema: z.Form<T> },
): { readonly value: T } | { readonly problem: FileProblem; readonly detail: string } {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return { problem: 'damaged', detail: (error as Error).message }
  }
  const head = z.object({ format: z.literal(own.format), version: z.number() }).safeParse(json)
  if (!head.success) return { problem: 'foreign', detail: `it does not say "format": "${own.format}"` }
  if (head.data.version > own.version) return { problem: 'newer', detail: `version ${head.data.version}` }
  const parsed = parseDeep(own.schema, json)
  if (parsed === null) return { problem: 'damaged', detail: 'it is nested deeper than this program writes' }
  if (parsed.success) return { value: parsed.data }
  const [issue] = parsed.error.issues
  return { problem: 'damaged', detail: `${issue?.path.join('.')}: ${issue?.message}` }
}

/** @returns null for what is nested so deep that it cannot be looked at: schemas go down as deep as the value does */
function parseDeep<T>(schema: z.Form<T>, json: unknown): ReturnType<z.Form<T>['safeParse']> | null {
  try {
    return schema.safeParse(json)
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}
