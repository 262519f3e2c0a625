/** A module of its own, so that a run that asks nothing never loads the prompts (start-up time). */
export { input, password, select } from '@inquirer/prompts'
