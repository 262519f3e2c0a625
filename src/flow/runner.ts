import { EXIT, type ExitCode } from '../core/failure.ts'
import type { Session } from '../core/session/checkpoint.ts'
import { observeDom0 } from '../observe/dom0/dom0.ts'
import type { Message } from '../ui/message.ts'
import type { Ui } from '../ui/ui.ts'
import type { AnyStep, AnyStepReport, StepContext, Steps } from './step.ts'
import { tellStep } from './tell.ts'
import type { End, Flow, StepId, StepSpec, Target } from './types.ts'

export type FlowResult = {
  readonly flow: Flow['id']
  readonly outcome: string
  readonly steps: readonly { readonly id: StepId; readonly outcome: string; readonly facts: unknown }[]
  readonly exit: ExitCode
}

/** What a rehearsal says at its end (cli/rehearse.ts), on a terminal of 60 columns, and the line of the cursor. */
const REHEARSAL_END = 6

const EXIT_OF_END: Readonly<Record<End['end'], ExitCode>> = {
  done: EXIT.done,
  attention: EXIT.attention,
  'waiting-for-restart': EXIT.waitingForRestart,
  unexplained: EXIT.unexplained,
}

/** Where an outcome leads. Pure; the flow's types guarantee that it leads somewhere. */
export function nextTarget(flow: Flow, step: StepId, outcome: string): Target {
  const on = flow.steps[step]?.on as Readonly<Record<string, Target>> | undefined
  const target = on?.[outcome]
  if (target === undefined) throw new Error(`flow ${flow.id} leaves outcome ${outcome} of ${step} unhandled`)
  return target
}

/**
 * Runs a flow from a step to an end. The session is written before every step that changes something, so that a
 * run ended anywhere goes on from there.
 */
export async function runFlow(
  flow: Flow,
  from: StepId,
  steps: Steps,
  context: Omit<StepContext, 'dom0'>,
): Promise<FlowResult> {
  let session: Session = context.session
  let id: StepId = from
  let isKept = false
  const done: { id: StepId; outcome: string; facts: unknown }[] = []
  for (;;) {
    const spec = flow.steps[id] as StepSpec<StepId> | undefined
    if (!spec) throw new Error(`flow ${flow.id} has no step ${id}`)
    session = { ...session, step: id, updatedAt: context.host.now().toISOString() }
    if (spec.checkpoint || session.baseline !== null) {
      await context.store.save(session)
      isKept = true
    }
    const teller = tellStep(context.ui, spec.title, context.simulateRestart === null ? 1 : REHEARSAL_END)
    const step: AnyStep = steps[id]
    const { ui, answers } = keepAnswers({ ...context, ui: teller.ui }, id)
    const report: AnyStepReport = await step({ ...context, ui, dom0: observeDom0(context.host), session })
    const isRehearsal = context.simulateRestart !== null
    const target = nextTarget(flow, id, report.outcome)
    const goesOn = typeof target === 'string'
    await teller.tell(isRehearsal ? asRehearsed(report.message) : report.message, goesOn)
    done.push({ id, outcome: report.outcome, facts: report.facts })
    const findings = { ...(report.session?.findings ?? session.findings), [id]: report.facts }
    session = recordStep(
      { ...session, ...report.session, findings, answers: [...session.answers, ...answers] },
      flow,
      id,
      report.outcome,
      context.host.now(),
    )
    if (typeof target !== 'string') {
      const isLeft = target.end === 'attention' && hasLeft(flow, session)
      if (session.baseline !== null || isLeft) {
        // An open session keeps its step; one that the step closed is gone.
        if (spec.closes !== true) await context.store.save(session)
      }
      // Ended in good order before anything was recorded: there is nothing to come back to.
      else if (isKept) await context.store.close()
      return { flow: flow.id, outcome: report.outcome, steps: done, exit: EXIT_OF_END[target.end] }
    }
    id = target
  }
}

/** The user interface of a step, with what was asked in it and who answered: the report says so. */
function keepAnswers({ ui, host, options }: Omit<StepContext, 'dom0'>, step: StepId) {
  const answers: Session['answers'] = []
  const by = options.yes === true ? 'yes-option' : 'person'
  const asking: Ui = {
    ...ui,
    async ask(question) {
      const answer = await ui.ask(question)
      const { id, message } = question
      answers.push({ at: host.now().toISOString(), step, id, question: message, answer, by })
      return answer
    },
  }
  return { ui: asking, answers }
}

/** A rehearsal leaves no session: the commands that go on with one are for the real job. */
function asRehearsed(message: Message): Message {
  const { next, why } = message
  const isForReal = next !== undefined && /aem-reseal (?!rehearse)/.test(next) && !next.startsWith(IN_REALITY)
  return {
    ...message,
    ...(isForReal ? { next: `${IN_REALITY}${next}` } : {}),
    ...(why ? { why: why.replace('the session is kept', 'the session would be kept') } : {}),
  }
}

const IN_REALITY = 'in reality: '

function recordStep(session: Session, flow: Flow, step: StepId, outcome: string, now: Date): Session {
  const entry = { at: now.toISOString(), flow: flow.id, step, outcome }
  return { ...session, updatedAt: entry.at, history: [...session.history, entry] }
}

/** Did a step of the flow leave something that only `cancel` takes back? */
function hasLeft(flow: Flow, { findings }: Session): boolean {
  return Object.entries(flow.steps).some(([id, { leaves }]) => {
    const facts = leaves === undefined ? null : findings[id]
    return typeof facts === 'object' && facts !== null && Reflect.get(facts, leaves ?? '') != null
  })
}
