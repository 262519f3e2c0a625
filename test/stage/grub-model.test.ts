import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { bootFromGrub } from '../../src/host/simulated/grub/boot.ts'
import { writeEnvironmentBlock } from '../../src/host/simulated/grub/environment-block.ts'
import { openTerminal } from './terminal.ts'

/*
 * The model of GRUB against GRUB itself: Debian's grub-emu runs the same grub.cfg. It has no command `slaunch`, so a
 * function of that name prints the arguments it gets; the model keeps the arguments of that command.
 */

const SHOW = 'function slaunch {\n  echo "<$#:[$1][$2][$3][$4][$5][$6]>"\n}\n'

/** What GRUB itself says, one line for each call. */
async function askGrub(cfg: string, grubenv: Buffer, custom = ''): Promise<readonly string[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'grub-emu-'))
  try {
    await writeFile(path.join(folder, 'grub.cfg'), Buffer.from(SHOW + cfg, 'latin1'))
    await writeFile(path.join(folder, 'custom.cfg'), Buffer.from(custom, 'latin1'))
    await writeFile(path.join(folder, 'grubenv'), grubenv)
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TERM: 'xterm', LC_ALL: 'C.UTF-8' }
    const argv = ['/usr/bin/grub-emu', '--directory', folder, '--device-map', '/dev/null']
    const terminal = openTerminal(argv, env, { columns: 250, rows: 200 })
    const killed = setTimeout(() => terminal.kill('SIGKILL'), 60_000)
    await terminal.finished
    clearTimeout(killed)
    return terminal.screen().match(/<\d+:[^>]*>/g) ?? []
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** What the model makes of the same file. */
function askModel(cfg: string, grubenv: Buffer, custom = ''): readonly string[] {
  const ending = (text: string): Buffer =>
    Buffer.from(text.replaceAll('halt', 'linux /kernel\nboot'), 'latin1')
  const files: Readonly<Record<string, Buffer>> = {
    '/grub2/grub.cfg': ending(cfg),
    '/grub2/custom.cfg': ending(custom),
    '/grub2/grubenv': grubenv,
    '/kernel': Buffer.from('MZ'),
  }
  const disk = { uuid: 'x', readFile: (file: string) => files[file] ?? null, hasDirectory: () => false }
  return bootFromGrub(disk).touched.map(([, ...args]) => {
    const shown = [0, 1, 2, 3, 4, 5].map((index) => `[${args[index] ?? ''}]`)
    return `<${args.length}:${shown.join('')}>`
  })
}

const NO_VARIABLES = writeEnvironmentBlock([])
const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

const WORDS = [
  'a b  c',
  'a\\tb "c d" e\\ f',
  `'a  b' "c'd" 'e"f'`,
  '"" a \'\'',
  `$nothing a $\{nothing}`,
  `$two "$two" x$two $\{two}x`,
  `"x$\{two}y" $two$two`,
  '$spaced a',
  '"$spaced"',
  'a\\\nb c \\\nd',
  'a#b #c',
  'a; slaunch b',
  '"a\\$two" "b\\\\c" "d\\e" \\$two',
  "'$two' '\\'",
  'if then fi done',
  'a=b --c -d',
  '"a\nb"',
  '$? "$?"',
  '{ slaunch inner; }',
]
const GLUED = ['\u2003', '\u00a0', '\v', '\f', '\u3000', '\u0085'].map((blank) =>
  latin1(`iommu=no${blank}smt=off b`),
)

test('words, quotations and variables are cut as GRUB cuts them', async () => {
  const cfg = `set two='p q'\nset spaced='  p  q '\n${WORDS.map((words) => `slaunch ${words}\n`).join('')}halt\n`
  const grub = await askGrub(cfg, NO_VARIABLES)
  expect(askModel(cfg, NO_VARIABLES)).toEqual(grub)
  expect(grub.length).toBeGreaterThanOrEqual(WORDS.length)
})

test('no blank but those of ASCII separates words', async () => {
  const cfg = `${GLUED.map((words) => `slaunch ${words}\n`).join('')}halt\n`
  // the console of grub-emu shows such characters in its own way: their number is what counts
  const count = (lines: readonly string[]): readonly string[] => lines.map((line) => line.slice(0, 3))
  const grub = await askGrub(cfg, NO_VARIABLES)
  expect(count(grub)).toEqual(GLUED.map(() => '<2:'))
  expect(count(askModel(cfg, NO_VARIABLES))).toEqual(count(grub))
})

const SCRIPTS: readonly string[] = [
  'slaunch a\nslaunch b || c\nslaunch d\n',
  'slaunch a\nif [ x ]; then\nslaunch b\nelif\nfi\nslaunch c\n',
  'slaunch a\nslaunch "unfinished\nslaunch b\n',
  'slaunch a\nmenuentry x { }\nslaunch b\n',
  'slaunch a\nfunction f { slaunch b }\nslaunch c\n',
  'slaunch a; ; slaunch b\nslaunch c\n',
  'slaunch a\n;slaunch b\nslaunch c\n',
  'slaunch a\nslaunch "$ "\nslaunch $\nslaunch b\n',
  'slaunch a\nif [ x ]; then\nslaunch b\nelif\nfi; slaunch c\nslaunch d\n',
  'slaunch a\nif [ x ]; then\n||\nslaunch b; fi\nslaunch c\n',
  'slaunch a\nmenuentry x {\n  slaunch b\n  ||\n  slaunch c\n}\nslaunch d\n',
  'slaunch a\nslaunch b }\nslaunch c\n',
  'if [ -z "$nothing" -a x != y ]; then slaunch a; else slaunch b; fi\n',
  'if ! [ -n "" ]; then slaunch a; fi\nif [ 3 -lt 12 -o x ]; then slaunch b; fi\n',
  'for i in a b "c d"; do slaunch $i; done\n',
  'function acpi { slaunch evil; }\nfunction own { slaunch "$@"; slaunch $*; }\nown a "b c"\n',
  'set n=0\nwhile [ "$n" != 11 ]; do set n=1$n; if [ "$n" = 10 ]; then set n=1; fi; slaunch $n; done\n',
]

test.each(SCRIPTS)('runs as GRUB runs it: %j', async (script) => {
  // in a file of its own: what is broken may take the rest of its file with it
  const cfg = `source $\{config_directory}/custom.cfg\nhalt\n`
  const grub = await askGrub(cfg, NO_VARIABLES, script)
  expect(grub.length).toBeGreaterThan(0)
  expect(askModel(cfg, NO_VARIABLES, script)).toEqual(grub)
})

const MENU = `load_env -f \${config_directory}/grubenv
set timeout=0
set default="\${saved_entry}"
menuentry 'One' --id one --class a {
  slaunch "$1" one
  halt
}
submenu 'More of it' --id more {
  menuentry 'Two' --class b --id two {
    slaunch "$1" two
    halt
  }
  menuentry 'Three' {
    slaunch "$1" three
    halt
  }
}
`

test.each(['', '0', 'one', 'One', 'Nobody', 'more>two', 'more>Three', 'More of it>Three', 'more'])(
  'the same entry boots by default: %j',
  async (saved) => {
    const grubenv = writeEnvironmentBlock([['saved_entry', saved]])
    const grub = await askGrub(MENU, grubenv)
    expect(grub).toHaveLength(1)
    expect(askModel(MENU, grubenv)).toEqual(grub)
  },
)
