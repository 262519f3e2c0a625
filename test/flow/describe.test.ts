import { describe, expect, it } from 'vitest'
import { describeFlow, mermaidOfFlow } from '../../src/flow/describe.ts'
import { edgesOf, FLOWS, specOf, stepIdsOf } from '../support/flows.ts'

describe.each(FLOWS.map((flow) => [flow.id, flow] as const))('flow %s', (_id, flow) => {
  it('is told in full as text', () => {
    const text = describeFlow(flow).join('\n')
    expect(text.startsWith(`${flow.title} (${flow.id})`)).toBe(true)
    for (const id of stepIdsOf(flow)) {
      const { title, observes, asks, does } = specOf(flow, id)
      const at = text.indexOf(`\n${id}: ${title}`)
      expect(at, id).toBeGreaterThan(0)
      expect(text).toContain(`  looks at: ${observes}`)
      if (asks) expect(text).toContain(`  asks: ${asks}`)
      if (does) expect(text).toContain(`  CHANGES: ${does}`)
      for (const [outcome, target] of edgesOf(flow, id)) {
        expect(text.slice(at)).toMatch(
          typeof target === 'string'
            ? new RegExp(`^ {2}${outcome} -> ${target}$`, 'm')
            : new RegExp(`^ {2}${outcome} -> .*\\(exit [0-4]\\)$`, 'm'),
        )
      }
    }
  })

  it('marks in the text the steps before which the state is written, and no others', () => {
    const marked = describeFlow(flow).filter((line) => line.endsWith('[state is written first]'))
    const keeping = stepIdsOf(flow).filter((id) => specOf(flow, id).checkpoint)
    expect(marked.map((line) => line.split(':')[0])).toEqual(keeping)
  })

  it('is drawn in full as Mermaid, with names that Mermaid takes', () => {
    const [head, ...lines] = mermaidOfFlow(flow).trimEnd().split('\n')
    expect(head).toBe('flowchart TD')
    const edges = lines.filter((line) => line.includes('-->'))
    expect(edges).toHaveLength(stepIdsOf(flow).flatMap((id) => edgesOf(flow, id)).length)
    expect(lines.length - edges.length).toBe(stepIdsOf(flow).length)
    for (const line of lines) expect(line).toMatch(/^ {2}[a-z_]+(\W.*)?$/)
    for (const line of edges) {
      expect(line).toMatch(/^ {2}[a-z_]+ -- [a-z-]+ --> ([a-z_]+|end_[a-z_]+\(\["[^"]+"\]\))$/)
    }
    // A node that is called `end` breaks the drawing.
    expect(lines.some((line) => /^ {2}end\b/.test(line))).toBe(false)
  })
})
