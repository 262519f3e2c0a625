import * as z from '../form.ts'
import { onFirstUse } from '../on-first-use.ts'

/** What the step `predict` keeps of the initramfs files it made again (flow/steps/predict.ts). */
const keptFactsSchema = onFirstUse(() =>
  z.object({
    reproductions: z.array(
      z.object({ image: z.string(), state: z.string(), sha256: z.optional(z.string()) }),
    ),
    accepted: z.array(z.object({ kind: z.string(), path: z.string(), sha256: z.optional(z.string()) })),
  }),
)

/**
 * SHA-256 of the initramfs files that were vouched for by making them again before the restart, by path as GRUB names them.
 * @param facts of the step `predict`, as the session keeps them
 */
export function listReproducedImages(facts: unknown): ReadonlyMap<string, string> {
  const kept = keptFactsSchema().safeParse(facts)
  if (!kept.success) return new Map()
  const { reproductions, accepted } = kept.data
  const isAccepted = (path: string, sha256: string): boolean =>
    accepted.some((one) => one.kind === 'modules' && one.path === path && one.sha256 === sha256)
  return new Map(
    reproductions.flatMap(({ image, state, sha256 }) => {
      if (sha256 === undefined) return []
      const isVouched = state === 'same' || (state === 'same-with-modules' && isAccepted(image, sha256))
      return isVouched ? [[image, sha256] as const] : []
    }),
  )
}
