import { describe, expect, it } from 'vitest'
import { type ChainInput, type ChainRow, listChainRows } from '../../../src/core/launch/chain.ts'
import { renderChainSvg } from '../../../src/core/launch/chain-svg.ts'
import { listComponents } from '../../../src/core/launch/components.ts'
import { type PcrTableRow, renderPcrTable } from '../../../src/core/launch/render-pcr-table.ts'
import { parseTbootLog } from '../../../src/core/launch/tboot-log.ts'
import { type Disk, disk, entryOf, machineOf, withXen } from './launch-world.ts'
import { pcrsOf, writeTxtStat } from './tboot-writer.ts'

const LUKS = '13'.repeat(20)

function row(changes: Partial<PcrTableRow> = {}): PcrTableRow {
  const value = 'ab'.repeat(20)
  return {
    index: 18,
    bank: 'sha256',
    before: null,
    now: value,
    predicted: value,
    cause: 'nothing changed',
    ...changes,
  }
}

describe('the table of registers', () => {
  it('keeps to 80 columns and shows values and cause at a glance', () => {
    const cause = 'changed: Xen, the dom0 kernel, the initramfs (image or command line), and more'
    const rows = [row({ predicted: 'cd'.repeat(20), cause }), row({ index: 19, before: 'ab'.repeat(20) })]
    expect(renderPcrTable(rows, { ascii: true })).toEqual([
      'PCR       before      now         predicted      cause',
      '18 sha256 -           ababababab  cdcdcdcdcd  *  changed: Xen, the dom0 kernel,',
      '                                                 the initramfs (image or command',
      '                                                 line), and more',
      '19 sha256 ababababab  ababababab  ababababab  =  nothing changed',
    ])
  })

  it('leaves out a column that no row fills', () => {
    expect(renderPcrTable([row()], { ascii: true })).toEqual([
      'PCR       now         predicted      cause',
      '18 sha256 ababababab  ababababab  =  nothing changed',
    ])
  })

  it('has no other characters than ASCII where that is asked for', () => {
    const lines = renderPcrTable([row()], { ascii: true })
    expect(lines.join('')).toMatch(/^[\x20-\x7e]*$/)
    expect(renderPcrTable([row()]).join('')).toContain('…')
  })

  it('tells unknown values from equal ones', () => {
    expect(renderPcrTable([row({ predicted: null })])[1]).toContain('?')
    expect(renderPcrTable([row({ before: 'ab'.repeat(20), predicted: null })])[1]).toContain('=')
    expect(renderPcrTable([row({ before: 'cd'.repeat(20), predicted: null })])[1]).toContain('*')
  })

  it('makes control characters harmless and breaks endless words', () => {
    const lines = renderPcrTable([row({ cause: `\u001b[31m\u202e${'x'.repeat(200)}` })])
    expect(lines.join('')).not.toMatch(/[\u001b\u202e]/)
    expect(lines.every((line) => line.length <= 80)).toBe(true)
  })
})

