/* Long: one table for each rule of the grammar. */
import { describe, expect, it } from 'vitest'
import { type Command, parseGrubScript } from '../../../src/core/launch/grub-parse.ts'
import { plainText, type Word } from '../../../src/core/launch/grub-word.ts'

/* GRUB 2.06, grub-core/script/parser.y. */

const textOf = (word: Word): string => plainText(word) ?? word.map((part) => JSON.stringify(part)).join('')

/** Commands as short text: words with blanks, blocks in braces, lists with semicolons. */
function show(commands: readonly Command[]): string {
  return commands.map(showOne).join('; ')
}
function showOne(command: Command): string {
  if (command.kind === 'simple') {
    const words = command.words.map(textOf).join(' ')
    return command.block === null ? words : `${words} {${show(command.block)}}`
  }
  if (command.kind === 'function') return `function ${command.name} {${show(command.body)}}`
  if (command.kind === 'opaque')
    return `${command.keyword}(${command.variable ?? ''}) {${show(command.body)}}`
  const branches = command.branches.map(({ condition, body }) => `(${show(condition)}) {${show(body)}}`)
  return `if ${branches.join(' elif ')} else {${show(command.otherwise)}}`
}
const parse = (script: string) => show(parseGrubScript(script))

describe('commands', () => {
  it.each([
    ['', ''],
    ['\n\n', ''],
    ['a b  c', 'a b c'],
    ['a\nb', 'a; b'],
    ['a;b', 'a; b'],
    ['a;\n\nb\n', 'a; b'],
    ['\n a\n\n', 'a'],
    ['menuentry x { a; }', 'menuentry x {a}'],
    ['menuentry x { a }', 'menuentry x {a}'],
    ['menuentry x {\n a\n b\n}\n', 'menuentry x {a; b}'],
    ['submenu x {\n menuentry y { a; }\n}', 'submenu x {menuentry y {a}}'],
    ['echo then else fi do done in function if', 'echo then else fi do done in function if'],
  ])('%j', (script, shown) => {
    expect(parse(script)).toBe(shown)
  })
})

describe('if', () => {
  it.each([
    ['if a; then b; fi', 'if (a) {b} else {}'],
    ['if a\nthen\nb\nfi', 'if (a) {b} else {}'],
    ['if a; b; then c; d; fi', 'if (a; b) {c; d} else {}'],
    ['if a; then b; else c; fi', 'if (a) {b} else {c}'],
    ['if a; then b; elif c; then d; fi', 'if (a) {b} elif (c) {d} else {}'],
    [
      'if a; then b; elif c; then d; elif e; then f; else g; fi',
      'if (a) {b} elif (c) {d} elif (e) {f} else {g}',
    ],
    ['if if a; then b; fi; then c; fi', 'if (if (a) {b} else {}) {c} else {}'],
    ['if a; then if b; then c; fi; fi; d', 'if (a) {if (b) {c} else {}} else {}; d'],
  ])('%j', (script, shown) => {
    expect(parse(script)).toBe(shown)
  })
})

describe('functions and loops', () => {
  it.each([
    ['function f { a; }', 'function f {a}'],
    ['function f {\n a\n b\n}', 'function f {a; b}'],
    ['function f\n\n{ a;\n}', 'function f {a}'],
    ['function _f9 { a\n}', 'function _f9 {a}'],
    ['for i in a b; do c; done', 'for(i) {c}'],
    ['for i in\ndo\nc\nd\ndone', 'for(i) {c; d}'],
    ['for i in then "x" $y; do c; done; d', 'for(i) {c}; d'],
    ['while a; do b; done', 'while() {a; b}'],
    ['until a\ndo\nb\ndone', 'until() {a; b}'],
    ['while a; b; do c; done', 'while() {a; b; c}'],
  ])('%j', (script, shown) => {
    expect(parse(script)).toBe(shown)
  })
})

