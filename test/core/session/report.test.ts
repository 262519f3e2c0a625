import { describe, expect, it } from 'vitest'
import type { Session } from '../../../src/core/session/checkpoint.ts'
import { renderReport } from '../../../src/core/session/report.ts'
import { aSession } from '../../support/built-in.ts'

/** A name that a stranger can give a file on a stick. */
const HOSTILE = '/boot/xen-4\n# All is well\n`[link](x)`\u202egpj\u0007.gz'

function reportWith(path: string, changes: Partial<Session> = {}): string {
  const file = { path, role: 'xen' as const, digests: null }
  return renderReport(
    aSession({
      devicesLeft: [],
      findings: { explain: { reasons: [{ what: `${path}\n\`\`\`\n# Forged` }] } },
      baseline: {
        takenAt: '2024-07-16T18:00:00.000Z',
        bootId: 'boot-1',
        bootTime: null,
        bank: 'sha256',
        selectedPcrs: [18],
        pcrs: { sha256: { 18: 'aa' } },
        kernelCommandLine: null,
        xenCommandLine: null,
        runningXen: { version: null, buildId: null },
        bootFiles: [file],
        packages: [],
        sealedFiles: [],
        launchLog: null,
        components: null,
      },
      ...changes,
    }),
    '2024-07-17T09:00:00.000Z',
    null,
  )
}

describe('the report', () => {
  it('lets no file name of a stick write lines of its own', () => {
    const report = reportWith(HOSTILE)
    const headings = report.split('\n').filter((text) => text.startsWith('#'))
    expect(headings).toEqual(
      reportWith('/boot/xen-4.17.4.gz')
        .split('\n')
        .filter((text) => text.startsWith('#')),
    )
    expect(report).toContain("`/boot/xen-4<U+000A># All is well<U+000A>'[link](x)'<U+202E>gpj<U+0007>.gz`")
    expect(report).not.toMatch(/[\u202e\u0007]/)
    expect(report.match(/^```/gm)).toHaveLength(2)
  })

  it.each([
    ['a register that stayed', 'aa', '| 18 | `aa` | `aa` | same |'],
    ['one that changed', 'bb', '| 18 | `aa` | `bb` | changed |'],
  ])('has a table of the registers, with %s', (_, value, row) => {
    const approved = { at: '2024-07-17T08:00:00.000Z', bootId: 'boot-2', pcrs: { 18: value } }
    const rows = reportWith('/boot/xen.gz', { approved })
      .split('\n')
      .filter((text) => text.startsWith('|'))
    // GitHub Flavored Markdown 0.29, 4.10: without the second row it is no table.
    expect(rows).toEqual(['| PCR | before | accepted | |', '|---|---|---|---|', row])
    expect(reportWith('/boot/xen.gz')).toContain('| 18 | `aa` | `not accepted` | changed |')
  })

  it('tells the steps, in their order', () => {
    const step = (at: string, name: string, outcome: string) => ({ at, flow: 'resume', step: name, outcome })
    const history = [
      step('2024-07-17T08:00:00.000Z', 'explain', 'explained'),
      step('2024-07-17T08:01:00.000Z', 'verify', 'verified'),
    ]
    const report = renderReport(aSession({ history }), 'now', null)
    expect(report).toContain(
      '## Steps\n\n- 2024-07-17T08:00:00.000Z `explain`: `explained`\n- 2024-07-17T08:01:00.000Z `verify`: `verified`\n',
    )
  })

  it('links the picture, or says why there is none', () => {
    expect(renderReport(aSession(), 'now', 'a.svg')).toContain('](a.svg)')
    const without = renderReport(aSession(), 'now', null)
    expect(without).not.toContain('.svg')
    expect(without).toContain('the launch log of this boot could not be read')
  })

  it('says when the devices were not listed', () => {
    expect(renderReport(aSession({ devicesLeft: null }), 'now', null)).toContain(
      'devices still to do: not known',
    )
    expect(renderReport(aSession({ devicesLeft: [] }), 'now', null)).toContain('devices still to do: none')
  })
})
