import { describe, expect, it } from 'vitest'
import { chainRows, renderChainSvg } from '../../../src/core/launch/chain-svg.ts'
import { listComponents } from '../../../src/core/launch/components.ts'
import { type PcrTableRow, renderPcrTable } from '../../../src/core/launch/render-pcr-table.ts'
import { parseTbootLog } from '../../../src/core/launch/tboot-log.ts'
import { disk, entryOf, machineOf, withXen } from './launch-world.ts'
import { pcrsOf, writeTxtStat } from './tboot-writer.ts'

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
  const now = withXen(disk())
  const componentsOf = (from: typeof now) =>
    listComponents(parseTbootLog(writeTxtStat(machineOf(from))), entryOf(from))

  it('shows what went into which register and marks what changed', () => {
    const rows = chainRows(componentsOf(now), componentsOf(disk()), 'sha1', pcrsOf(machineOf(now)).sha1!)
    expect(rows.map((one) => [one.index, one.changed, one.steps.map((step) => step.changed)])).toEqual([
      [17, false, [false, false, false]],
      [18, true, [false, true]],
      [19, false, [false, false]],
    ])
    const svg = renderChainSvg(rows)
    expect(svg).toContain('Xen - changed')
    expect(svg.match(/stroke-dasharray/g)).toHaveLength(2)
    expect(svg).toContain('PCR 19')
  })

  it('escapes what comes from the boot device', () => {
    const evil = disk({ xen: { path: '/x"><script>&\u0007', content: 'x', commandLine: '' } })
    const svg = renderChainSvg(chainRows(componentsOf(evil), null, 'sha1', {}))
    expect(svg).not.toContain('<script>')
    expect(svg).toContain('&lt;script&gt;&amp;?')
    expect(svg).toContain('unknown')
  })

  it('draws nothing wrong for a boot that measured nothing', () => {
    expect(renderChainSvg([])).toMatch(/^<svg [\s\S]*<\/svg>\n$/)
  })
})
