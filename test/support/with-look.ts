import { makeMemoryStore } from '../../src/act/memory-store.ts'
import type { StepContext } from '../../src/flow/step.ts'
import type { Host } from '../../src/host/host.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { aSession, RUN_OPTIONS } from './built-in.ts'
import { makeScriptedUi, type ScriptedUi } from './scripted-ui.ts'

/** What the runner adds for each step: a look of its own. */
export function withLook(context: Omit<StepContext, 'dom0'>): StepContext {
  return { ...context, dom0: observeDom0(context.host) }
}

/** What a step by itself gets on a machine, from a person who says yes to all; nothing is kept of it. */
export function stepContext(
  host: Host,
  given: Partial<Omit<StepContext, 'ui' | 'host'>> & { readonly ui?: ScriptedUi } = {},
): StepContext & { readonly ui: ScriptedUi } {
  const ui = given.ui ?? makeScriptedUi({ '*': 'yes' })
  const rest = {
    store: makeMemoryStore(ui),
    options: RUN_OPTIONS,
    session: aSession(),
    simulateRestart: null,
  }
  return { host, dom0: observeDom0(host), ...rest, ...given, ui }
}
