// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are what bash reads
import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readSealSelection } from '../../../src/core/aem/seal-selection.ts'
import { readShellAssignments } from '../../../src/core/aem/shell-assignments.ts'
import { temporaryDirectory } from '../../support/temporary.ts'

const BASH = '/bin/bash'

/**
 * What bash makes of each text, sourced as AEM's seal does it (anti-evil-maid 4.2.0, sbin/anti-evil-maid-seal, lines 2 to 4
 * and 39), in an environment of nothing; null where it fails. One bash with a subshell for each, as many starts take long.
 */
function askBash(texts: readonly string[]): readonly (string | null)[] {
  expect(existsSync(BASH)).toBe(true)
  const directory = temporaryDirectory()
  for (const [at, text] of texts.entries()) writeFileSync(join(directory, String(at)), text)
  const script = `
    cd "$1"
    for ((at = 0; at < $2; at++)); do
      ( set -euo pipefail -o errtrace; shopt -s expand_aliases
        source "./$at" > /dev/null 2>&1
        printf '=%s\\0' "$SEAL" ) 2> /dev/null
      [ $? = 0 ] || printf -- '-\\0'
    done`
  const answers = execFileSync(
    BASH,
    ['--norc', '--noprofile', '-c', script, 'bash', directory, String(texts.length)],
    {
      env: { PATH: '/usr/bin:/bin' },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  ).split('\0')
  expect(answers).toHaveLength(texts.length + 1)
  return answers.slice(0, -1).map((answer) => (answer === '-' ? null : answer.slice(1)))
}

const READ: readonly (readonly [string, readonly number[]])[] = [
  ['SEAL="--pcr 13 --pcr 17 --pcr 18 --pcr 19"', [13, 17, 18, 19]],
  ["SEAL='--pcr 18 --pcr 17'", [17, 18]],
  ['  export SEAL="--pcr 13 --pcr 13"  # twice', [13]],
  ['# SEAL="--pcr 1"\nSEAL="--pcr 2"\nSEAL="--pcr 3"', [3]],
  ['SEAL="--pcr 0"\n', [0]],
  ['SEAL="--pcr 13"\nSEAL="$SEAL --pcr 17 --pcr 18 --pcr 19"\n', [13, 17, 18, 19]],
  ['SEAL="--pcr 13"; SEAL="${SEAL} --pcr 0"', [0, 13]],
  ['SEAL="--pcr 13"\nSEAL+=" --pcr 17"', [13, 17]],
  ['SEAL="--pcr 13 \\\n  --pcr 17 \\\n  --pcr 18"', [13, 17, 18]],
  ['SEAL=\\\n"--pcr 13"', [13]],
  ['SEAL=--pcr\\ 13\\ --pcr\\ 17', [13, 17]],
  ['SEAL=--pcr" 13"\' --pcr 17\'', [13, 17]],
  ['SEAL=--pcr=13', [13]],
  ['SEAL="-p 13 -p 17"', [13, 17]],
  ['DRTM="--pcr 17 --pcr 18" LUKS=\'--pcr 13\'\nSEAL="$DRTM ${LUKS}"', [13, 17, 18]],
  ['SEAL="--pcr 13\n--pcr 17"', [13, 17]],
  ['SEAL="--pcr 13"\nexport SEAL', [13]],
  ['A="\\$SEAL \\" \\\\"\nSEAL="--pcr 13"', [13]],
  ['#\nSE\\\nAL="--pcr 13"', [13]],
  ['SEAL="--pcr 13"\nSEAL\\\n+\\\n=" --pcr 17"', [13, 17]],
]

/** Each with the line that is named. */
const UNREAD: readonly (readonly [string, number])[] = [
  ['SEAL=""', 1],
  ['SEAL="--pcr 24"', 1],
  ['SEAL="--pcr 99999999999999999999"', 1],
  ['# a comment\nSEAL="--pcr $X"', 2],
  ['SEAL="$(reboot)"', 1],
  ['SEAL="`reboot`"', 1],
  ['SEAL=$(reboot)', 1],
  ['SEAL=`reboot`', 1],
  ['SEAL="--pcr $((12+1))"', 1],
  ['SEAL="${SEAL:---pcr 13}"', 1],
  ['SEAL="--pcr 13" "--pcr 17"', 1],
  ['SEAL=--pcr 13', 1],
  ['\n\nSEAL="--pcr 13', 3],
  ['SEAL="--pcr 13\\"', 1],
  ['SEAL="--pcr 13"\n. /etc/more.conf', 2],
  ['SEAL="--pcr 13"\nunset SEAL', 2],
  ['SEAL="--pcr 13"\ndeclare -i SEAL', 2],
  ['[ -e /x ] && SEAL="--pcr 13"', 1],
  ['if true; then SEAL="--pcr 13"; fi', 1],
  ['SEAL="--pcr 13" true', 1],
  ['SEAL=("--pcr 13")', 1],
  ['SEAL+=" --pcr 13"', 1],
  ['IFS=,\nSEAL="--pcr 13"', 1],
  ['PATH=/home/user\nSEAL="--pcr 13"', 1],
  ['SEAL="--pcr 13,17"', 1],
  ['SEAL="13 17"', 1],
  ['SEAL="--pcr 013"', 1],
  ['SEAL="--pcr"', 1],
  ['SEAL="--pcr 13 --pwdo"', 1],
  ['SEAL="--pcr 13"\r\n', 1],
  ['SEAL="--pcr 13\0"', 1],
  ['SEAL=~/x', 1],
  ["SEAL=$'--pcr 13'", 1],
  ['SEAL="--pcr\u00a013"', 1],
  ['SEAL=--pcr\u00a013', 1],
  ['SEAL="--pcr 13" &', 1],
  ['; SEAL="--pcr 13"', 1],
  [`A=aaaaaaaaaaaaaaaa\n${'A=$A$A\n'.repeat(40)}SEAL="--pcr 13"`, 10],
]

describe('readSealSelection', () => {
  it.each(READ)('%j selects %j', (text, pcrs) => {
    expect(readSealSelection(text)).toEqual({ state: 'read', pcrs })
  })

  it('reads them as bash does', () => {
    const values = askBash(READ.map(([text]) => text))
    const numbers = values.map((value) =>
      [...new Set([...(value ?? '').matchAll(/\b[0-9]+\b/g)].map(Number))].sort((a, b) => a - b),
    )
    expect(numbers).toEqual(READ.map(([, pcrs]) => pcrs))
  })

  it.each(UNREAD)('%j is never guessed at, and its line is named', (text, line) => {
    const selection = readSealSelection(text)
    expect(selection).toMatchObject({ state: 'not-read', line, reason: expect.any(String) })
    expect('text' in selection && selection.text.length).toBeLessThan(200)
  })

  it.each(['', '#SEAL="--pcr 13"', 'NOSEAL="--pcr 13"', 'export LABEL'])('%j sets none', (text) => {
    expect(readSealSelection(text)).toEqual({ state: 'not-set' })
  })

  it('takes time in the size of the file alone', () => {
    const steps = (lines: number): number => {
      let count = 0
      const text = new Proxy(Object('SEAL="--pcr 13"\nA=1 # x\n'.repeat(lines)), {
        get(target, key) {
          if (typeof key === 'string' && /^\d+$/.test(key)) count += 1
          const value = target[key as keyof typeof target]
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
      readShellAssignments(text)
      return count
    }
    expect(steps(1000)).toBeGreaterThan(1000)
    expect(steps(2000)).toBe(2 * steps(1000))
  })
})

/** Assignments in the forms of bash's grammar, good and bad ones. */
const name = fc.constantFrom('SEAL', 'A', 'B_1')
const piece = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('--pcr', '13', '17', '0', '=', 'x', '/', '#', '-') },
  { weight: 4, arbitrary: fc.constantFrom('"--pcr 13"', "'--pcr 17'", '" "', "' '", '\\ ', '""') },
  { weight: 3, arbitrary: fc.constantFrom('$A', '${A}', '"$SEAL "', '"${B_1}"', '$SEAL') },
  { weight: 2, arbitrary: fc.constantFrom('\\\n', '"\\\n"', '\\"', '"\\x\\$\\\\"', "'\\'", '"a\nb"', '"#"') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('*', '~', '{a,b}', '$(echo 1)', '`echo 2`', '$', '"', "'", '!', '\r', '|'),
  },
)
const assignment = fc
  .tuple(name, fc.constantFrom('=', '=', '=', '+='), fc.array(piece, { maxLength: 5 }))
  .map(([variable, operator, pieces]) => `${variable}${operator}${pieces.join('')}`)
const statement = fc.oneof(
  { weight: 6, arbitrary: assignment },
  { weight: 2, arbitrary: assignment.map((text) => `export ${text}`) },
  { weight: 1, arbitrary: fc.constantFrom('# a comment', '', '  ', 'export A', 'true', 'export', ':', 'A') },
  { weight: 1, arbitrary: fc.tuple(assignment, assignment).map((both) => both.join(' ')) },
)
const file = fc
  .array(fc.tuple(statement, fc.constantFrom('\n', '\n', '; ', ' # y\n', '\t\n')), {
    minLength: 1,
    maxLength: 4,
  })
  .map((lines) => `A=a B_1=b SEAL=s\n${lines.map((line) => line.join('')).join('')}`)

describe('against bash', () => {
  it('gives the value that bash gives, or none', () => {
    const texts = fc.sample(file, { numRuns: 3000, seed: 11 })
    const values = askBash(texts)
    let read = 0
    for (const [at, text] of texts.entries()) {
      const assigned = readShellAssignments(text)
      if ('reason' in assigned) continue
      read += 1
      expect([text, assigned.get('SEAL')?.value]).toEqual([text, values[at]])
    }
    // A reader that refuses everything would be right as well.
    expect(read).toBeGreaterThan(texts.length / 4)
  }, 120_000)
})
