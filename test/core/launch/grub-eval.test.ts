/* Long: one table for each kind of command. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of GRUB
import { describe, expect, it } from 'vitest'
import { MAX_CALL_DEPTH, MAX_STEPS } from '../../../src/core/launch/grub-state.ts'
import { type DeviceFacts, runScript } from './grub-world.ts'

/* How commands run: GRUB 2.06, grub-core/script/execute.c. */

/** What may be true or false: nobody looked for that file. */
const MAYBE = '[ -f /grub2/evil.cfg ]'
const DOUBT = 'whether evil.cfg is on the device: nobody looked for it'
const EITHER = 'a condition that cannot be evaluated'

const run = (script: string, facts: DeviceFacts = {}) => {
  const { value, variables, problems, foreign } = runScript(script, facts)
  return { value, v: variables.get('v'), problems, foreign }
}
const clean = { problems: [], foreign: [] }

describe('a list of commands', () => {
  it.each([
    ['', true],
    ['true', true],
    ['true\nfalse', false],
    ['false\ntrue', true],
    ['false; true', true],
    [MAYBE, null],
    [`${MAYBE}\ntrue`, true],
  ])('%j has the value of its last one', (script, value) => {
    expect(run(script)).toMatchObject({ value, ...clean })
  })

  it('is followed for as many commands as the limit says, and then is a problem once', () => {
    const inFunctions = (count: number) => {
      const body = 998
      const calls = Math.floor((count - 1) / (body + 1))
      const rest = count - 1 - calls * (body + 1)
      return `function savedefault {\n${'true\n'.repeat(body)}}\n${'savedefault\n'.repeat(calls)}${'true\n'.repeat(rest)}`
    }
    expect(run(inFunctions(MAX_STEPS))).toMatchObject({ value: true, ...clean })
    expect(run(inFunctions(MAX_STEPS + 2))).toMatchObject({
      value: null,
      problems: ['grub.cfg runs too many commands'],
    })
  })
})

describe('if', () => {
  const branches = (first: string, second: string) =>
    `if ${first}; then set v=1; elif ${second}; then set v=2; else set v=3; fi`

  it.each([
    ['true', 'true', '1'],
    ['false', 'true', '2'],
    ['false', 'false', '3'],
    ['false; true', 'true', '1'],
    ['! true', '! false', '2'],
  ])('%s, elif %s: branch %s', (first, second, v) => {
    expect(run(branches(first, second))).toEqual({ value: true, v, ...clean })
  })

  it.each([
    ['if true; then false; fi', false],
    ['if false; then true; else false; fi', false],
    ['if false; then false; fi', true],
    ['if false; then false; elif false; then false; fi', true],
    [`if ${MAYBE}; then true; fi`, null],
  ])('%s is %s', (script, value) => {
    expect(run(script)).toMatchObject({ value, ...clean })
  })

  it.each([
    `if ${MAYBE}; then set v=1; fi`,
    `if ${MAYBE}; then true; else set v=1; fi`,
    `if ${MAYBE}; then true; elif true; then set v=1; fi`,
    `if ${MAYBE}; then true; elif set v=1; then true; fi`,
    `if ${MAYBE}; then true; elif true; then true; elif true; then set v=1; fi`,
    `if false; then true; elif ${MAYBE}; then set v=1; fi`,
  ])('what a branch sets that may run is not known: %s', (script) => {
    expect(run(`set v=0\n${script}`)).toEqual({ value: null, v: null, ...clean })
  })

  it('what a branch sets that does not run stays as it was', () => {
    expect(run(`set v=0\nif false; then set v=1; elif ${MAYBE}; then true; fi`).v).toBe('0')
  })

  it.each([
    ['if', `if ${MAYBE}; then halt; fi`, DOUBT],
    ['elif', `if ${MAYBE}; then true; elif true; then halt; fi`, DOUBT],
    ['the condition of elif', `if ${MAYBE}; then true; elif halt; then true; fi`, DOUBT],
    ['else', `if ${MAYBE}; then true; else halt; fi`, DOUBT],
    ['another condition', 'if [ "$cmdpath" = x ]; then halt; fi', EITHER],
  ])('a command that may run is a problem that says why: %s', (_, script, why) => {
    expect(run(script).problems).toEqual([`halt depends on ${why}`])
  })

  it('does not blame a file for a condition that is known in spite of it', () => {
    const script = `if [ -f /grub2/evil.cfg -a a = b ]; then true; elif [ "$cmdpath" = x ]; then halt; fi`
    expect(run(script).problems).toEqual([`halt depends on ${EITHER}`])
  })
})

