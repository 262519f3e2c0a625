import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { generateShellFiles } from '../../tools/generate-shell-files.mjs'
import { runToEnd } from './process.ts'
import { temporaryDirectory } from './temporary.ts'
import { CTRL_D, CTRL_U, openPty } from './terminal.ts'

/* What the real shells offer behind a line that is being typed. */

export type Completions = {
  readonly devices: string
  readonly state: string
  /** Path of a generated file, by its place below /usr/share. */
  readonly pathOf: (place: string) => string
}

/** The files as a package has them, looking into directories of the test's own. */
export async function writeCompletions(
  verbs: Parameters<typeof generateShellFiles>[1] = [],
): Promise<Completions> {
  const directory = temporaryDirectory()
  const [devices, state] = [join(directory, 'devices'), join(directory, 'state')]
  const files = await generateShellFiles({ devices, state }, verbs)
  for (const [place, text] of files) {
    mkdirSync(dirname(join(directory, place)), { recursive: true })
    writeFileSync(join(directory, place), text)
  }
  return { devices, state, pathOf: (place) => join(directory, place) }
}

/** A user's environment, with nothing in PATH but what a shell itself needs. */
const ENVIRONMENT = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', TERM: 'xterm-256color' }

const ASK_BASH = `source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_aem_reseal
printf '%s\\n' "\${COMPREPLY[@]}"`

/** @param line what stands before the cursor, words between single blanks; at its end the word that is completed */
export async function completeInBash({ pathOf }: Completions, line: string): Promise<readonly string[]> {
  const file = pathOf('bash-completion/completions/aem-reseal')
  const run = await runToEnd('/bin/bash', ['--norc', '-c', ASK_BASH, '-', file, ...line.split(' ')], {
    env: { ...ENVIRONMENT, HOME: temporaryDirectory() },
  })
  if (run.stderr !== '') throw new Error(`bash says: ${run.stderr}`)
  return run.stdout.toString('utf8').split('\n').filter(Boolean)
}

/** The same in fish, whose \`complete -C\` is what its line editor asks. */
export async function completeInFish({ pathOf }: Completions, line: string): Promise<readonly string[]> {
  const file = pathOf('fish/vendor_completions.d/aem-reseal.fish')
  const script = 'source $argv[1]; complete -C $argv[2]'
  const run = await runToEnd('/usr/bin/fish', ['--no-config', '-c', script, file, line], {
    env: { ...ENVIRONMENT, HOME: temporaryDirectory() },
  })
  if (run.stderr !== '') throw new Error(`fish says: ${run.stderr}`)
  return run.stdout
    .toString('utf8')
    .split('\n')
    .flatMap((row) => row.split('\t')[0] || [])
}

/**
 * Read by a zsh before anything is typed. What compadd is given is written down, and added as without this; calls that only fill
 * arrays (-A, -O, -D) are those of _describe on its way. After zsh-capture-completion.
 */
const LISTEN = (directory: string, out: string): string => `
fpath=(${directory} $fpath)
autoload -Uz compinit
compinit -u -D
compadd() {
  if [[ " \${@[1,(i)(-|--)]} " != *\\ -(O|A|D)\\ * ]]; then
    local -a heard
    builtin compadd -A heard "$@"
    print -rl -- $heard >> ${out}
  fi
  builtin compadd "$@"
}
bindkey '^D' list-choices
`

/** The same in zsh, typed in a terminal. */
export async function completeInZsh({ pathOf }: Completions, line: string): Promise<readonly string[]> {
  const home = temporaryDirectory()
  const [setup, out] = [join(home, 'setup'), join(home, 'heard')]
  writeFileSync(setup, LISTEN(dirname(pathOf('zsh/site-functions/_aem-reseal')), out))
  writeFileSync(out, '')
  const zsh = openPty('/usr/bin/zsh', ['-f', '-i'], { ...ENVIRONMENT, HOME: home, PS1: 'ready> ' })
  await zsh.waitFor('ready> ')
  zsh.type(`. ${setup}; echo load''ed\r`)
  await zsh.waitFor('loaded')
  // Before its prompt the terminal itself would take Ctrl-D and Ctrl-U.
  await zsh.waitFor('ready> ')
  zsh.type(`${line}${CTRL_D}${CTRL_U}echo end''ed\r`)
  await zsh.waitFor('ended')
  zsh.signal('SIGKILL')
  return readFileSync(out, 'utf8').split('\n').filter(Boolean)
}
