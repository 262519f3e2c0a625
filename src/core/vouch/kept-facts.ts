import type { Reproduced } from '../decide/facts.ts'

/**
 * SHA-256 of the initramfs files that were vouched for by making them again, by path as GRUB names them.
 * @param facts of the step that made them, as the session keeps them
 */
export function listReproducedImages(facts: Reproduced | undefined): ReadonlyMap<string, string> {
  const { reproductions, accepted } = facts ?? {}
  if (reproductions === undefined || accepted === undefined) return new Map()
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
