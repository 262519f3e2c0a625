import { describe, expect, it } from 'vitest'
import { Failure } from '../../../src/core/failure.ts'
import { bulletinOf, failureOf, parseText, readCorpus, textOf } from './corpus.ts'

describe('parseBulletin on other bytes', () => {
  it('accepts CRLF and a byte order mark', () => {
    expect(parseText(`\uFEFF${textOf(103).replaceAll('\n', '\r\n')}`)).toEqual(bulletinOf(103))
  })

  it.each([
    ['the template', readCorpus('qsb-template.txt'), 'bulletin-no-number', 'line 2'],
    ['nothing', new Uint8Array(), 'bulletin-no-header', 'line 1'],
    ['other text', Buffer.from('\n\nhello\n'), 'bulletin-no-header', 'line 3'],
    ['a NUL', Buffer.from(textOf(103).replace('Impact', 'Imp\0ct')), 'bulletin-control-character', 'line 27'],
    [
      'an escape',
      Buffer.from(textOf(103).replace('Xen', '\u001b[2J')),
      'bulletin-control-character',
      'U+001B',
    ],
    ['a lone CR', Buffer.from(textOf(103).replace('\n', '\r')), 'bulletin-control-character', 'U+000D'],
    [
      'a bidi override',
      Buffer.from(textOf(103).replace('Xen', '\u202e')),
      'bulletin-control-character',
      'U+202E',
    ],
    ['Latin-1', Buffer.from(textOf(101), 'latin1'), 'bulletin-encoding', 'line'],
    ['no date', Buffer.from(textOf(103).replace('2024-07-16', 'soon')), 'bulletin-no-date', 'line 4'],
    [
      'an impossible date',
      Buffer.from(textOf(103).replace('2024-07-16', '2024-02-30')),
      'bulletin-no-date',
      'line 4',
    ],
    [
      'number 0',
      Buffer.from(textOf(103).replace('Bulletin 103', 'Bulletin 000')),
      'bulletin-no-number',
      'line 2',
    ],
    ['a header and a date', Buffer.from(textOf(103).slice(0, 120)), 'bulletin-no-sections', 'section'],
    ['a megabyte and more', Buffer.alloc(1_048_577, 'a'), 'bulletin-too-large', '1048577'],
    ['a megabyte on a line', Buffer.alloc(1_048_576, 'a'), 'bulletin-line-too-long', 'line 1'],
    ['PCR 99', Buffer.from(textOf(103).replace('PCR18+19', 'PCR18+99')), 'bulletin-pcr', 'PCR 99'],
    [
      'a range upside down',
      Buffer.from(textOf(33).replaceAll('through XSA-234', 'through XSA-1')),
      'bulletin-xsa-range',
      '231',
    ],
    [
      'a range without end',
      Buffer.from(textOf(31).replaceAll('216-224', '216-9999')),
      'bulletin-xsa-range',
      '9999',
    ],
    [
      'a package without version',
      Buffer.from(textOf(103).replace('version 4.17.4-4', 'the newest')),
      'bulletin-package-line',
      'line 50',
    ],
    [
      'a package without name',
      Buffer.from(textOf(103).replace('- Xen packages,', '- (?) Xen,')),
      'bulletin-package-line',
      'line',
    ],
    [
      'a list below a heading that is none',
      Buffer.from(textOf(103).replace('For Qubes 4.2, in dom0:', 'For the newest release, in dom0:')),
      'bulletin-package-line',
      'line 50): "Xen packages, version 4.17.4-4" stands below no line',
    ],
    [
      'a list for 4.1 through 4.2',
      Buffer.from(textOf(103).replace('For Qubes 4.2, in', 'For Qubes 4.1 through 4.2, in')),
      'bulletin-package-list',
      'does not say plainly',
    ],
    [
      'a list for 4.1 and R.2',
      Buffer.from(textOf(103).replace('For Qubes 4.2, in', 'For Qubes 4.1 and R.2, in')),
      'bulletin-package-list',
      'does not say plainly',
    ],
    [
      'a list for 4.2 or newer',
      Buffer.from(textOf(103).replace('For Qubes 4.2, in', 'For Qubes 4.2 or newer, in')),
      'bulletin-package-list',
      'does not say plainly',
    ],
    [
      'a second item that is none',
      Buffer.from(textOf(107).replace('- microcode_ctl', '-microcode_ctl')),
      'bulletin-package-list',
      'line 109): "-microcode_ctl',
    ],
    [
      'a version without name below a sentence',
      Buffer.from(textOf(11).replace('* qubes-gui-dom0-2.1.34-1', '* 2.1.34-1')),
      'bulletin-package-line',
      'names no package',
    ],
    [
      'a list without bullets',
      Buffer.from(textOf(59).replaceAll('  - Xen', '  Xen')),
      'bulletin-package-list',
      'no list of packages',
    ],
    [
      'a notice without packages',
      Buffer.from(textOf(103).replace(/ {2}For Qubes 4\.1[\s\S]*4\.17\.4-4\n/, '')),
      'bulletin-no-packages',
      'no package',
    ],
    [
      'a bulletin that says nowhere what to do',
      Buffer.from(textOf(9).replace('Patching', 'Pitching')),
      'bulletin-no-action',
      'no section',
    ],
    [
      'an item of more than a thousand characters',
      Buffer.from(textOf(103).replace('- Xen packages,', `- Xen packages${' packages'.repeat(120)},`)),
      'bulletin-package-line',
      'names no package',
    ],
    [
      'more than a thousand packages',
      Buffer.from(
        textOf(103).replace(
          '  - Xen packages, version 4.17.4-4\n',
          Array.from({ length: 1001 }, (_, index) => `  - p${index}, version 1.2-3\n`).join(''),
        ),
      ),
      'bulletin-package-list',
      'more than 1000 packages',
    ],
    [
      'more releases than packages may be',
      Buffer.from(
        textOf(103)
          .replace('For Qubes 4.2,', `For Qubes 4.2${', 4.3'.repeat(500)},`)
          .replace('version 4.17.4-4', 'versions 4.17.4-4, 4.17.4-5, 4.17.4-6'),
      ),
      'bulletin-package-list',
      'more than 1000 packages',
    ],
    [
      'a list of more than 64 advisories',
      Buffer.from(textOf(31).replaceAll('216-224', `216-224${', XSA 300-310'.repeat(7)}`)),
      'bulletin-xsa-range',
      'more than 64 advisories',
    ],
    [
      'a heading without list',
      Buffer.from(textOf(103).replace('  - Xen packages, version 4.17.4-4', '')),
      'bulletin-package-list',
      'line 49',
    ],
  ])('refuses %s', (_, bytes, code, what) => {
    const { text } = failureOf(bytes)
    expect(text.code).toBe(code)
    expect(text.what).toContain(what)
    expect(text.next).not.toBe('')
  })

  it('needs no more than linear time for a megabyte of repetitions', () => {
    const head = textOf(116).slice(0, textOf(116).indexOf('For Qubes 4.3'))
    const fillers = [
      'XSA-1, ',
      'For Qubes 4.3, ',
      '(',
      '- a-1.2-3, ',
      'PCR18+',
      'version 1.2, ',
      'qubes ',
      'remove all ',
      '\n\n',
      '- \n',
      '=====\n',
      'a\n----\n',
      'due to ',
    ]
    for (const filler of fillers) {
      for (const width of [4_000, 60]) {
        const line = filler.repeat(Math.ceil(width / filler.length)).slice(0, width)
        const text = `${head}${`${line}\n`.repeat(Math.floor(1_000_000 / (width + 1)))}`
        try {
          expect(parseText(text).id).toBe(116)
        } catch (error) {
          expect(error).toBeInstanceOf(Failure)
        }
      }
    }
  })

  /** What multiplies (names by versions, releases by packages, ranges by mentions) or is looked at again and again. */
  const lines = (line: string): string => `${line}\n`.repeat(Math.floor(900_000 / (line.length + 1)))
  const wide = (piece: string): string => piece.repeat(Math.floor(4_000 / piece.length))
  const beforeList = textOf(116).slice(0, textOf(116).indexOf('  For Qubes 4.3'))
  const old =
    '---===[ Qubes Security Bulletin #5 ]===---\n\nDecember 4, 2012\n\nPatching\n--------\nNot yet.\n\n'
  it.each([
    [
      'names and versions',
      `${beforeList}For Qubes 4.3, in dom0:\n- a,\n${lines('  b,').slice(0, 400_000)}  c versions 1.1,\n${lines('  1.2,').slice(0, 400_000)}  1.3`,
      'bulletin-package-line',
    ],
    [
      'releases and packages',
      `${beforeList}For Qubes 4.3${wide(', 4.2')}, in dom0:\n${lines('- a 1.2')}`,
      'bulletin-package-list',
    ],
    [
      'names, versions and releases',
      `${beforeList}For Qubes 4.3${wide(', 4.2')}, in dom0:\n- ${'a, '.repeat(160)}b versions ${'1.2, '.repeat(90)}1.3\n`,
      'bulletin-package-list',
    ],
    [
      'full stops',
      `${beforeList}For Qubes 4.3, in dom0:\n${lines(`- a 1${wide('.')}b`)}`,
      'bulletin-package-line',
    ],
    ['ranges in a list', `${old}Summary\n-------\n${lines(wide('XSA 1-60, '))}`, 'bulletin-xsa-range'],
    ['ranges on lines', `${old}Summary\n-------\n${lines('XSA 1-60')}`, null],
    ['citations', `${old}Summary\n-------\n${lines(wide('Xen.org announced [1]-[60] '))}`, null],
    ['sentences', `${old}${lines('Xen packages for Qubes R2 (version 1.2)')}`, null],
    ['sections', `${old}${lines('Patching\n--------\n- a 1.2')}`, 'bulletin-package-line'],
  ])('reads or refuses a megabyte of %s', (_, text, code) => {
    if (code) expect(failureOf(new TextEncoder().encode(text)).text.code).toBe(code)
    else expect(parseText(text).id).toBe(5)
  })

  it('loses no package in silence for want of one character of a list for dom0 (95-116)', () => {
    const LIST = /^ {2}For Qubes [^\n]*, in dom0:\n(?: {2}-[^\n]*\n|\n| {2}For Qubes [^\n]*, in dom0:\n)+/m
    const count = (text: string): number => parseText(text).dom0.flatMap(({ packages }) => packages).length
    let lists = 0
    let read = 0
    for (let id = 95; id <= 116; id += 1) {
      const text = textOf(id)
      const list = LIST.exec(text)
      if (!list) continue
      lists += 1
      const whole = count(text)
      for (let at = list.index; at < list.index + list[0].trimEnd().length; at += 1) {
        const shorter = text.slice(0, at) + text.slice(at + 1)
        try {
          expect(count(shorter), `${id}, ${text.slice(list.index, at)}<here>`).toBeGreaterThanOrEqual(whole)
          read += 1
        } catch (error) {
          if (!(error instanceof Failure)) throw error
        }
      }
    }
    expect(lists).toBeGreaterThan(18)
    expect(read).toBeGreaterThan(1_000)
  })
})
