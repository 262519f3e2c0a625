import { createHash } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { beginForward, SESSION } from './forward.ts'
import { createUsedStage } from './kept-stage.ts'
import { leftBehind } from './left-behind.ts'
import type { Stage } from './stage.ts'

/*
 * A power cut at every write of the forward seal. What counts is the device: its sealed files must unseal either under
 * the current registers or under those of the next boot, at every moment.
 *
 * Two views after each cut: what the running kernel sees (the process was killed), and what is on the disk image at that
 * moment (the power went: what was not synced is gone; the copy's journal is replayed when it is mounted).
 */

const DRIVER = '/run/forward-driver.mjs'

type Files = Map<string, Buffer>

async function readFolder(folder: string): Promise<Files> {
  const names = (await readdir(folder).catch(() => [])).sort()
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(path.join(folder, name))] as const)),
  )
}

function digestOf(files: Files): string {
  const hash = createHash('sha256')
  for (const [name, bytes] of files) hash.update(`${name}\0${bytes.length}\0`).update(bytes)
  return hash.digest('hex')
}

describe.each(['2.0', '1.2'] as const)('a power cut during the forward seal on TPM %s', (tpm) => {
  let stage: Stage
  let own: string
  let first: string
  let fresh: string
  const sets = new Map<string, Files>()
  const seenAt = new Map<string, string[]>()

  beforeAll(async () => {
    stage = await createUsedStage({ tpm })
    expect((await stage.powerOn()).secretShown).toBe(true)
    await stage.updateXen()
    await beginForward(stage)
    fresh = await readFile(stage.pathOf(SESSION), 'utf8')
    const id = (await stage.run(['readlink', '/var/lib/tpm'])).stdout.trim()
    own = `aem/${id}/aem`
    const bundle = path.join(tmpdir(), `forward-driver-${process.pid}.mjs`)
    await build({
      entryPoints: [path.join(import.meta.dirname, 'forward-driver.ts')],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner: {
        js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
      },
    })
    await copyFile(bundle, stage.pathOf(DRIVER))
    await rm(bundle)
    first = digestOf(await readFolder(stage.pathOf(`/boot/${own}`)))
  })
  afterAll(() => stage?.destroy())

  const drive = (...args: string[]) => stage.run(['/usr/bin/node', DRIVER, ...args], { timeoutMs: 120_000 })

  /** What is on the device's disk at this moment, whatever the kernel still keeps in memory. */
  async function readDisk(): Promise<Files> {
    const { holder, devices } = stage
    const image = `${holder.folder}/disk-${devices[0]?.disk.uuid}.img`
    const [copy, place] = [`${holder.folder}/cut.img`, `${holder.folder}/cut`]
    await holder.must(['cp', '--sparse=always', image, copy])
    await mkdir(holder.outside('cut'), { recursive: true })
    await holder.must(['mount', '-t', 'ext4', '-o', 'loop', copy, place])
    try {
      return await readFolder(holder.outside('cut', own))
    } finally {
      await holder.must(['umount', place])
      await holder.must(['rm', copy])
    }
  }

  function note(files: Files, cut: string): void {
    const digest = digestOf(files)
    sets.set(digest, files)
    seenAt.set(digest, [...(seenAt.get(digest) ?? []), cut])
  }

  /** Unseals a set by the tools as AEM's initrd calls them. @returns what secret and token hold, or null */
  async function unseal(files: Files): Promise<string | null> {
    const folder = '/run/tried'
    await stage.run(['rm', '-rf', folder])
    await mkdir(stage.pathOf(folder))
    for (const [name, bytes] of files) await writeFile(path.join(stage.pathOf(folder), name), bytes)
    const script =
      tpm === '1.2'
        ? `set -e -o pipefail; cd ${folder}; systemctl start tcsd
      for kind in fre txt; do tpm_unsealdata -z -i secret.$kind.sealed2 | sha256sum; done`
        : `set -e -o pipefail; cd ${folder}; export TPM2TOOLS_TCTI=device:/dev/tpm0; tpm2_flushcontext -t
      tpm2_load -Q -C 0x81000001 -P str: --private key.priv --public key.pub -c context
      for kind in fre txt; do
        tpm2_unseal -Q -c context -p "pcr:$(cat key.pcrs)" | xxd -ps | tr -dc 0-9a-f |
          openssl enc -aes-256-ctr -pbkdf2 -d -kfile - -in secret.$kind.sealed2 | sha256sum
      done`
    const done = await stage.run(['bash', '-c', script])
    if (tpm === '2.0') await stage.run(['tpm2_flushcontext', '-T', 'device:/dev/tpm0', '-t'])
    return done.exit === 0 ? done.stdout : null
  }

  test('leaves a device that unseals for the old state or for the new one, at each of its writes', async () => {
    const kept = (
      await stage.run([
        'sh',
        '-c',
        'cd /var/lib/anti-evil-maid/aem; for k in fre txt; do sha256sum <secret.$k; done',
      ])
    ).stdout
    // one run to the end counts the writes
    const whole = await drive('seal', 'after', '100000')
    const { outcome, written } = JSON.parse(whole.stdout) as { outcome: string; written: string[] }
    expect(outcome, whole.stdout + whole.stderr).toBe('sealed')
    const session = await readFile(stage.pathOf(SESSION), 'utf8')
    note(await readDisk(), 'none')
    expect(JSON.parse((await drive('restore')).stdout)).toEqual({ device: 'restored', dom0: 'restored' })
    expect(session).toContain('"previous"')
    expect(digestOf(await readFolder(stage.pathOf(`/boot/${own}`)))).toBe(first)

    // Nothing is written between one write and the next, so a cut after it is a cut before the next.
    const cuts = [{ when: 'before', at: 1 }, ...written.map((_, n) => ({ when: 'after', at: n + 1 }))]
    for (const { when, at } of cuts) {
      const name = `${when} ${at} (${written[at - 1]})`
      await writeFile(stage.pathOf(SESSION), fresh)
      const run = await drive('seal', when, `${at}`)
      expect(run.exit, name).not.toBe(0)
      note(await readDisk(), `${name}, power`)
      note(await readFolder(stage.pathOf(`/boot/${own}`)), `${name}, killed`)
      // whatever was cut, everything goes back, and nothing but the session is left
      const back = await drive('restore')
      expect(back.exit, name + back.stderr).toBe(0)
      expect(digestOf(await readFolder(stage.pathOf(`/boot/${own}`))), name).toBe(first)
    }
    expect(await leftBehind(stage)).toBe('')
    expect(cuts).toHaveLength(written.length + 1)
    console.log(
      `TPM ${tpm}: ${cuts.length} cuts at ${written.length} writes, ${sets.size} different states of the device`,
    )

    const bad: string[] = []
    const later: string[] = []
    for (const [digest, files] of sets) if ((await unseal(files)) !== kept) later.push(digest)
    expect(later).not.toContain(first)
    // the switch was passed by some cuts and not by others: both kinds were seen
    expect(later.length).toBeGreaterThan(0)
    expect(seenAt.get(first)?.length ?? 0).toBeGreaterThan(written.length)
    await stage.powerOff()
    await stage.powerOn({ seal: false })
    for (const digest of later) {
      const files = sets.get(digest) ?? new Map()
      if ((await unseal(files)) !== kept) bad.push(...(seenAt.get(digest) ?? []))
    }
    expect(bad).toEqual([])
    // the old files are refused now: the two states are really two
    expect(await unseal(sets.get(first) ?? new Map())).toBeNull()
  }, 3_600_000)
})
