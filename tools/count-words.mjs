// Counts the words that a clean rehearsal prints before and after its restart: what a tired person has to read.
//
//   node tools/count-words.mjs
//
// A word is what stands between blanks and has a letter in it. Exit 1 above the bounds.
import { spawnSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'

/** Words before the restart, and after it. They were 1035 and 437 when everything was printed. */
export const BOUNDS = { before: 350, after: 180 }

const RESTART = 'the restart is simulated'

/**
 * @param {string} text what a rehearsal printed
 * @returns {{ before: number, after: number }}
 * @throws where no restart was simulated
 */
export function countWords(text) {
  const at = text.indexOf(RESTART)
  if (at === -1) throw new Error(`it never said "${RESTART}"`)
  const count = (part) => part.split(/\s+/).filter((word) => /\p{L}/u.test(word)).length
  return { before: count(text.slice(0, at)), after: count(text.slice(at)) }
}

/** Runs the built program. */
export function countCleanRehearsal() {
  const program = new URL('../dist/aem-reseal.mjs', import.meta.url).pathname
  const args = [program, 'rehearse', '--scenario', 'clean-update', '--yes']
  const { stdout, status } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the clean rehearsal ended with ${status}`)
  return countWords(stdout)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { before, after } = countCleanRehearsal()
  console.log(`words of the clean rehearsal before the restart: ${before} (wanted: at most ${BOUNDS.before})`)
  console.log(`words of the clean rehearsal after the restart: ${after} (wanted: at most ${BOUNDS.after})`)
  process.exitCode = before > BOUNDS.before || after > BOUNDS.after ? 1 : 0
}
