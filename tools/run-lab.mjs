// Runs stories of the lab (docs/lab.md) and prints how long each took.
//
//   node tools/run-lab.mjs                  the stories that .ci/run wants
//   node tools/run-lab.mjs --all            every story
//   node tools/run-lab.mjs 5                story 5; one of its parts by its name: "5: hold, one byte of Xen"
//   node tools/run-lab.mjs power-cut        the story whose file has that in its name
//
// What else begins with `--` goes to vitest as it is: --maxWorkers=1 runs one machine at a time.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const TOP = fileURLToPath(new URL('../', import.meta.url))
const STORIES = 'test/lab/stories'

/** Of CI: patterns of stories' names, each with the files that hold them. */
const CI = [
  '2:',
  '5: forward seal, (one byte of Xen|a word)',
  '6: one byte of Xen',
  '7: an evil maid',
  '9: .*during start',
]
/** Quick tests of the lab's own parts, which go before stories that nobody chose one by one. */
const PARTS = ['test/lab/machine', 'test/lab/choose.test.ts']
/** Moments at which the power fails in story 9; all of them take hours. */
const CI_CUTS = '3'

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** The files of stories, by the number that each begins with. */
const listFiles = () => readdirSync(`${TOP}${STORIES}`).filter((name) => name.endsWith('.test.ts'))

/** Patterns of stories' names for one word of the command line. @throws Error when no story is meant by it */
function patternsFor(word, names) {
  if (/^\d+$/.test(word)) return [`${Number(word)}:`]
  if (/^\d+:/.test(word)) return [escaped(word)]
  const found = names.filter((name) => name.includes(word))
  if (found.length === 0) throw new Error(`no story is called ${word}; there are ${names.join(', ')}`)
  return found.map((name) => `${Number.parseInt(name, 10)}:`)
}

/** Arguments of vitest that somebody else may have given: two machines side by side, as each has one processor. */
const DEFAULTS = ['--maxWorkers=2', '--reporter=verbose']
const nameOf = (option) => option.split('=')[0]
export const withDefaults = (rest) => [
  ...DEFAULTS.filter((one) => !rest.some((arg) => nameOf(arg) === nameOf(one))),
  ...rest,
]

/**
 * @param {readonly string[]} args
 * @param {readonly string[]} names of the files of stories
 * @returns {{ patterns: string[] | null, files: string[], rest: string[], env: Record<string, string>, isWhole: boolean }} null: every story
 */
export function chooseStories(args, names) {
  const words = args.filter((arg) => !arg.startsWith('--'))
  const rest = args.filter((arg) => arg.startsWith('--') && arg !== '--all')
  if (args.includes('--all')) return { patterns: null, files: [...names], rest, env: {}, isWhole: true }
  const patterns = words.length === 0 ? CI : words.flatMap((word) => patternsFor(word, names))
  const numbers = patterns.map((each) => Number.parseInt(each, 10))
  const files = names.filter((name) => numbers.includes(Number.parseInt(name, 10)))
  const isWhole = words.length === 0
  return { patterns, files, rest, env: isWhole ? { LAB_CUTS: CI_CUTS } : {}, isWhole }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const chosen = chooseStories(process.argv.slice(2), listFiles())
  const { patterns, rest, env } = chosen
  const files = [...(chosen.isWhole ? [...PARTS] : []), ...chosen.files.map((name) => `${STORIES}/${name}`)]
  const argv = ['vitest', 'run', '--project', 'lab', ...withDefaults(rest), ...files]
  const { status } = spawnSync('npx', argv, {
    cwd: TOP,
    stdio: 'inherit',
    env: {
      ...process.env,
      ...env,
      ...(patterns === null ? {} : { LAB_STORIES: `^(?:${patterns.join('|')})` }),
    },
  })
  process.exitCode = status ?? 1
}
