import { describe, expect, it } from 'vitest'
import type { Restart } from '../../../src/core/bulletin/bulletin.ts'
import { parseBulletin } from '../../../src/core/bulletin/parse.ts'
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

describe('parseBulletin on all published bulletins', () => {
  it('reads 116', () => {
    expect(allBulletins().map(({ id }) => id)).toEqual(ids('1-116'))
  })

  it('has one file for each number', () => {
    expect(bulletinFiles).toHaveLength(116)
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
    ['no blank line below the list', '4.17.4-4\n\n', '4.17.4-4\n'],
    ['another section title', 'Patching\n---', 'Updates\n---'],
    ['a sentence that names the release', 'For Qubes 4.2, in dom0:', 'In dom0 of Qubes OS 4.2:'],
    ['two blank lines below a heading', 'For Qubes 4.2, in dom0:\n', 'For Qubes 4.2, in dom0:\n\n\n'],
    ['a slash between releases', 'Both Qubes OS 4.1 and 4.2', 'Qubes OS 4.1/4.2: both'],
    [
      'a sentence that begins like a heading',
      'These packages will',
      'Qubes 4.2 differs: it is new.\n\nThese packages will',
    ],
    ['another wording of the notice', 'need to reseal', 'have to re-seal'],
    ['a notice that asks for nothing', 'need to reseal your secret\npassphrase to', 'see'],
    [
      'another list for templates',
      'These packages will',
      'In templates:\n\n- qubes-core-agent version 4.2.50\n\nThese packages will',
    ],
  ])('reads the same packages with %s', (_, published, changed) => {
    expect(textOf(103)).toContain(published)
    expect(parseText(textOf(103).replace(published, changed))).toEqual(bulletinOf(103))
  })

  it.each([
    ['For Qubes 4.1, in dom0:', 'For Qubes 4.1 or 4.3, in dom0:', ['4.1', '4.3', '4.2']],
    ['For Qubes 4.1, in dom0:', 'For Qubes 4.1/4.3, in dom0:', ['4.1', '4.3', '4.2']],
    ['For Qubes 4.1, in dom0:', 'For Qubes 4.1, 4.3, and 4.4, in dom0:', ['4.1', '4.3', '4.4', '4.2']],
  ])('reads all releases of a heading', (published, changed, releases) => {
    expect(parseText(textOf(103).replace(published, changed)).dom0.map(({ release }) => release)).toEqual(
      releases,
    )
  })

  it('takes packages "installed via the Qubes VM Manager" for dom0 (51)', () => {
    const text = textOf(51).replace('installed in dom0 via', 'installed in the system via')
    expect(parseText(text).dom0).toEqual(bulletinOf(51).dom0)
  })

  it('reads a notice in other words that names no PCR', () => {
    const text = textOf(103).replace('need to reseal', 'have to re-seal').replace('as PCR18+19', 'which')
    expect(parseText(text).reseal).toEqual({ pcrs: [], causes: ['xen'] })
  })

  it('takes "no need to reseal" for no notice', () => {
    expect(parseText(textOf(103).replace('will need to reseal', 'do not have to reseal')).reseal).toBeNull()
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
