import { writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { beginForward, readSession, sealForward } from './forward.ts'
import { createStage } from './kept-stage.ts'
import { leftBehind, triesOf } from './left-behind.ts'
import type { Stage } from './stage.ts'
import { checksOf, verify } from './verified.ts'

/*
 * SIGKILL while the program holds something outside of itself: a mounted stick, files of tools (an SRK password among
 * them), an object or a session in the TPM, a stopped tcsd. The next run undoes it, whichever command it is.
 */

/** Runs the program and kills it when this tool has done its work, or, before it has, and the tool goes on alone. */
async function killedAt(stage: Stage, tool: string, args: readonly string[], when = 'after'): Promise<void> {
  const own = `[ "$0" = ${tool} ]`
  const killer = [
    '#!/bin/bash',
    `if [ ${when} = before ]; then ! ${own} || kill -KILL $PPID; exec -a "$0" /run/real "$@"; fi`,
    '(exec -a "$0" /run/real "$@"); exit=$?',
    `! ${own} || kill -KILL $PPID`,
    'exit $exit',
  ]
  await writeFile(stage.pathOf('/run/killer'), `${killer.join('\n')}\n`, { mode: 0o755 })
  // tpm2_load and all the others are links to one program
  const hide = `cp ${tool} /run/real && mount --bind /run/killer ${tool}`
  expect((await stage.run(['sh', '-c', hide])).exit).toBe(0)
  const { exit } = await stage.aemReseal(args)
  expect((await stage.run(['sh', '-c', `umount ${tool} && rm /run/killer /run/real`])).exit).toBe(0)
  expect(exit).not.toBe(0)
  expect(await leftBehind(stage)).toContain('/run/aem-reseal/')
}

const TOOLS: Record<string, { look: [string, string][]; seal: string }> = {
  '2.0': {
    look: [
      ['/usr/bin/tpm2_load', 'after'],
      ['/usr/bin/tpm2_unseal', 'before'],
      ['/usr/bin/tpm2_nvread', 'after'],
    ],
    seal: '/usr/bin/tpm2_create',
  },
  '1.2': {
    look: [
      ['/usr/bin/tpm_unsealdata', 'after'],
      ['/usr/sbin/tpm_nvread', 'after'],
    ],
    seal: '/usr/bin/tpm_sealdata',
  },
}

describe.each(['2.0', '1.2'] as const)('killed on TPM %s', (tpm) => {
  let stage: Stage
  let tries: number
  beforeAll(async () => {
    stage = await createStage({
      tpm,
      srkPassword: 'hunter 2',
      devices: [{ suffix: '.stick', external: true }],
    })
    await stage.powerOn()
    await stage.powerOff()
    // on TPM 1.2 AEM's own seal would take the cached password away
    expect((await stage.powerOn({ seal: tpm === '2.0' })).secretShown).toBe(true)
    await stage.updateXen()
    await stage.refreshDevice('.stick')
    await beginForward(stage)
    tries = await triesOf(stage)
    expect(await leftBehind(stage)).toBe('')
  })
  afterAll(() => stage?.destroy())

  test.each(TOOLS[tpm]?.look ?? [])('while it verifies, at %s (%s)', async (tool, when) => {
    await killedAt(stage, tool, ['verify'], when)
    const { exit, devices } = await verify(stage)
    expect(Object.values(checksOf(devices, 'aem.stick')).every((ok) => ok === true)).toBe(true)
    expect(exit).toBe(0)
    expect(await leftBehind(stage)).toBe('')
    expect(await triesOf(stage)).toBe(tries)
  })

  test('a secret or the SRK password in a file would be seen', async () => {
    for (const text of ['hunter 2', stage.devices[0]?.secret ?? '']) {
      await writeFile(stage.pathOf('/var/log/leak'), `some words, ${text}, and others\n`)
      expect(await leftBehind(stage)).toBe('/var/log/leak\n')
    }
    await stage.run(['rm', '/var/log/leak'])
  })

  test('while it seals forward: cancel leaves nothing', async () => {
    const session = JSON.stringify(await readSession(stage))
    await killedAt(stage, TOOLS[tpm]!.seal, ['resume', '--yes'])
    expect((await stage.aemReseal(['cancel'])).exit).toBe(0)
    expect(await leftBehind(stage)).toBe('')
    expect(await triesOf(stage)).toBe(tries)
    expect((await verify(stage)).exit).toBe(0)
    await stage.run(['sh', '-c', 'cat >/var/lib/aem-reseal/session.json'], { input: session })
  })

  test('while it seals forward: resume goes on, and the first boot shows the secret', async () => {
    await killedAt(stage, TOOLS[tpm]!.seal, ['resume', '--yes'])
    expect((await sealForward(stage)).exit).toBe(3)
    expect(await leftBehind(stage)).toBe('')
    expect(await triesOf(stage)).toBe(tries)
    await stage.powerOff()
    const boot = await stage.powerOn()
    expect(boot.secretShown, boot.journal()).toBe(true)
    await stage.aemReseal(['resume', '--yes'])
    expect(await leftBehind(stage)).toBe('')
  })
})
