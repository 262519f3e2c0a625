import type { End, Flow, StepId, StepSpec, Target } from './types.ts'

const END_WORDS: Readonly<Record<End['end'], string>> = {
  done: 'done (exit 0)',
  attention: 'stop, needs attention (exit 1)',
  'waiting-for-restart': 'stop until the next boot (exit 3)',
  unexplained: 'stop with an alarm (exit 4)',
}

function stepsOf(flow: Flow): readonly (readonly [StepId, StepSpec<StepId>])[] {
  return Object.entries(flow.steps) as unknown as readonly (readonly [StepId, StepSpec<StepId>])[]
}

function targetWords(target: Target): string {
  return typeof target === 'string' ? target : END_WORDS[target.end]
}

/** A flow as text, one paragraph a step. */
export function describeFlow(flow: Flow): readonly string[] {
  return [
    `${flow.title} (${flow.id})`,
    '',
    ...stepsOf(flow).flatMap(([id, step]) => [
      `${id}: ${step.title}${step.checkpoint ? ' [state is written first]' : ''}`,
      `  looks at: ${step.observes}`,
      ...(step.asks ? [`  asks: ${step.asks}`] : []),
      ...(step.does ? [`  CHANGES: ${step.does}`] : []),
      ...Object.entries(step.on).map(
        ([outcome, target]) => `  ${outcome} -> ${targetWords(target as Target)}`,
      ),
    ]),
  ]
}

/** A flow as a Mermaid flowchart. */
export function mermaidOfFlow(flow: Flow): string {
  const node = (id: string): string => id.replaceAll('-', '_')
  const lines = stepsOf(flow).flatMap(([id, step]) => [
    `  ${node(id)}${step.does ? `[["${step.title}"]]` : step.asks ? `{{"${step.title}"}}` : `["${step.title}"]`}`,
    ...Object.entries(step.on).map(([outcome, target]) => {
      const to =
        typeof target === 'string'
          ? node(target)
          : `end_${node((target as End).end)}(["${targetWords(target as End)}"])`
      return `  ${node(id)} -- ${outcome} --> ${to}`
    }),
  ])
  return `flowchart TD\n${lines.join('\n')}\n`
}