describe('what the grammar does not have', () => {
  it.each([
    // lists
    [';', '";"'],
    ['a;;b', '";;"'],
    ['a;\n;b', '";"'],
    ['a || b', '"||"'],
    ['a && b', '"&&"'],
    ['a | b', '"|"'],
    ['a & b', '"&"'],
    ['a < b', '"<"'],
    ['a > b', '">"'],
    ['}', '"}"'],
    ['a }', '"}"'],
    ['a; }', '"}"'],
    // blocks
    ['{ a; }', '"{"'],
    ['a { }', '"}"'],
    ['a {\n}', '"}"'],
    ['a { b', 'its end'],
    ['a { b;', 'its end'],
    ['a { b; } c', '"c"'],
    ['a { b; } { c; }', '"{"'],
    ['a { function f { b; }; }', '"function"'],
    ['a { b fi; } fi', '"fi"'],
    // words
    ...['then', 'elif', 'else', 'fi', 'do', 'done', 'case', 'esac', 'select', 'in', '[[', ']]'].map(
      (word): [string, string] => [`a; ${word} b`, JSON.stringify(word)],
    ),
    ['a [[ b', '"[["'],
    ['a ]]', '"]]"'],
    // if
    ['if', 'its end'],
    ['if a', 'its end'],
    ['if a; fi', '"fi"'],
    ['if; then a; fi', '";"'],
    ['if then a; fi', '"then"'],
    ['if a; then fi', '"fi"'],
    ['if a; then b; else fi', '"fi"'],
    ['if a; then b; else c', 'its end'],
    ['if a; then b; else c; else d; fi', '"else"'],
    ['if a; then b; elif c; fi', '"fi"'],
    ['if a; then b }', '"}"'],
    ['x { if a; then b; }', '"}"'],
    ['if a; then b; fi c', '"c"'],
    ['x { if a; then b; fi c; }', '"c"'],
    ['if a; then function f { b; }; fi', '"function"'],
    // functions
    ['function', 'its end'],
    ['function f', 'its end'],
    ['function f a', '"a"'],
    ['function f { a }', 'its end'],
    ['function f { }', '"}"'],
    ['function f { a { b; } }', 'its end'],
    ['function 1f { a; }', '"1f"'],
    ['function f- { a; }', '"f-"'],
    ['function "f" { a; }', '"a word"'],
    ['function f { a; } b', '"b"'],
    ...['if', 'for', 'while', 'until', 'function', 'then', 'in', 'do'].map((word): [string, string] => [
      `function ${word} { a; }`,
      JSON.stringify(word),
    ]),
    // loops
    ['for', 'its end'],
    ['for i', 'its end'],
    ['for i a', '"a"'],
    ['for 1 in a; do b; done', '"1"'],
    ['for if in a; do b; done', '"if"'],
    ['for i in a; b; done', '"b"'],
    ['for i in a do b; done', '"done"'],
    ['for i in a; do done', '"done"'],
    ['for i in a; do b', 'its end'],
    ['for i in a; do b }', '"}"'],
    ['while a; done', '"done"'],
    ['while; do a; done', '";"'],
    ['while a; do b', 'its end'],
    ['x { while a; }', '"}"'],
  ])('%j', (script, shown) => {
    const quoted = shown === 'its end' ? '"its end"' : shown
    expect(() => parseGrubScript(script)).toThrow(`grub.cfg: ${quoted} is out of place`)
  })

  it('is told with the name of the file and the line', () => {
    const whatOf = (script: string, ...name: string[]) => {
      try {
        return show(parseGrubScript(script, ...name))
      } catch (error) {
        return (error as { text: { what: string } }).text.what
      }
    }
    expect(whatOf('a\nb\nfi\n')).toBe('grub.cfg: "fi" is out of place in line 3')
    expect(whatOf('a\n\n|', 'user.cfg')).toBe('user.cfg: "|" is out of place in line 3')
    expect(whatOf('if a', 'custom.cfg')).toBe('custom.cfg: "its end" is out of place')
    expect(whatOf("a { b; } 'c'")).toBe('grub.cfg: "a word" is out of place in line 1')
    expect(whatOf("a\nb '", 'custom.cfg')).toContain('custom.cfg line 2')
  })
})

describe('nesting', () => {
  const blocks = (depth: number) => `${'submenu x { '.repeat(depth)}a;${' }'.repeat(depth)}`
  const ifs = (depth: number) => `${'if a; then '.repeat(depth)}b${'; fi'.repeat(depth)}`

  it.each([blocks, ifs])('is followed 64 deep, the file itself counted, and no deeper', (nest) => {
    expect(parse(nest(63))).not.toBe('')
    expect(() => parseGrubScript(nest(64))).toThrow('out of place')
  })

  it('counts what is open alone', () => {
    expect(parse(Array.from({ length: 100 }, () => 'if a; then b; fi').join('\n'))).toContain('if')
  })
})
