import type { MeasuredComponent } from './explain-types.ts'
import type { Bank } from './pcr.ts'

/**
 * Finds for each extend of this boot the previous one that it continues: the same digest, else the same file in the same role,
 * else the same role, else the same place between the same neighbours. So an extend put in between is told from those that only moved up.
 * @returns places in `before`, null for what is new; each place at most once
 */
export function pairComponents(
  before: readonly MeasuredComponent[],
  now: readonly MeasuredComponent[],
  bank: Bank,
): (number | null)[] {
  const partners = now.map((): number | null => null)
  const taken = new Set<number>()
  const keys: readonly ((one: MeasuredComponent) => string)[] = [
    (one) => one.digests[bank] ?? '',
    (one) => JSON.stringify([one.role, one.path]),
    (one) => one.role,
  ]
  for (const key of keys) {
    const free = new Map<string, number[]>()
    for (const [at, one] of before.entries()) {
      if (taken.has(at)) continue
      const places = free.get(key(one))
      if (places) places.push(at)
      else free.set(key(one), [at])
    }
    for (const [at, one] of now.entries()) {
      if (partners[at] !== null) continue
      const place = free.get(key(one))?.shift()
      if (place === undefined) continue
      partners[at] = place
      taken.add(place)
    }
  }
  pairBetweenNeighbours(partners, before.length)
  return partners
}

/**
 * What stands in the place of something else, between the same neighbours, continues it. Earlier versions of this program
 * kept other roles for TrenchBoot's extends.
 */
function pairBetweenNeighbours(partners: (number | null)[], length: number): void {
  const known = partners.map((place) => place)
  for (let from = 0; from < known.length; ) {
    if (known[from] !== null) {
      from += 1
      continue
    }
    let to = from
    while (to < known.length && known[to] === null) to += 1
    const first = from === 0 ? 0 : known[from - 1]! + 1
    const end = to === known.length ? length : known[to]!
    const places = Array.from({ length: Math.max(0, end - first) }, (_, at) => first + at)
    const isSameGap = places.length === to - from && places.every((place) => !known.includes(place))
    if (isSameGap) for (const [at, place] of places.entries()) partners[from + at] = place
    from = to
  }
}

/** What continues an earlier extend must come in the previous order, whatever was added or taken out. */
export function isReordered(partners: readonly (number | null)[]): boolean {
  const places = partners.filter((place) => place !== null)
  return places.some((place, at) => at > 0 && place < places[at - 1]!)
}