describe('"!" before a command', () => {
  it.each([
    ['! true', false],
    ['! false', true],
    [`! ${MAYBE}`, null],
    ['! test a = b', true],
  ])('%s is %s', (script, value) => {
    expect(run(script)).toMatchObject({ value, ...clean })
  })

  it.each(['v=a', '! v=a'])('%s is true: what is no command is not inverted', (script) => {
    expect(run(script)).toMatchObject({ value: true, v: 'a', ...clean })
    expect(run(`if ${script}; then v=b; else v=c; fi`)).toMatchObject({ v: 'b', ...clean })
  })

  it('inverts what a function says', () => {
    expect(run('function savedefault {\nfalse\n}\n! savedefault').value).toBe(true)
  })

  it('alone is no command', () => {
    expect(run('!').value).toBeNull()
    expect(run('!').problems).toEqual([expect.stringContaining('"!"')])
  })
})

describe('the name of a command', () => {
  it('that is empty runs nothing', () => {
    expect(run('$nobody\n$nobody $nobody')).toMatchObject({ value: true, ...clean })
  })

  it.each(['$cmdpath', '$cmdpath x', 'set$cmdpath v=1', '$cmdpath=x', '/v=$cmdpath', '1=$cmdpath'])(
    'that is not known could be any: %s',
    (script) => {
      const { problems, value, v } = run(script)
      expect([problems, value, v]).toEqual([['a command is named by $cmdpath'], null, undefined])
    },
  )

  it('may come from a variable', () => {
    expect(run('name=set\n$name v=1')).toEqual({ value: true, v: '1', ...clean })
  })

  it.each([
    ['v=1', '1'],
    ['v=', ''],
    ['v=a=b', 'a=b'],
    ['v=$cmdpath', null],
    ['v=1 x', '1'],
    ['_v1=1\nv=$_v1', '1'],
  ])('with a sign is an assignment: %s', (script, v) => {
    expect(run(script)).toEqual({ value: true, v, ...clean })
  })

  it.each([
    ['evil', 'evil'],
    ['evil\u00e4\u0001', 'evil??'],
    ['e'.repeat(40), 'e'.repeat(40)],
    ['e'.repeat(41), `${'e'.repeat(40)}...`],
  ])('that no script writes: %s', (name, shown) => {
    expect(run(name)).toMatchObject({
      value: null,
      problems: [`grub.cfg runs "${shown}", which no script of Qubes OS or AEM writes there`],
      foreign: [],
    })
    const inEntry = runScript(name, {}, 'entry')
    expect([inEntry.problems, inEntry.foreign]).toEqual([[], [shown]])
  })

  it.each([
    'echo x',
    'save_env saved_entry',
    'terminal_output gfxterm',
    'loadfont unicode',
    'password root x',
  ])('that changes nothing of what boots: %s', (script) => {
    expect(run(script)).toMatchObject({ value: null, ...clean })
  })

  it('of a command that shows something is none of an entry', () => {
    expect(runScript('terminal_output gfxterm', {}, 'entry').foreign).toEqual(['terminal_output'])
    expect(runScript('echo x', {}, 'entry').foreign).toEqual([])
  })

  it('with a block is none of the scripts unless it is an entry or a submenu', () => {
    expect(run('echo x { true; }').foreign).toEqual(['echo with a block'])
    expect(run("menuentry 'x' { true; }\nsubmenu 'y' { true; }").foreign).toEqual([])
  })

  it("that begins with UTF-8's byte-order mark does nothing", () => {
    expect(run('\u00ef\u00bb\u00bf# grub.cfg\nset v=1')).toEqual({ value: true, v: '1', ...clean })
    for (const other of ['\u00ef\u00bb#', 'x\u00ef\u00bb\u00bf'])
      expect(run(other).problems).toEqual([expect.stringContaining('which no script')])
  })
})

describe('a test', () => {
  it.each([
    ['[ a = a ]', true],
    ['test a = a', true],
    ['[ a = b ]', false],
    ['test a = b', false],
    ['[ ] ]', true],
    ['[ "$cmdpath" = x ]', null],
    ['[ "" ]', false],
    ['[ ]', true],
    ['[ -z ]', true],
    ['test -z', true],
  ])('%s is %s', (script, value) => {
    expect(run(script)).toMatchObject({ value, ...clean })
  })
})

