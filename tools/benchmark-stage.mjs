import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { buildSync } from 'esbuild'

/*
 * `verify`, `start` and `resume` with real parts, in a stage (test/stage): programs run, distinct ones, wall time, and the sum of the
 * distinct programs' own times by step, each run bare once more in the same stage. A program that takes files of a look that is over ends
 * early with an error; how many did is said, as the sum is too small by them.
 */

/**
 * The programs that a run told with --verbose, step by step.
 * @param text both streams in their order; a step begins behind an empty line
 */
export function listSteps(text) {
  const steps = [[]]
  for (const line of text.split('\n')) {
    if (line.startsWith('run: ')) steps.at(-1).push(line.slice('run: '.length))
    else if (line.trim() === '') steps.push([])
  }
  return steps
}

/** Programs run, and those that are distinct within their step: what a step runs twice it looked at twice, or it is an act that is done twice. */
export function countPrograms(steps) {
  const run = steps.flat().length
  const distinct = steps.reduce((sum, step) => sum + new Set(step).size, 0)
  return `${run} programs, ${distinct} distinct within their step, ratio ${(run / distinct).toFixed(2)} (wanted: at most 1.15)`
}

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`

async function timed(work) {
  const begin = process.hrtime.bigint()
  const result = await work()
  return { result, ms: Number(process.hrtime.bigint() - begin) / 1e6 }
}

/** Runs of this kind change the machine or wait for a person: they are not run bare. */
const NOT_BARE =
  /anti-evil-maid-seal|shutdown|systemctl (start|stop|daemon-reload)|\/usr\/bin\/sudo|renameat2|mount |umount|dracut|grub2-mkconfig/

async function reportVerb(stage, name, args) {
  // One pipe for both streams, so that they come in their order.
  const words = [
    '/bin/sh',
    '-c',
    'exec /usr/bin/aem-reseal "$@" 2>&1',
    'sh',
    '--verbose',
    '--details',
    ...args,
  ]
  const { result, ms } = await timed(() => stage.run(words))
  const steps = listSteps(result.stdout)
  const distinct = [...new Set(steps.flat())]
  const bare = distinct.filter((line) => !NOT_BARE.test(line))
  const own = new Map()
  let failed = 0
  for (const line of bare) {
    // No argument of the table has a blank in it but those of programs that are not run here.
    const one = await timed(() => stage.run(line.split(' ')))
    own.set(line, one.ms)
    if (one.result.exit !== 0) failed += 1
  }
  // Each step looks again: a program counts once for each step that runs it.
  const sum = steps.flatMap((step) => [...new Set(step)]).reduce((all, line) => all + (own.get(line) ?? 0), 0)
  console.log(`stage, ${name} (exit ${result.exit}): ${countPrograms(steps)}`)
  console.log(
    `  wall ${seconds(ms)}; ${bare.length} of ${distinct.length} distinct programs run bare (${failed} ended with an error), once for each step that runs them ${seconds(sum)}, ratio ${(ms / sum).toFixed(2)} (wanted: at most 1.3)`,
  )
}

/** Prints the looks of three verbs in a stage; says why not where there is none. */
export async function reportStage() {
  if (process.getuid?.() !== 0) {
    console.log('verify, start and resume in the stage: not measured, the stage needs root')
    return
  }
  const folder = new URL('../test/stage/', import.meta.url).pathname
  const outfile = new URL('../dist/benchmark-stage.mjs', import.meta.url).pathname
  buildSync({
    stdin: {
      contents:
        "export { createUsedStage } from './kept-stage.ts'; export { signerFingerprint } from './rpm.ts'",
      resolveDir: folder,
      loader: 'ts',
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    define: {
      'import.meta.dirname': JSON.stringify(folder.replace(/\/$/, '')),
      'import.meta.filename': JSON.stringify(`${folder}kept-stage.ts`),
    },
    outfile,
  })
  try {
    const { createUsedStage, signerFingerprint } = await import(outfile)
    const stage = await createUsedStage({ tpm: '2.0' })
    try {
      await stage.powerOn()
      const trusted = stage.pathOf('/etc/aem-reseal/trusted-keys')
      mkdirSync(dirname(trusted), { recursive: true })
      writeFileSync(trusted, `${await signerFingerprint()} the stage's own key\n`)
      await reportVerb(stage, 'verify', ['verify'])
      await stage.updateXen()
      await reportVerb(stage, 'start', ['start', '--yes', '--protect', 'plain', '--restart', 'manual'])
      await stage.powerOff()
      await stage.powerOn()
      await reportVerb(stage, 'resume', ['resume', '--yes'])
    } finally {
      await stage.destroy()
    }
  } catch (error) {
    console.log(`verify, start and resume in the stage: not measured, ${String(error).split('\n')[0]}`)
  } finally {
    rmSync(outfile, { force: true })
  }
}
