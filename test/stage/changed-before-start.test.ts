import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SINIT_NAME } from './dom0-image.ts'
import { createUsedStage } from './kept-stage.ts'
import { signerFingerprint } from './rpm.ts'
import type { Stage } from './stage.ts'

/*
 * What was changed between this boot and `start`, beside the update: the default entry, the SINIT file, a LUKS header. Each
 * is named and stops `start`, and nothing is sealed; the honest twin, with the same update, is sealed forward.
 */

type Answer = {
  readonly exit: number
  readonly steps: readonly { readonly id: string; readonly outcome: string }[]
}

async function start(stage: Stage): Promise<{ readonly exit: number; readonly last: string }> {
  const { exit, stdout, stderr } = await stage.aemReseal(['start', '--yes', '--restart', 'manual', '--json'])
  const answer = stdout.startsWith('{') ? (JSON.parse(stdout) as Partial<Answer>) : {}
  const last = answer.steps?.at(-1)
  if (last === undefined) throw new Error(`start ended with ${exit}: ${stdout}${stderr}`)
  return { exit, last: `${last.id}: ${last.outcome}` }
}

async function sealedFiles(stage: Stage): Promise<string> {
  const { stdout } = await stage.run([
    'sh',
    '-c',
    'find /boot/aem /var/lib/anti-evil-maid -type f -exec sha256sum {} + | sort',
  ])
  return stdout
}

/** grubenv as `grub2-editenv` writes it: 1024 bytes, filled with `#` (GRUB 2.06, util/editenv.c). */
const environmentBlock = (saved: string): Buffer =>
  Buffer.from(`# GRUB Environment Block\nsaved_entry=${saved}\n`.padEnd(1024, '#'))

type Change = (stage: Stage) => Promise<() => Promise<unknown>>

const bootOther: Change = async (stage) => {
  const menu = (await stage.readBootFile('grub2/grub.cfg')).toString()
  const titles = [...menu.matchAll(/^\s*menuentry '([^']+)'/gm)].map(([, title]) => title ?? '')
  const other = titles.find((title) => !title.startsWith('AEM'))
  expect(other, titles.join(', ')).toBeDefined()
  const before = await stage.readBootFile('grub2/grubenv')
  await stage.replaceBootFile('grub2/grubenv', environmentBlock(other ?? ''))
  return () => stage.replaceBootFile('grub2/grubenv', before)
}

const changeSinit: Change = async (stage) => {
  const before = await stage.readBootFile(SINIT_NAME)
  const changed = Buffer.from(before)
  const middle = Math.floor(changed.length / 2)
  changed[middle] = changed[middle]! ^ 1
  await stage.replaceBootFile(SINIT_NAME, changed)
  return () => stage.replaceBootFile(SINIT_NAME, before)
}

const changeLuksHeader: Change = async (stage) => {
  const disk = `/dev/${stage.luks.name}`
  const kept = `${stage.holder.folder}/luks-header-before-start`
  const copy = (from: string, to: string) =>
    stage.holder.must([
      ...['dd', `if=${from}`, `of=${to}`, 'bs=1M', 'count=4', 'conv=notrunc,fsync', 'status=none'],
    ])
  await copy(disk, kept)
  await stage.holder.must(['cryptsetup', 'config', '--label', 'changed', disk])
  return () => copy(kept, disk)
}

describe.each(['2.0', '1.2'] as const)('changed before start, on TPM %s', (tpm) => {
  let stage: Stage
  beforeAll(async () => {
    stage = await createUsedStage({ tpm, devices: [{}] })
    expect((await stage.powerOn()).secretShown).toBe(true)
    const file = stage.pathOf('/etc/aem-reseal/trusted-keys')
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, `${await signerFingerprint()} Stage\n`)
    await stage.updateXen()
  })
  afterAll(() => stage?.destroy())

  const stops = async (change: Change, outcome: string): Promise<void> => {
    const before = await sealedFiles(stage)
    const putBack = await change(stage)
    try {
      expect(await start(stage)).toEqual({ exit: 1, last: outcome })
      expect(await sealedFiles(stage)).toBe(before)
    } finally {
      await stage.aemReseal(['cancel'])
      await putBack()
    }
  }

  test('a default entry that is none of AEM stops it', () => stops(bootOther, 'predict: not-aem-entry'))

  test('another LUKS header stops it, where nobody says that it was theirs', () =>
    stops(changeLuksHeader, 'predict: luks-header-changed'))

  test('the honest twin is sealed forward', async () => {
    expect((await start(stage)).exit).toBe(3)
    expect((await stage.aemReseal(['cancel'])).exit).toBe(0)
  })

  // The last one: a module that was put back was written since this boot too.
  test('another SINIT module stops it', () => stops(changeSinit, 'predict: sinit-changed'))
})
