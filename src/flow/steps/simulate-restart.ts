import type { Step } from '../step.ts'

export const simulateRestart: Step<'simulate-restart'> = async ({ simulateRestart: restartMachine }) => {
  if (restartMachine === null) throw new Error('only a rehearsal can simulate a restart')
  await restartMachine()
  return {
    outcome: 'restarted',
    facts: {},
    message: {
      tone: 'info',
      what: 'the restart is simulated: the machine measured its boot files anew',
      next: 'in reality: log in and run `aem-reseal resume`',
    },
  }
}
