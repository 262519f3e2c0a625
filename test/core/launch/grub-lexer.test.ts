/* Long: one table for each kind of sign. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of GRUB
import { describe, expect, it } from 'vitest'
import { splitGrubScript } from '../../../src/core/launch/grub-lexer.ts'
import { isReserved, plainText, type Word } from '../../../src/core/launch/grub-word.ts'

/* GRUB 2.06, grub-core/script/yylex.l; lines as normal/main.c hands them over. */

const tokens = (text: string) =>
  splitGrubScript(text).map((token) => (token.kind === 'symbol' ? token.symbol : token.word))
const lines = (text: string) =>
  splitGrubScript(text).map((token) => [
    token.kind === 'symbol' ? token.symbol : plainText(token.word),
    token.line,
  ])

const plain = (text: string) => ({ kind: 'text', text, quoted: false }) as const
const quoted = (text: string) => ({ kind: 'text', text, quoted: true }) as const
const variable = (name: string) => ({ kind: 'variable', name, quoted: false }) as const
const within = (name: string) => ({ kind: 'variable', name, quoted: true }) as const

describe('words', () => {
  it.each([
    ['a', [plain('a')]],
    ['a#b', [plain('a#b')]],
    ['a\u00e4!=[](),.*?', [plain('a\u00e4!=[](),.*?')]],
    ["'a b'", [quoted('a b')]],
    ["'a\\'", [quoted('a\\')]],
    ["'a\nb'", [quoted('a\nb')]],
    ["''", [quoted('')]],
    ["a'b'c", [plain('a'), quoted('b'), plain('c')]],
    ['a\\ b', [plain('a'), quoted(' '), plain('b')]],
    ['\\$a', [quoted('$'), plain('a')]],
    ['\\\\', [quoted('\\')]],
    ['a\\', [plain('a')]],
    ['a\\\nb', [plain('a'), plain('b')]],
    ['"a b"', [quoted('a b')]],
    ['""', [quoted('')]],
    ['"a\\"b\\\\c\\$d"', [quoted('a"b\\c$d')]],
    ['"a\\b\\\'"', [quoted("a\\b\\'")]],
    ['"a\\\nb"', [quoted('ab')]],
    ['"a\nb"', [quoted('a\nb')]],
    ['"a$b"', [quoted('a'), within('b'), quoted('')]],
    ['"a${b}c$d"', [quoted('a'), within('b'), quoted('c'), within('d'), quoted('')]],
    ['$a', [variable('a')]],
    ['${a}b', [variable('a'), plain('b')]],
    ['$a-b', [variable('a'), plain('-b')]],
    ['$_a9', [variable('_a9')]],
    ['$12a', [variable('12'), plain('a')]],
    ['${12}', [variable('12')]],
    ...[...'?#*@'].map((name): [string, Word] => [`$${name}`, [variable(name)]]),
    ...[...'?#*@'].map((name): [string, Word] => [`\${${name}}x`, [variable(name), plain('x')]]),
    ['$"a b"', [within('"..."')]],
    ['$"a $ b"', [within('"..."')]],
    ['x$"a$b"y', [plain('x'), within('"..."'), plain('y')]],
  ])('%j', (text, word) => {
    expect(tokens(text)).toEqual([word])
  })

  it.each([' ', '\t', ' \t  '])('are parted by %j', (blank) => {
    expect(tokens(`${blank}a${blank}b${blank}`)).toEqual([[plain('a')], [plain('b')]])
  })

  it.each(['\v', '\f', '\u00a0', '\u0085', '\u0001'])('are not parted by %j', (mark) => {
    expect(tokens(`a${mark}b`)).toEqual([[plain(`a${mark}b`)]])
  })

  it.each(['||', '&&', ';;', '\n', ';', '{', '}', '|', '&', '<', '>'])('end at the sign %j', (sign) => {
    expect(tokens(`a${sign}b`)).toEqual([[plain('a')], sign, [plain('b')]])
  })

  it('take the longest sign', () => {
    expect(tokens('|||&&&;;;')).toEqual(['||', '|', '&&', '&', ';;', ';'])
  })
})

