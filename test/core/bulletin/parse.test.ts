import { describe, expect, it } from 'vitest'
import type { Restart } from '../../../src/core/bulletin/bulletin.ts'
import { parseBulletin } from '../../../src/core/bulletin/parse.ts'
import { Failure } from '../../../src/core/failure.ts'
import { allBulletins, bulletinFiles, bulletinOf, parseText, readCorpus, textOf } from './corpus.ts'

type Expected = { file: string } & Record<string, unknown>

const readExpected = (name: string): Expected[] =>
  JSON.parse(Buffer.from(readCorpus(name)).toString('utf8')) as Expected[]

/** The odd ones were written down from the texts, before the parser was asked, in the conventions of the even ones. */
const expected = [...readExpected('expected-even.json'), ...readExpected('expected-odd.json')]

/** `5-8, 12` as numbers. */
const ids = (list: string): number[] =>
  list.split(', ').flatMap((part) => {
    const [first, last] = part.split('-').map(Number) as [number, number?]
    return Array.from({ length: (last ?? first) - first + 1 }, (_, offset) => first + offset)
  })

const failureOf = (bytes: Uint8Array): Failure => {
  try {
    parseBulletin(bytes)
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('no failure')
}

describe('parseBulletin on all published bulletins', () => {
  it('reads 116', () => {
    expect(allBulletins().map(({ id }) => id)).toEqual(ids('1-116'))
  })

  it('has an expected result for each', () => {
    expect(expected.map(({ file }) => file).sort()).toEqual([...bulletinFiles])
  })

  it.each(expected.map(({ file, ...facts }) => [file, facts] as const))('%s', (file, facts) => {
    expect(parseBulletin(readCorpus(file))).toEqual(facts)
  })

  // The lists are read from the texts, odd bulletins included.
  it('finds Anti Evil Maid in 82 and a notice in 80', () => {
    const mentions =
      '3, 5-8, 12, 15-21, 23, 27, 29-37, 39-44, 48, 49, 52-55, 57-65, 69, 70, 74-83, 85, 86, 88, 90, 92-98, 100-103, 106-110, 112-116'
    const all = allBulletins()
    expect(all.filter((each) => each.mentionsAem).map(({ id }) => id)).toEqual(ids(mentions))
    const notices = ids(mentions).filter((id) => id !== 20 && id !== 21)
    expect(all.filter((each) => each.reseal).map(({ id }) => id)).toEqual(notices)
  })

  it('reads the PCRs of every notice', () => {
    const byPcrs = new Map<string, number[]>()
    for (const { id, reseal } of allBulletins()) {
      if (reseal) byPcrs.set(reseal.pcrs.join('+'), [...(byPcrs.get(reseal.pcrs.join('+')) ?? []), id])
    }
    expect(byPcrs.get('13')).toEqual([19])
    expect(byPcrs.get('14')).toEqual(ids('3, 5-8, 12, 15-18'))
    expect(byPcrs.get('18')).toEqual(ids('27, 29, 30'))
    expect(byPcrs.get('19')).toEqual([76])
    expect([...byPcrs.keys()].sort()).toEqual(['13', '14', '18', '18+19', '19'])
  })

  it.each([
    ['vms', '4, 13, 14, 26, 42, 56, 92'],
    ['dom0-session', '72, 73, 105, 111'],
    ['dom0-session+vms', '104'],
    ['xscreensaver', '68'],
    ['reinstall-templates', '28, 46'],
    ['none', '91'],
    ['unstated', '1, 9-11, 20-22, 24, 25, 45, 47, 48, 50-52, 54, 67, 71, 84, 87, 89, 99'],
  ] as const)('wants %s restarted in %s', (restart: Restart, list) => {
    const found = allBulletins().filter((each) => each.restart === restart)
    expect(found.map(({ id }) => id)).toEqual(ids(list))
  })
})

describe('parseBulletin on single odd forms', () => {
  it.each([
    [3, [12, 13, 14]],
    [5, ids('20-32')],
    [7, [52, 53, 54, 57]],
    [17, [120, 124]],
    [23, [155, 166]],
    [31, ids('216-224')],
    [37, [254]],
    [39, [260]],
    [65, [366]],
    [93, [434, 435]],
    [95, [442]],
    [101, [452]],
    [107, [469]],
  ])('%i is about XSA %j', (id, xsas) => {
    expect(bulletinOf(id).xsas).toEqual(xsas)
  })

  it('takes packages from sentences (1)', () => {
    expect(bulletinOf(1).dom0).toEqual([
      {
        release: 'Beta 1',
        packages: [
          { name: 'qubes-gui-dom0', component: 'other', version: '1.2.11' },
          { name: 'xen packages', component: 'xen', version: '3.4.3-9' },
        ],
      },
    ])
  })

  it('takes exact names from parentheses (23)', () => {
    const release = bulletinOf(23).dom0.find((each) => each.release === '3.0')
    expect(release?.packages.map(({ name, version }) => `${name} ${version}`)).toEqual([
      'kernel 3.18.17-8',
      'kernel-qubes-vm 3.18.17-8',
      'kernel 3.19.8-101',
      'xen 4.4.3-11',
      'xen-libs 4.4.3-11',
    ])
  })

  it('leaves out a release that is not affected (45, 65)', () => {
    expect(bulletinOf(45).dom0.map(({ release }) => release)).toEqual(['4.0'])
    expect(bulletinOf(65).dom0.map(({ release }) => release)).toEqual(['4.0'])
  })

  it('joins items that wrap inside parentheses (69)', () => {
    const release = bulletinOf(69).dom0.find((each) => each.release === '4.1')
    expect(release?.packages.map(({ version }) => version)).toEqual([
      '4.14.1-5',
      '5.10.42-1',
      '5.12.9-1',
      '2.1-33.qubes1',
    ])
  })

  it('shares one list between two releases (109)', () => {
    const packages = [{ name: 'microcode_ctl', component: 'microcode', version: '2.1.20250812' }]
    expect(bulletinOf(109).dom0).toEqual([
      { release: '4.2', packages },
      { release: '4.3', packages },
    ])
  })

  it('keeps a title of three lines together (83)', () => {
    expect(bulletinOf(83).title).toBe(
      'Retbleed Arbitrary speculative code execution with return instructions (XSA-407)',
    )
  })

  it('does not take "not necessary" for a demand', () => {
    const text = textOf(103).replace(
      'Dom0 must be restarted afterward',
      'A full system restart is not necessary',
    )
    expect(parseText(text).restart).toBe('unstated')
  })

  it.each([
    ['another section title', 'Patching\n---', 'Updates\n---'],
    ['a sentence that names the release', 'For Qubes 4.2, in dom0:', 'In dom0 of Qubes OS 4.2:'],
    ['two blank lines below a heading', 'For Qubes 4.2, in dom0:\n', 'For Qubes 4.2, in dom0:\n\n\n'],
    [
      'another list for templates',
      'These packages will',
      'In templates:\n\n- qubes-core-agent version 4.2.50\n\nThese packages will',
    ],
  ])('reads the same packages with %s', (_, published, changed) => {
    expect(textOf(103)).toContain(published)
    expect(parseText(textOf(103).replace(published, changed))).toEqual(bulletinOf(103))
  })

  it('reads the release of each sentence above a list', () => {
    const text = textOf(15).replace(
      'uploaded to the security-testing repository:',
      'uploaded to the security-testing repository for Qubes 4.2 and 4.3:',
    )
    expect(parseText(text).dom0.map(({ release }) => release)).toEqual(['4.2', '4.3'])
  })

  it('takes the name of a package from a paragraph of any length (6)', () => {
    const text = textOf(6).replace('We have uploaded', `${'It is late.\n'.repeat(400)}We have uploaded`)
    expect(parseText(text).dom0).toEqual(bulletinOf(6).dom0)
  })

  it('reads what follows the present form in a later release', () => {
    const next = textOf(116)
      .replace('Bulletin 116', 'Bulletin 117')
      .replace('For Qubes 4.3, in dom0:', 'For Qubes 4.3, 4.4 and 5.0, in dom0:')
      .replace('version 4.19.5-2', 'version 4.21.1~rc1-2 [3]')
    expect(parseText(next).dom0.map(({ release }) => release)).toEqual(['4.3', '4.4', '5.0'])
    expect(parseText(next).dom0[0]?.packages[0]?.version).toBe('4.21.1~rc1-2')
  })
})

describe('parseBulletin on other bytes', () => {
  it('accepts CRLF and a byte order mark', () => {
    expect(parseText(`\uFEFF${textOf(103).replaceAll('\n', '\r\n')}`)).toEqual(bulletinOf(103))
  })

  it.each([
    ['the template', readCorpus('qsb-template.txt'), 'bulletin-no-number', 'line 2'],
    ['nothing', new Uint8Array(), 'bulletin-no-header', 'line'],
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

  it('has one file for each number', () => {
    expect(bulletinFiles).toHaveLength(116)
  })
})
