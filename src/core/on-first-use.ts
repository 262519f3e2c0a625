/**
 * Makes a value where it is first used. The forms of files are made so: a command reads few of those files, and building all
 * forms takes longer than its own work.
 *
 * @returns gives the same value at each call
 */
export function onFirstUse<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