describe('the drawing of the chain', () => {
  const read = (from: Disk) => parseTbootLog(writeTxtStat(machineOf(from)))
  const rowsOf = (now: Disk, before: Disk | null, changes: Partial<ChainInput> = {}) =>
    listChainRows({
      log: read(now),
      bank: 'sha1',
      now: listComponents(read(now), entryOf(now)),
      before: before === null ? null : listComponents(read(before), entryOf(before)),
      selected: [13, 17, 18, 19],
      valuesBefore: before === null ? {} : { 13: LUKS, ...pcrsOf(machineOf(before)).sha1 },
      values: { 13: LUKS, ...pcrsOf(machineOf(now)).sha1 },
      predicted: { 13: LUKS, ...pcrsOf(machineOf(now)).sha1 },
      ...changes,
    })
  const statesOf = (rows: readonly ChainRow[], index: number) =>
    rows.find((row) => row.index === index)?.steps.map(({ path, state }) => `${path} ${state}`)
  const UPDATED = withXen(disk())

  it('lists what went into which register, compared with before', () => {
    const rows = rowsOf(UPDATED, disk())
    expect(rows.map(({ index, isReplayed }) => [index, isReplayed])).toEqual([
      [13, null],
      [17, true],
      [18, true],
      [19, true],
    ])
    expect(statesOf(rows, 18)).toEqual(['/tboot.gz same', '/xen-4.17.4.gz changed'])
    expect(statesOf(rows, 19)).toEqual([
      '/vmlinuz-6.6.36-1.fc37.x86_64 same',
      '/initramfs-6.6.36-1.fc37.x86_64.img same',
    ])
  })

  it('tells a new extend, one that is gone, and another order apart', () => {
    const policy = { path: '/policy', content: 'p', commandLine: '' }
    const evil = { path: '/evil', content: 'e', commandLine: '' }
    const names = ['/vmlinuz-6.6.36-1.fc37.x86_64 same', '/initramfs-6.6.36-1.fc37.x86_64.img same']
    const [one, two] = [disk({ extra: [policy] }), disk({ extra: [evil, policy] })]
    expect(statesOf(rowsOf(two, one), 19)).toEqual([...names, '/evil new', '/policy same'])
    const gone = rowsOf(one, two)
    expect(statesOf(gone, 19)).toEqual([...names, '/policy same', '/evil gone'])
    // What is not there any more has no digest in this boot.
    expect(gone.at(-1)?.steps.map(({ digest }) => digest === null)).toEqual([false, false, false, true])
    const swapped = rowsOf(disk({ extra: [policy], order: [0, 1, 3, 2] }), one)
    expect(swapped.map((row) => row.isReordered)).toEqual([false, false, false, true])
    expect(renderChainSvg(swapped)).toContain('CHANGED, ANOTHER ORDER')
  })

  it('marks by frame and word what is not as before or not as predicted', () => {
    const marks = (rows: readonly ChainRow[]) => renderChainSvg(rows).match(/ marked"/g)?.length
    // The legend has one.
    expect(marks(rowsOf(disk(), disk()))).toBe(1)
    const svg = renderChainSvg(rowsOf(UPDATED, disk()))
    expect(svg.match(/ marked"/g)).toHaveLength(3)
    expect(svg.match(/>CHANGED</g)).toHaveLength(2)
    expect(svg.match(/>as predicted</g)).toHaveLength(4)
    const other = rowsOf(disk(), disk(), { predicted: { 19: 'ff'.repeat(20) } })
    expect(marks(other)).toBe(2)
    expect(renderChainSvg(other)).toContain('NOT AS PREDICTED')
    const lying = rowsOf(disk(), disk(), {
      values: { ...pcrsOf(machineOf(disk())).sha1, 18: 'ff'.repeat(20) },
    })
    expect(renderChainSvg(lying)).toContain('NOT WHAT THE LOG LEADS TO')
  })

  it('shows how the value of each register begins', () => {
    const launched: Record<number, string> = { ...pcrsOf(machineOf(disk())).sha1 }
    const values: Record<number, string> = { 13: LUKS, ...launched }
    const svg = renderChainSvg(rowsOf(disk(), disk(), { values }))
    for (const index of [13, 17, 18, 19] as const)
      expect(svg).toContain(`>${values[index]!.slice(0, 20)}...<`)
    expect(svg).not.toContain('not known')
    const rest = renderChainSvg(rowsOf(disk(), disk(), { values: launched }))
    expect(rest.match(/>not known</g)).toHaveLength(1)
  })

  it('compares nothing where nothing was recorded', () => {
    const svg = renderChainSvg(rowsOf(disk(), null))
    expect(svg).not.toMatch(/>as before</)
    expect(svg).toContain('nothing was recorded before the restart')
    expect(renderChainSvg(rowsOf(disk(), null, { values: {} }))).toContain('not known')
  })

  it('makes harmless what comes from the boot device', () => {
    const path = '/x"><script>\u0007\u202e\ufffe'
    const evil = disk({ xen: { path, content: 'x', commandLine: '' } })
    const svg = renderChainSvg(rowsOf(evil, null))
    expect(svg).not.toContain('<script>')
    expect(svg).toContain('&lt;script&gt;')
    expect(svg).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e\ufffe]/)
    expect(svg).not.toMatch(/href|<script|<image|url\((?!#end)/)
  })

  it('keeps its width and its size however much a log lists', () => {
    const extra = Array.from({ length: 40 }, (_, i) => ({ path: `/m${i}`, content: `${i}`, commandLine: '' }))
    const svg = renderChainSvg(rowsOf(disk({ extra }), null))
    expect(svg).toContain('viewBox="0 0 960 ')
    expect(svg).toContain('18 more, not drawn')
    const right = [...svg.matchAll(/<rect class="(?:box|value)[^"]*" x="(\d+)"/g)].map((match) =>
      Number(match[1]),
    )
    expect(Math.max(...right) + 192).toBeLessThanOrEqual(960)
    expect(svg.length).toBeLessThan(40_000)
  })

  it('draws nothing wrong for a boot that measured nothing', () => {
    expect(renderChainSvg([])).toMatch(/^<svg [\s\S]*<\/svg>\n$/)
    expect(renderChainSvg([])).toContain('Nothing was measured.')
  })
})
