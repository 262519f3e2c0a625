#!/usr/bin/env node
// Tries recorded machines: `node tools/try-cases.mjs DIR [NAME...]`, where each directory below DIR with a machine.json is one.
// One line each: what `status`, `predict`, `explain` and `rehearse --yes` say, with their exit codes. A directory `state/`
// beside machine.json is given as the state directory. AEM_RESEAL names another program than dist/aem-reseal.mjs.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PROGRAM =
  process.env.AEM_RESEAL ?? join(dirname(fileURLToPath(import.meta.url)), '../dist/aem-reseal.mjs')

/** The JSON answer and the exit code; `answer` is null where there was none that can be parsed. */
function run(directory, args) {
  const state = join(directory, 'state')
  const where = ['--machine', directory, ...(existsSync(state) ? ['--state-dir', state] : [])]
  const ended = spawnSync(process.execPath, [PROGRAM, ...where, '--json', ...args], { encoding: 'utf8' })
  try {
    return { exit: ended.status, answer: JSON.parse(ended.stdout) }
  } catch {
    return { exit: ended.status, answer: null }
  }
}

const told = (answer, words) => {
  if (answer === null) return 'no JSON'
  return answer.error ? `error ${answer.error.code}` : words(answer)
}

const WORDS = {
  status: (status) => {
    const protection = status.protection
    const reasons = protection?.reasons?.map(({ code }) => code).join(',')
    const state = protection ? `${protection.state}${reasons ? `(${reasons})` : ''} ` : ''
    return `${state}measured=${status.aem?.measured ?? 'unknown'} next="${status.next?.command ?? '-'}"`
  },
  predict: (prediction) =>
    [
      ...(prediction.refusal ? [`refused ${prediction.refusal.code}`] : []),
      ...prediction.pcrs.map(
        ({ index, predicted, code, vouched }) =>
          `${index}:${predicted === null ? code : vouched === false ? 'unvouched' : 'predicted'}`,
      ),
    ].join(' '),
  explain: ({ verdict, reasons }) => {
    const codes = [...new Set(reasons.filter((one) => one.isBlocking).map(({ code }) => code))]
    return `${verdict}${codes.length > 0 ? `(${codes.join(',')})` : ''}`
  },
  rehearse: (answer) => {
    const last = answer.history?.at(-1) ?? answer.steps?.at(-1)
    return last ? `${last.id ?? last.step}=${last.outcome}` : 'no step'
  },
}

function describe(directory) {
  const look = (verb, args = [verb]) => {
    const { exit, answer } = run(directory, args)
    return `${verb} [${exit}] ${told(answer, WORDS[verb])}`
  }
  return [look('status'), look('predict'), look('explain'), look('rehearse', ['rehearse', '--yes'])].join(
    ' | ',
  )
}

const [root, ...names] = process.argv.slice(2)
if (root === undefined) {
  console.error('usage: node tools/try-cases.mjs DIR [NAME...]')
  process.exit(2)
}
const own = existsSync(join(root, 'machine.json')) ? ['.'] : readdirSync(root).sort()
for (const name of own) {
  const isWanted = names.length === 0 || names.some((one) => name.startsWith(one))
  const directory = join(root, name)
  if (isWanted && existsSync(join(directory, 'machine.json'))) console.log(`${name}: ${describe(directory)}`)
}
