import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { joinGrubArguments } from '../../src/core/launch/boot-entry.ts'
import { parseGrubConfig } from '../../src/core/launch/grub-cfg.ts'
import { decideNextEntry } from '../../src/core/launch/grub-choose.ts'

/*
 * Word splitting against GRUB itself: Debian's grub-emu 2.06 runs a script that shows the words it made of each line.
 */
const LINES = [
  ...[
    'a  b\tc',
    "'a b' c",
    '"a \\"b\\" $x"',
    'a\\ b',
    "it\\'s",
    'a\\\\b',
    '"x\\y"',
    'a # comment',
    'a#b',
    '"" end',
  ],
  ...[
    '$empty end',
    '"$empty" end',
    '$two',
    '"$two"',
    `pre$\{two}post`,
    `x$\{lead}y`,
    `x"$\{lead}"y`,
    '$empty$two',
  ],
  ...['v\vw', 'f\fg', 'n\u00a0b', 'e\u2003m', "'v\vw' x", 'a;', `$\{two}x$two`],
]

let folder: string
beforeAll(() => {
  if (!existsSync('/usr/bin/grub-emu')) throw new Error('missing; next: apt-get install grub-emu')
  folder = mkdtempSync(path.join(tmpdir(), 'grub-emu-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const SETUP = 'two="one two"\nlead=" a "\n'

/** The words that GRUB makes of each line, up to four. */
function askGrub(): string[][] {
  mkdirSync(path.join(folder, 'grub'))
  const shows = LINES.map((line) => `show ${line}\n`).join('')
  const script = `function show {\n  echo "words $#<$1|$2|$3|$4>"\n}\n${SETUP}${shows}exit\n`
  writeFileSync(path.join(folder, 'grub/grub.cfg'), script)
  const { stdout } = spawnSync('grub-emu', ['-d', path.join(folder, 'grub')], { timeout: 30_000, input: '' })
  const found = [...stdout.toString('utf8').matchAll(/words (\d)<([^>]*)>/g)]
  return found.map(([, count, words = '']) => words.split('|').slice(0, Number(count)))
}

test('words are split as GRUB splits them, in every line', () => {
  const wanted = askGrub()
  expect(wanted).toHaveLength(LINES.length)
  const world = { platform: 'pc', directory: '/grub2', files: new Map(), uuid: null } as const
  const read = LINES.map((line) => {
    const text = `${SETUP}menuentry 'm' {\n multiboot2 /xen\n module2 /x ${line}\n}\n`
    const { entry, why } = decideNextEntry(parseGrubConfig(Buffer.from(text).toString('latin1'), world))
    const words = entry?.modules[0]?.commandLine ?? why ?? ''
    // A line of odd bytes is a problem of its entry; the bytes are in it all the same.
    return entry === null && /not printable ASCII/.test(words) ? 'not printable ASCII' : words
  })
  const shown = wanted.map((words) => {
    const line = joinGrubArguments(words)
    return /[^\x20-\x7e]/.test(line) ? 'not printable ASCII' : line
  })
  expect(read).toEqual(shown)
  // None of the odd bytes separated words.
  expect(wanted.filter((words) => /[^\x20-\x7e]/.test(words.join(''))).map((words) => words.length)).toEqual([
    1, 1, 1, 1, 2,
  ])
})
