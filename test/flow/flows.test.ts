import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FLOW_IDS } from '../../src/core/session/checkpoint.ts'
import { nextTarget } from '../../src/flow/runner.ts'
import { STEPS } from '../../src/flow/steps.ts'
import type { Flow, StepId, Target } from '../../src/flow/types.ts'
import { edgesOf, FLOWS, nextStepsOf, reachableFrom, specOf, stepIdsOf } from '../support/flows.ts'
import { readSources } from '../support/sources.ts'

const ENDS = ['done', 'attention', 'waiting-for-restart', 'unexplained']

function isEnd(target: Target): boolean {
  return typeof target !== 'string'
}

/** Steps after which a change may follow: the user was asked, or a gate was passed. */
function isGuard(flow: Flow, id: StepId): boolean {
  return id.startsWith('gate-') || specOf(flow, id).asks !== undefined
}

/** All paths to a step that pass no step twice, each as the steps before it, from the nearest back to the start. */
function pathsTo(flow: Flow, goal: StepId): readonly (readonly StepId[])[] {
  const found: (readonly StepId[])[] = []
  const walk = (id: StepId, path: readonly StepId[]): void => {
    for (const next of new Set(nextStepsOf(flow, id))) {
      if (next === goal) found.push([...path, id])
      else if (!path.includes(next) && next !== id) walk(next, [...path, id])
    }
  }
  walk(flow.start, [])
  return found
}

/** Steps that may come between a guard and its change: they change nothing and ask nothing, they only look or keep the state. */
function hasGuardBefore(flow: Flow, path: readonly StepId[]): boolean {
  for (const id of [...path].reverse()) {
    if (isGuard(flow, id)) return true
    if (specOf(flow, id).does) return false
  }
  return false
}

describe.each(FLOWS.map((flow) => [flow.id, flow] as const))('flow %s', (_id, flow) => {
  it('has a program behind every step and a step behind every target', () => {
    for (const id of stepIdsOf(flow)) {
      expect(STEPS[id], id).toBeTypeOf('function')
      expect(edgesOf(flow, id).length, `${id} has outcomes`).toBeGreaterThan(0)
      for (const next of nextStepsOf(flow, id)) expect(stepIdsOf(flow), `${id} leads on`).toContain(next)
    }
  })

  it('leads every outcome to a step or to an end that has an exit code', () => {
    for (const id of stepIdsOf(flow)) {
      for (const [outcome, target] of edgesOf(flow, id)) {
        expect(nextTarget(flow, id, outcome)).toBe(target)
        if (typeof target !== 'string') expect(ENDS, `${id} ${outcome}`).toContain(target.end)
      }
    }
  })

  it('reaches every step from its start', () => {
    expect([...reachableFrom(flow, [flow.start])].sort()).toEqual([...stepIdsOf(flow)].sort())
  })

  it('can end from every step', () => {
    for (const id of stepIdsOf(flow)) {
      const canEnd = [...reachableFrom(flow, [id])].some((step) =>
        edgesOf(flow, step).some(([, target]) => isEnd(target)),
      )
      expect(canEnd, id).toBe(true)
    }
  })

  it('changes nothing on any path before a question or a gate', () => {
    for (const id of stepIdsOf(flow).filter((step) => specOf(flow, step).does)) {
      const paths = pathsTo(flow, id)
      expect(id === flow.start, `${id} is not where it starts`).toBe(false)
      expect(paths.length, `${id} is reached`).toBeGreaterThan(0)
      const unguarded = paths.filter((path) => !hasGuardBefore(flow, path))
      expect(unguarded, `${id} is entered unguarded`).toEqual([])
    }
  })

  it('keeps the state before every change', () => {
    for (const id of stepIdsOf(flow)) {
      if (specOf(flow, id).does) expect(specOf(flow, id).checkpoint, id).toBe(true)
    }
  })

  it('says of every step what it looks at', () => {
    for (const id of stepIdsOf(flow)) {
      expect(specOf(flow, id).title.length, id).toBeGreaterThan(3)
      expect(specOf(flow, id).observes.length, id).toBeGreaterThan(3)
    }
  })

  it('is plain data', () => {
    expect(JSON.parse(JSON.stringify(flow))).toEqual(flow)
  })

  it('comes to an end on every walk that meets each outcome sooner or later', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(1000)), (choices) => {
        let id = flow.start
        const walked = new Set<string>()
        for (const choice of choices) {
          const edges = edgesOf(flow, id)
          // An edge that was walked already is not walked again while there is another.
          const fresh = edges.filter(([outcome]) => !walked.has(`${id} ${outcome}`))
          const [outcome, target] = (fresh.length > 0 ? fresh : edges)[
            choice % (fresh.length || edges.length)
          ]!
          walked.add(`${id} ${outcome}`)
          expect(nextTarget(flow, id, outcome)).toBe(target)
          if (typeof target !== 'string') return ENDS.includes(target.end)
          id = target
        }
        return false
      }),
    )
  })
})

it('calls an outcome that no flow handles a defect, loudly', () => {
  for (const flow of FLOWS) {
    expect(() => nextTarget(flow, flow.start, 'never-heard-of')).toThrow(/unhandled/)
  }
})

it('lists every flow once: those of the files in flows/, those of a session, those of the documents', async () => {
  const files = readSources('flows').filter(({ path }) => path !== 'flows/index.ts')
  const modules = await Promise.all(files.map(({ path }) => import(`../../${path}`)))
  const written = modules.flatMap((module) => Object.values(module) as Flow[]).filter(({ steps }) => steps)
  expect(FLOWS.map(({ id }) => id).sort()).toEqual(written.map(({ id }) => id).sort())
  expect(FLOWS.map(({ id }) => id).sort()).toEqual([...FLOW_IDS].sort())
  const document = readFileSync('docs/flows.md', 'utf8')
  for (const { id } of FLOWS) expect(document).toContain(`Flow \`${id}\``)
})

it('uses every step of the program in some flow', () => {
  const used = new Set(FLOWS.flatMap(stepIdsOf))
  expect(Object.keys(STEPS).filter((id) => !used.has(id as StepId))).toEqual([])
})

it('seals only after an explanation was accepted, in every flow', () => {
  const sealing = FLOWS.filter((flow) => flow.steps.reseal)
  expect(sealing.length).toBeGreaterThan(0)
  for (const flow of sealing) {
    for (const path of pathsTo(flow, 'reseal')) {
      expect(path).toContain('explain')
      expect(path.indexOf('accept-change')).toBeGreaterThan(path.indexOf('explain'))
      expect(path.at(-1)).toBe('gate-reseal')
    }
  }
})

it('never leads an unexplained change anywhere but to the alarm', () => {
  for (const flow of FLOWS) {
    if (!flow.steps.explain) continue
    expect(nextTarget(flow, 'explain', 'unexplained'), flow.id).toEqual({ end: 'unexplained' })
    expect(nextTarget(flow, 'explain', 'no-baseline'), flow.id).toEqual({ end: 'attention' })
  }
})