describe('lines', () => {
  it.each([
    ['# a\nb', [['b', 2]]],
    [
      'a # b\nc',
      [
        ['a', 1],
        ['\n', 1],
        ['c', 2],
      ],
    ],
    ['a #', [['a', 1]]],
    [
      'a\n#b\n# c\nd',
      [
        ['a', 1],
        ['\n', 1],
        ['d', 4],
      ],
    ],
    [
      'a\r\nb\rc',
      [
        ['a', 1],
        ['\n', 1],
        ['bc', 2],
      ],
    ],
    [
      '\\\na\nb',
      [
        ['a', 2],
        ['\n', 2],
        ['b', 3],
      ],
    ],
    [
      'a \\\n b\nc',
      [
        ['a', 1],
        ['b', 2],
        ['\n', 2],
        ['c', 3],
      ],
    ],
    [
      'a\\\nb\nc',
      [
        ['ab', 1],
        ['\n', 2],
        ['c', 3],
      ],
    ],
    [
      'a "x\ny" b',
      [
        ['a', 1],
        [null, 1],
        ['b', 2],
      ],
    ],
    [
      'a "x\\\ny" b',
      [
        ['a', 1],
        [null, 1],
        ['b', 2],
      ],
    ],
    [
      "a 'x\n\ny' b",
      [
        ['a', 1],
        [null, 1],
        ['b', 3],
      ],
    ],
    [
      "a 'x\n# y\nz' b",
      [
        ['a', 1],
        [null, 1],
        ['b', 3],
      ],
    ],
    [
      '\n\na',
      [
        ['\n', 1],
        ['\n', 2],
        ['a', 3],
      ],
    ],
  ])('%j have their numbers in the file', (text, numbered) => {
    expect(lines(text)).toEqual(numbered)
  })

  it('drops a line that begins with # within quotes too', () => {
    expect(tokens("'a\n# b\nc'")).toEqual([[quoted('a\nc')]])
    expect(tokens("'a\n # b'")).toEqual([[quoted('a\n # b')]])
  })
})

describe('what GRUB stops at', () => {
  it.each([
    ["a\n'b", "grub.cfg line 2: a ' is not closed"],
    ['a\n"b\nc', 'grub.cfg line 2: a " is not closed'],
    ['"a\\', 'grub.cfg line 1: a " is not closed'],
    ['$"a', 'grub.cfg line 1: a " is not closed'],
    ['$', 'grub.cfg line 1: a $ names no variable'],
    ['a\n$-', 'grub.cfg line 2: a $ names no variable'],
    ['${', 'grub.cfg line 1: a $ names no variable'],
    ['${}', 'grub.cfg line 1: a $ names no variable'],
    ['${a', 'grub.cfg line 1: a $ names no variable'],
    ['${a-}', 'grub.cfg line 1: a $ names no variable'],
    ['${?a}', 'grub.cfg line 1: a $ names no variable'],
    ['"a$ "', 'grub.cfg line 1: a $ names no variable'],
    ['#\na # b\\\nc', 'grub.cfg line 2: a comment ends in a backslash'],
    ['a # b\\', 'grub.cfg line 1: a comment ends in a backslash'],
    ['a\nb\0', 'grub.cfg line 1: it holds a NUL byte, at which GRUB ends the line'],
  ])('%j', (text, what) => {
    expect(() => splitGrubScript(text)).toThrow(what)
  })

  it('is told with the name of the file', () => {
    expect(() => splitGrubScript('$', 'user.cfg')).toThrow('user.cfg line 1')
  })
})

describe('a joined line', () => {
  const JOINED = 'a line is joined before or in a word of the language'

  it.each(['\\\nfi', 'f\\\ni', 'a; \\\n fi', 'fi\\\n', '\\\n\\\nif', '\\\n!'])(
    'before or in a word of the language is not followed: %j',
    (text) => {
      expect(() => splitGrubScript(text)).toThrow(JOINED)
    },
  )

  it.each(['\\\na fi', 'a\\\nb fi', '\\\n; fi', '\\\n\nfi', '\\\n"fi"', 'f"\\\n"i', 'a \\\n b; fi'])(
    'elsewhere is nothing: %j',
    (text) => {
      expect(() => splitGrubScript(text)).not.toThrow()
    },
  )
})

describe('a word by itself', () => {
  it.each([
    ...['!', '[[', ']]', 'case', 'do', 'done', 'elif', 'else', 'esac', 'fi', 'for', 'function'],
    ...['if', 'in', 'select', 'then', 'time', 'until', 'while'],
  ])('%s is one of the language', (text) => {
    expect(isReserved([plain(text)])).toBe(true)
    expect(isReserved([quoted(text)])).toBe(false)
  })

  it('is plain where no part of it is quoted or a variable', () => {
    expect(plainText([plain('a'), plain('b')])).toBe('ab')
    expect(plainText([])).toBe('')
    for (const part of [quoted('b'), variable('b'), within('b')])
      for (const word of [[part], [plain('a'), part], [part, plain('a')]]) expect(plainText(word)).toBeNull()
    expect(isReserved([])).toBe(false)
    expect(isReserved([plain('menuentry')])).toBe(false)
  })
})
