import { FLOWS } from '../../flows/index.ts'
import { describeFlow, mermaidOfFlow } from '../flow/describe.ts'
import { makeFailure } from '../tables/failures.ts'
import { line } from '../ui/ui.ts'
import { makeUi, printJson } from './context.ts'
import type { GlobalOptions, Io } from './io.ts'

/** `aem-reseal plan`: a flow as text or Mermaid. */
export function runPlan(io: Io, options: GlobalOptions, name: string | null, mermaid: boolean): number {
  const flows =
    name === null ? FLOWS.filter((flow) => flow.id !== 'rehearsal') : FLOWS.filter((flow) => flow.id === name)
  if (flows.length === 0) {
    throw makeFailure('usage', {
      reason: `there is no flow ${name}; flows: ${FLOWS.map((flow) => flow.id).join(', ')}`,
    })
  }
  if (options.json) printJson(io, 'plan', flows)
  else if (mermaid) io.stdout(flows.map(mermaidOfFlow).join('\n'))
  else
    makeUi(io, options).say(
      flows.flatMap((flow) => [...describeFlow(flow).map((text) => line(text)), line('')]),
    )
  return 0
}
