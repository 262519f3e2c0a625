import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/* Each threat of docs/security-model.md names the tests that show it, or says that none can. */

const TOP = fileURLToPath(new URL('../../', import.meta.url))
const textOf = (path: string): string => readFileSync(join(TOP, path), 'utf8')

const TEST_FILE = /test\/[A-Za-z0-9_./-]+\.test\.ts/g

/** `| threat | what happens |` rows below a heading, without head and rule of each table. */
function threatsOf(text: string): readonly (readonly [threat: string, answer: string])[] {
  const [, section = ''] = /^## Threat by threat\n([\s\S]*?)^## /m.exec(text) ?? []
  return section.split('\n').flatMap((line) => {
    const [, threat = '', answer = ''] = /^\| (.*?) \| (.*) \|$/.exec(line) ?? []
    return threat === '' || threat === 'threat' ? [] : [[threat, answer] as const]
  })
}

/** What is wrong with a row, or null. The tests stand in brackets at its end. */
function judge(answer: string, isThere: (path: string) => boolean): string | null {
  const named = answer.match(TEST_FILE) ?? []
  const missing = named.filter((path) => !isThere(path))
  if (missing.length > 0) return `no such test: ${missing.join(', ')}`
  if (/^not testable: \S/.test(answer)) return named.length === 0 ? null : 'not testable, and names a test'
  return /\(([^()]*\.test\.ts)\)$/.test(answer) ? null : 'names no test'
}

const isThere = (path: string): boolean =>
  existsSync(join(TOP, path)) && /^\s*(?:it|test)(?:\.each)?\b/m.test(textOf(path))
const threats = threatsOf(textOf('docs/security-model.md'))

describe('the threats of the security model', () => {
  it('are found, all rows of all tables', () => {
    const lines = textOf('docs/security-model.md').split('\n')
    const from = lines.indexOf('## Threat by threat')
    const to = lines.findIndex((line, at) => at > from && line.startsWith('## '))
    const rows = lines.slice(from, to).filter((line) => line.startsWith('|'))
    const heads = rows.filter((line) => /^\|(?:---\|)+$/.test(line)).length
    expect(threats.length).toBe(rows.length - 2 * heads)
    expect(threats.length).toBeGreaterThan(40)
  })

  it.each(threats)('%s', (_threat, answer) => {
    expect(judge(answer, isThere)).toBeNull()
  })

  it('have a row for every test of an attack', () => {
    const named = new Set(threats.flatMap(([, answer]) => answer.match(TEST_FILE) ?? []))
    const attacks = readdirSync(join(TOP, 'test/flow/attacks')).map((name) => `test/flow/attacks/${name}`)
    expect(attacks.length).toBeGreaterThan(4)
    expect(attacks.filter((path) => !named.has(path))).toEqual([])
  })

  it('would be missed', () => {
    const all = () => true
    expect(judge('it stops', all)).toBe('names no test')
    expect(judge('test/flow/a.test.ts shows it', all)).toBe('names no test')
    expect(judge('it stops (test/flow/a.test.ts)', all)).toBeNull()
    expect(judge('it stops (test/flow/a.test.ts)', () => false)).toBe('no such test: test/flow/a.test.ts')
    expect(judge('not testable: nobody can see it', all)).toBeNull()
    expect(judge('not testable', all)).toBe('names no test')
    expect(judge('it is not testable: why', all)).toBe('names no test')
  })
})
