// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of GRUB
import { describe, expect, it } from 'vitest'
import { forget } from '../../../src/core/launch/grub-forget.ts'
import { parseGrubScript } from '../../../src/core/launch/grub-parse.ts'
import { MAX_CALL_DEPTH, MAX_STEPS, newGrubState } from '../../../src/core/launch/grub-state.ts'
import { deviceWith, runScript } from './grub-world.ts'

/** What is left of commands of which nobody knows whether they ran. */
const left = (script: string, before = '') => {
  const state = newGrubState(deviceWith())
  for (const name of ['v', 'w']) state.variables.set(name, 'old')
  if (before !== '')
    for (const command of parseGrubScript(before))
      if (command.kind === 'function') state.functions.set(command.name, command.body)
  forget(state, parseGrubScript(script), 'a file')
  return state
}
const valuesOf = (script: string, before?: string) => {
  const { variables, problems } = left(script, before)
  return [variables.get('v'), variables.get('w'), problems]
}

describe('commands that may have run', () => {
  it.each([
    ['v=1', null, 'old'],
    ['set v=1', null, 'old'],
    ['set v=1 w=2', null, null],
    ['set v="$cmdpath"', null, 'old'],
    ['v=$cmdpath', null, 'old'],
    ['unset v', null, 'old'],
    ['unset v w', null, null],
    ['increment v', null, 'old'],
    ['decrement v', null, 'old'],
    ['for v in a b; do true; done', null, 'old'],
    ['for x in a b; do set w=1; done', 'old', null],
    ['while set v=1; do set w=1; done', null, null],
    ['if set v=1; then set w=1; fi', null, null],
    ['if false; then true; else set v=1; fi', null, 'old'],
    ['if false; then true; elif set w=1; then set v=1; fi', null, null],
    ['function savedefault { set v=1; }', 'old', 'old'],
    ['x=v=1', 'old', 'old'],
    ['true\nfalse\n[ a = b ]\ntest a = b', 'old', 'old'],
    ['echo v=1\ninsmod ext2\nsave_env v\nexport v\nterminal_output v', 'old', 'old'],
  ])('leave what they set unknown: %j', (script, v, w) => {
    expect(valuesOf(script)).toEqual([v, w, []])
  })

  it.each([
    ['set $x=1', 'set of a variable whose name is not known depends on a file'],
    ['unset $x', 'unset of a variable whose name is not known depends on a file'],
    ['$x v=1', 'a command whose name is not known depends on a file'],
    ['"set" v=1', 'a command whose name is not known depends on a file'],
    ['/v=1', '/v=1 depends on a file'],
    ...['search', 'load_env', 'source', '.', 'configfile', 'normal', 'eval'].map((name): [string, string] => [
      `${name} v`,
      `${name} depends on a file`,
    ]),
    ['module /x', 'module depends on a file'],
    ['halt', 'halt depends on a file'],
  ])('that matter are a problem: %s', (script, problem) => {
    expect(valuesOf(script)).toEqual(['old', 'old', [problem]])
  })

  it.each(['search', 'load_env', 'source', 'configfile'])(
    '%s goes before a function of that name',
    (name) => {
      expect(valuesOf(`${name} v`, `function ${name} { true; }`)).toEqual([
        'old',
        'old',
        [`${name} depends on a file`],
      ])
    },
  )

  it('that only show something are one in an entry', () => {
    const problems = runScript(
      'if [ "$cmdpath" = x ]; then terminal_output x; echo y; fi',
      {},
      'entry',
    ).problems
    expect(problems).toEqual(['terminal_output depends on a condition that cannot be evaluated'])
  })

  it.each([
    ['menuentry', 'entry'],
    ['submenu', 'submenu'],
  ])('%s: nobody knows whether it is in the menu', (name, kind) => {
    expect(left(`${name} 'a' --id b { true; }`).menu).toMatchObject([
      { kind, title: 'a', id: 'b', uncertain: 'a file', isNamed: true },
    ])
    expect(left(`${name} "a$cmdpath" { true; }`).menu).toMatchObject([
      { uncertain: 'a file', isNamed: false },
    ])
  })

  it('that are a function do what its body does', () => {
    expect(valuesOf('mine', 'function mine { set v=1; halt; }')).toEqual([
      null,
      'old',
      ['halt depends on a file'],
    ])
    expect(left('mine', 'function mine { set v=1; }').depth).toBe(0)
  })

  it('are followed into functions as deep as into those that run', () => {
    const chain = (length: number) =>
      Array.from(
        { length },
        (_, at) => `function f${at} { ${at === length - 1 ? 'set v=1' : `f${at + 1}`}; }`,
      ).join('\n')
    expect(valuesOf('f0', chain(MAX_CALL_DEPTH))[0]).toBeNull()
    expect(valuesOf('f0', chain(MAX_CALL_DEPTH + 1))[0]).toBe('old')
  })

  it('are counted, and functions are no more followed beyond the limit', () => {
    expect(left('true\nif true; then true; else true; fi').steps).toBe(5)
    const state = newGrubState(deviceWith())
    state.functions.set('mine', parseGrubScript('set v=1'))
    const leftAt = (steps: number) => {
      state.steps = steps
      state.variables.set('v', 'old')
      forget(state, parseGrubScript('mine'), 'a file')
      return state.variables.get('v')
    }
    expect([leftAt(MAX_STEPS - 1), leftAt(MAX_STEPS)]).toEqual([null, 'old'])
  })
})
