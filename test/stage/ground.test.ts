import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { otherXenBuild, tamperedXen } from './boot-files.ts'
import { createStage } from './kept-stage.ts'
import { xenPackages } from './releases.ts'
import { signerFingerprint } from './rpm.ts'
import type { Boot, Stage } from './stage.ts'
import { ARROW_DOWN, ENTER, photograph } from './terminal.ts'

/*
 * A boot that AEM sealed by itself is never the measure of a later `start`, though it shows the secret from the next boot
 * on. Real parts: a software TPM, rpm, AEM's seal and unseal as they are played here, a power cycle that measures.
 */

type Answer = {
  readonly exit: number
  readonly steps: readonly { readonly id: string; readonly outcome: string; readonly facts: unknown }[]
}

async function json(stage: Stage, args: readonly string[]): Promise<Answer> {
  const { exit, stdout, stderr } = await stage.aemReseal([...args, '--json'])
  try {
    return { ...JSON.parse(stdout), exit }
  } catch {
    throw new Error(`no JSON from ${args.join(' ')} (exit ${exit}):\n${stdout}\n${stderr}`)
  }
}

const outcomesOf = ({ steps }: Answer): readonly string[] =>
  steps.map(({ id, outcome }) => `${id}: ${outcome}`)
const groundOf = ({ steps }: Answer): unknown => steps.find(({ id }) => id === 'check-ground')?.facts

async function powerCycle(stage: Stage): Promise<Boot> {
  await stage.powerOff()
  return stage.powerOn()
}

/** The next honest release of Xen, from a package of its own. */
function updateXenTo(stage: Stage, release: string): Promise<void> {
  const packages = xenPackages('new', stage.dist).map((item) => ({
    ...item,
    release: `${release}.${stage.dist}`,
    files: Object.fromEntries(
      Object.entries(item.files).map(([name, file]) =>
        name.endsWith('.gz') ? [name, { content: otherXenBuild(`release ${release}`) }] : [name, file],
      ),
    ),
  }))
  return stage.installPackages(packages)
}

/** What the program says without a session. */
async function lookBack(stage: Stage) {
  const explain = await stage.aemReseal(['explain', '--json'])
  const status = await stage.aemReseal(['status', '--json'])
  const verify = await stage.aemReseal(['verify', '--json'])
  expect(status.exit).toBe(0)
  return {
    exit: explain.exit,
    explained: JSON.parse(explain.stdout) as {
      verdict: string
      since: string | null
      reasons: { what: string }[]
    },
    boot: (JSON.parse(status.stdout) as { sinceApproved: unknown }).sinceApproved,
    verifyExit: verify.exit,
  }
}

const START = ['start', '--yes', '--restart', 'manual']

describe.each(['2.0', '1.2'] as const)('the ground of a forward seal on TPM %s', (tpm) => {
  let stage: Stage
  beforeAll(async () => {
    stage = await createStage({ tpm })
    await stage.powerOn()
    expect((await powerCycle(stage)).secretShown).toBe(true)
    const file = stage.pathOf('/etc/aem-reseal/trusted-keys')
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, `${await signerFingerprint()} Stage\n`)
  })
  afterAll(() => stage?.destroy())

  test('the first use rests on the released secret; what is accepted then is kept', async () => {
    await updateXenTo(stage, '5')
    const started = await json(stage, START)
    expect(groundOf(started)).toMatchObject({ state: 'vouched', by: 'released-secret' })
    expect(started.exit).toBe(3)
    expect((await powerCycle(stage)).secretShown).toBe(true)
    expect((await json(stage, ['resume', '--yes'])).exit).toBe(0)
  })

  test('the honest twin, an update without this program: 1 by --yes, and on by the word of a person', async () => {
    await updateXenTo(stage, '6')
    expect((await powerCycle(stage)).secretShown).toBe(false)
    const seen = await lookBack(stage)
    expect(seen.explained).toMatchObject({ verdict: 'explained', since: expect.stringMatching(/^20/) })
    expect(seen.exit).toBe(0)
    expect(seen.boot).toMatchObject({ state: 'explained', registers: [18], unseal: 'mismatch', what: [] })
    expect(seen.verifyExit).toBe(0)
    expect((await powerCycle(stage)).secretShown).toBe(true)
    await updateXenTo(stage, '7')
    const stopped = await json(stage, START)
    expect(outcomesOf(stopped)).toEqual(['detect-aem: ready', 'check-ground: boot-not-vouched'])
    expect(groundOf(stopped)).toMatchObject({
      why: 'registers-differ',
      registers: [18],
      unseal: 'unsealed',
      differences: [{ pcr: 18, role: 'xen', path: '/xen-4.17.4.gz', kind: 'contents' }],
    })
    expect(stopped.exit).toBe(1)
    const terminal = stage.aemResealPty(['start', '--protect', 'forward-seal', '--restart', 'manual'], {
      rows: 60,
    })
    await terminal.waitFor('go on all the same?', 120_000)
    expect(terminal.screen()).toMatch(/Xen \/xen-4\.17\.4\.gz has other contents/)
    terminal.type(ARROW_DOWN + ENTER)
    await terminal.waitFor('Which bulletin is this update for?', 120_000)
    terminal.type(ENTER)
    await photograph(terminal)
    expect(await terminal.finished).toBe(3)
    expect((await powerCycle(stage)).secretShown).toBe(true)
    expect((await json(stage, ['resume', '--yes'])).exit).toBe(0)
  })

  test('an evil Xen, AEM reseals, the secret appears again, an honest update: nothing is sealed', async () => {
    await stage.powerOff()
    await stage.replaceBootFile('xen-4.17.4.gz', tamperedXen)
    const blind = await stage.powerOn()
    expect(blind.secretShown).toBe(false)
    expect(blind.journal()).toMatch(/Sealed \//)
    expect((await powerCycle(stage)).secretShown).toBe(true)
    const seen = await lookBack(stage)
    expect(seen.explained.verdict).toBe('unexplained')
    expect(seen.explained.reasons.map(({ what }) => what).join('\n')).toContain('/xen-4.17.4.gz')
    expect(seen.exit).toBe(4)
    expect(seen.boot).toMatchObject({ state: 'unexplained', registers: [18], unseal: 'unsealed' })
    expect(seen.verifyExit).toBe(1)
    await updateXenTo(stage, '8')
    const files = 'cd /var/lib/tpms && find . -type f -exec sha256sum {} + | sort'
    const before = (await stage.run(['sh', '-c', files])).stdout
    const { exit, ...answer } = await json(stage, START)
    expect(outcomesOf({ exit, ...answer })).toEqual(['detect-aem: ready', 'check-ground: boot-not-vouched'])
    expect(groundOf({ exit, ...answer })).toMatchObject({
      why: 'registers-differ',
      registers: [18],
      unseal: 'unsealed',
      differences: [{ pcr: 18, role: 'xen', kind: 'contents' }],
    })
    expect(exit).toBe(1)
    expect((await stage.run(['sh', '-c', files])).stdout).toBe(before)
  })

  test('and in the blind boot itself neither', async () => {
    await stage.powerOff()
    await stage.replaceBootFile('xen-4.17.4.gz', tamperedXen)
    expect((await stage.powerOn()).secretShown).toBe(false)
    await updateXenTo(stage, '9')
    const answer = await json(stage, START)
    expect(groundOf(answer)).toMatchObject({ state: 'not-vouched', unseal: 'mismatch' })
    expect(answer.exit).toBe(1)
  })
})
