import * as z from '../form.ts'
import { onFirstUse } from '../on-first-use.ts'
import { compareEvr } from '../package/evr.ts'

/**
 * The newest version of each measured package that was ever confirmed here. It outlives sessions: with it an older signed
 * package is told from an update.
 */
const versionsSchema = onFirstUse(() =>
  z.object({
    format: z.literal('aem-reseal versions'),
    version: z.literal(1),
    packages: z.array(z.object({ name: z.string(), evr: z.string(), at: z.iso.datetime() })),
  }),
)

export type Versions = z.infer<ReturnType<typeof versionsSchema>>

/** @returns null for anything else: what was there before is not known then, which is not "nothing" */
export function parseVersions(text: string): Versions | null {
  try {
    return versionsSchema().safeParse(JSON.parse(text)).data ?? null
  } catch {
    return null
  }
}

/**
 * The record after these packages were confirmed: newer ones replace, older ones do not, unless the person wanted the
 * downgrade.
 *
 * @param at ISO 8601
 */
export function recordVersions(
  versions: Versions | null,
  confirmed: readonly { readonly name: string; readonly evr: string }[],
  wanted: readonly { readonly name: string }[],
  at: string,
): Versions {
  const packages = new Map((versions?.packages ?? []).map((item) => [item.name, item]))
  for (const { name, evr } of confirmed) {
    const known = packages.get(name)
    const isWanted = wanted.some((one) => one.name === name)
    if (known === undefined || isWanted || compareEvr(evr, known.evr) > 0)
      packages.set(name, { name, evr, at })
  }
  return { format: 'aem-reseal versions', version: 1, packages: [...packages.values()] }
}