describe('a command that loads', () => {
  it('is kept with its arguments and the device of that moment', () => {
    const state = runScript(
      'set root=hd1\nmodule /a b\nset root=hd2\nmodule /c\nunset root\nmodule /d',
      {},
      'entry',
    )
    expect(state.loads).toEqual([
      { command: 'module', args: ['/a', 'b'], unknown: [], root: 'hd1' },
      { command: 'module', args: ['/c'], unknown: [], root: 'hd2' },
      { command: 'module', args: ['/d'], unknown: [], root: '' },
    ])
    expect([state.problems, state.foreign, state.value]).toEqual([[], [], null])
  })

  it('whose root is not known has none', () => {
    expect(runScript('search --set=root --label boot\nmodule /a', {}, 'entry').loads[0]?.root).toBeNull()
  })

  it('with what is not known is a problem that names it', () => {
    const state = runScript('module /a$cmdpath $lang', {}, 'entry')
    expect(state.problems).toEqual(['module uses $cmdpath, $lang'])
    expect(state.loads).toMatchObject([{ args: ['/a'], unknown: ['$cmdpath', '$lang'] }])
  })

  it('at the top of the file is none of the scripts', () => {
    expect(run('module /a').problems).toEqual([
      'grub.cfg runs "module", which no script of Qubes OS or AEM writes there',
    ])
  })
})

describe('a loop', () => {
  it.each([
    ['for i in a b; do set v=$i; done', 'for'],
    ['while true; do set v=1; done', 'while'],
    ['until false; do set v=1; done', 'until'],
  ])('%s is not run', (script, word) => {
    expect(run(`set v=0\n${script}`)).toEqual({
      value: null,
      v: null,
      problems: [],
      foreign: [`a ${word} loop`],
    })
  })

  it('whose body does something else is a problem', () => {
    expect(run('while true; do halt; done').problems).toEqual(['halt depends on a while loop'])
  })
})

describe('a function', () => {
  it.each(['savedefault', 'load_video', 'gfxmode', 'recordfail'])(
    'of the scripts is followed: %s',
    (name) => {
      expect(run(`function ${name} {\nset v=1\nfalse\n}\n${name}`)).toEqual({
        value: false,
        v: '1',
        ...clean,
      })
    },
  )

  it('is not run where it stands', () => {
    expect(run('function savedefault {\nset v=1\n}')).toEqual({ value: true, v: undefined, ...clean })
  })

  it('of any other name may be a command too, so nobody knows what it does', () => {
    const script = 'function mine {\nset v=1\nhalt\n}\nmine'
    const why = 'whether mine is a command of GRUB too'
    expect(run(script)).toEqual({ value: null, v: null, problems: [`halt depends on ${why}`], foreign: [] })
    expect(runScript(script, {}, 'entry').foreign).toEqual(['the function mine'])
  })

  it('that is defined twice is a problem, and the second counts', () => {
    const state = run('function savedefault {\nset v=1\n}\nfunction savedefault {\nset v=2\n}\nsavedefault')
    expect([state.problems, state.v]).toEqual([['the function savedefault is defined twice'], '2'])
  })

  it.each([
    ...['set', 'source', 'configfile', 'module', 'echo', 'terminal_output', 'test', 'menuentry', 'submenu'],
  ])('with the name of a command is not followed: %s', (name) => {
    const state = runScript(`function ${name} {\nv=2\n}\nv=1\n${name} v=3`)
    expect([state.problems, state.value]).toEqual([[`a function has the name of the command ${name}`], null])
    expect([state.variables.get('v'), state.menu, state.loads]).toEqual(['1', [], []])
  })

  it('gets its arguments, and nobody has them behind it', () => {
    const script = 'function savedefault {\nset v=$1$2\n}\nsavedefault a b\nset w=x$1'
    const state = runScript(script)
    expect([state.variables.get('v'), state.variables.get('w')]).toEqual(['ab', null])
    expect(state.problems).toEqual([])
  })

  it('within a function has arguments of its own', () => {
    const script =
      'function load_video {\nset w=$1\nset u=x$2\n}\nfunction savedefault {\nload_video c\nset v=$1$2\n}\nsavedefault a b'
    const { variables } = runScript(script)
    expect(['w', 'u', 'v'].map((name) => variables.get(name))).toEqual(['c', null, 'ab'])
  })

  it('leaves variables whose names have a digit in them alone', () => {
    expect(run('function savedefault {\nset v=$v1\n}\nset v1=a\nsavedefault\nset v=$v$v1').v).toBe('aa')
  })

  it('calls itself as deep as the limit says, and no deeper', () => {
    const nested = (depth: number) =>
      runScript(
        `function savedefault {\ndecrement n\nif [ $n -gt 0 ]; then\nsavedefault\nfi\n}\nset n=${depth}\nsavedefault\nset w=1`,
      )
    expect(nested(MAX_CALL_DEPTH).problems).toEqual([])
    const deeper = nested(MAX_CALL_DEPTH + 1)
    expect(deeper.problems).toEqual(['functions of grub.cfg call each other too deeply'])
    expect([deeper.depth, deeper.variables.get('w')]).toEqual([0, '1'])
  })

  it('that calls itself without end has no value', () => {
    expect(run('function savedefault {\nsavedefault\n}\nsavedefault').value).toBeNull()
  })
})
