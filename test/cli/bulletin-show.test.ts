import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { bulletinFiles, CORPUS, fileOf, textOf } from '../core/bulletin/corpus.ts'
import {
  makeSigner,
  makeWorkplace,
  revocationOf,
  type Signer,
  sign,
  type Workplace,
} from '../core/bulletin/gpg.ts'
import { runMain } from '../support/io.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const shown = z.array(
  z.looseObject({ id: z.number(), signatures: z.array(z.looseObject({ status: z.string() })) }),
)
const statusesOf = async (files: readonly string[], ...more: readonly string[]) => {
  const { exit, json } = await runMain(['bulletin', 'show', ...files, '--json', ...more])
  const statuses = shown.parse(json).map(({ signatures }) => signatures.map(({ status }) => status))
  return { exit, statuses }
}

describe('bulletin show of all bulletins at once', () => {
  it('finds 229 signatures, each as it is, and no two the fewer for being many', async () => {
    const { exit, statuses } = await statusesOf(bulletinFiles.map((name) => CORPUS + name))
    expect([exit, statuses.length]).toEqual([0, 116])
    const all = statuses.flat()
    expect([all.length, all.filter((each) => each === 'good').length]).toEqual([229, 186])
    expect(all.filter((each) => each === 'weak-digest')).toHaveLength(43)
  }, 120_000)
})

describe('bulletin show of files from several places', () => {
  let place: Workplace
  let stranger: Signer
  let expired: Signer
  let revoked: Signer
  const files: string[] = []
  const keysOf = (name: string): readonly string[] =>
    readdirSync(`${CORPUS}keys`)
      .filter((each) => each.includes(name))
      .map((each) => `${CORPUS}keys/${each}`)

  /** A directory with a text, signatures and keys of its own. */
  const put = (id: number, keys: readonly string[], edit?: (text: string) => string): string => {
    const directory = mkdtempSync(join(place.root, 'beside-'))
    mkdirSync(join(directory, 'keys'))
    keys.forEach((key, index) => {
      copyFileSync(key, join(directory, 'keys', `${index}.asc`))
    })
    const file = join(directory, fileOf(id))
    writeFileSync(file, edit ? edit(textOf(id)) : textOf(id))
    return file
  }
  const published = (file: string, id: number, ...signers: readonly string[]): string => {
    for (const signer of signers)
      copyFileSync(`${CORPUS}${fileOf(id)}.sig.${signer}`, `${file}.sig.${signer}`)
    return file
  }
  const signedBy = (file: string, signer: Signer, ...options: readonly string[]): string => {
    sign(signer, file, ...options)
    return file
  }

  beforeAll(() => {
    place = makeWorkplace()
    stranger = makeSigner(place, 'stranger')
    expired = makeSigner(place, 'expired', true)
    revoked = makeSigner(place, 'revoked')
    const qubes = keysOf('')
    const both = ['marmarek', 'simon'] as const
    const withoutMaster = qubes.filter((key) => !key.includes('master'))
    const revocation = revocationOf(place, revoked)
    files.push(
      published(put(103, qubes), 103, ...both),
      published(
        put(103, qubes, (text) => text.replace('4.17.4-4', '4.17.4-3')),
        103,
        ...both,
      ),
      signedBy(put(103, [...qubes, stranger.keyFile]), stranger),
      signedBy(put(103, qubes), stranger),
      signedBy(put(103, [...qubes, expired.keyFile]), expired, '--faked-system-time', '20250101T000100'),
      signedBy(put(103, [...qubes, revoked.keyFile, revocation]), revoked),
      signedBy(put(103, [...qubes, revoked.keyFile]), revoked),
      published(put(20, qubes), 20, 'joanna', 'marmarek'),
      published(put(103, qubes), 103, 'simon'),
      published(put(103, withoutMaster), 103, ...both),
      published(put(103, keysOf('master')), 103, ...both),
      published(put(102, qubes), 103, ...both),
    )
  }, 60_000)
  afterAll(() => place.remove())

  const EXPECTED = [
    ['good', 'good'],
    ['bad', 'bad'],
    ['untrusted-key', 'missing'],
    ['no-key', 'missing'],
    ['expired', 'missing'],
    ['revoked', 'missing'],
    ['untrusted-key', 'missing'],
    ['weak-digest', 'weak-digest'],
    ['good', 'missing'],
    ['untrusted-key', 'untrusted-key'],
    ['no-key', 'no-key'],
    // The signatures of 103 under the name of 102.
    ['bad', 'bad'],
  ]

  it('each has its status, whatever lies beside the others and in whatever order they come', async () => {
    expect(await statusesOf(files)).toEqual({ exit: 1, statuses: EXPECTED })
    expect((await statusesOf(files.toReversed())).statuses).toEqual(EXPECTED.toReversed())
  }, 60_000)

  it('and the same when it is shown alone', async () => {
    for (const [index, file] of files.entries()) {
      const { exit, statuses } = await statusesOf([file])
      expect([index, statuses]).toEqual([index, [EXPECTED[index]]])
      expect(exit).toBe(EXPECTED[index]?.every((each) => /good|weak/.test(each)) ? 0 : 1)
    }
  }, 60_000)

  it('says what the signatures are worth before anything else, in words', async () => {
    const saidOf = async (file: string) => (await runMain(['bulletin', 'show', file])).stdout.split('\n')
    expect((await saidOf(files[0]!))[0]).toMatch(/^QSB-103 /)
    for (const index of [1, 2, 3, 4, 5, 6, 9, 10, 11])
      expect((await saidOf(files[index]!))[0]).toMatch(/^✖ NOT VERIFIED/)
    expect((await saidOf(files[7]!))[0]).toMatch(/^▲ signed with SHA-1/)
    const single = await saidOf(files[8]!)
    expect(single[0]).toBe('▲ one of the expected signatures is missing')
    expect(single).toContain('  signature missing: one more is expected')
  }, 60_000)

  it('says when a file has the number of another bulletin', async () => {
    const file = published(put(103, keysOf('')), 103, 'marmarek', 'simon')
    const other = join(file, '..', 'qsb-104-2024.txt')
    copyFileSync(file, other)
    for (const signer of ['marmarek', 'simon'])
      copyFileSync(`${file}.sig.${signer}`, `${other}.sig.${signer}`)
    const { exit, stdout } = await runMain(['bulletin', 'show', other])
    expect(exit).toBe(0)
    expect(stdout).toMatch(/^▲ the file is named qsb-104-2024\.txt, but this is the text of QSB-103\n/)
    expect((await runMain(['bulletin', 'show', file])).stdout).not.toContain('is named')
  })

  it('reads a file in the root directory as any other', async () => {
    const { exit, stderr } = await runMain(['bulletin', 'show', '/no-such-bulletin.txt'])
    expect(exit).toBe(1)
    expect(stderr).toContain('there is no such file')
  })

  it('does not take the file for a key', async () => {
    for (const words of [
      ['bulletin', 'check', '--keys', stranger.keyFile, files[0]!],
      ['bulletin', 'check', '103', '--keys', stranger.keyFile],
      ['start', '--yes', '--keys', stranger.keyFile, files[0]!],
    ]) {
      const { exit, stderr } = await runMain(words)
      expect(exit).toBe(2)
      expect(stderr).toContain('name the file before it')
    }
  })

  it('finds keys that lie in the directory of the bulletin itself', async () => {
    const file = published(put(103, []), 103, 'marmarek', 'simon')
    for (const key of keysOf('')) copyFileSync(key, join(file, '..', basename(key)))
    expect(await statusesOf([file])).toEqual({ exit: 0, statuses: [['good', 'good']] })
  })

  it('takes only the keys that are named, where any are', async () => {
    const named = await statusesOf([files[3]!, files[0]!], '--keys', stranger.keyFile)
    expect(named.statuses).toEqual([
      ['untrusted-key', 'missing'],
      ['no-key', 'no-key'],
    ])
  })

  it('leaves nothing behind', async () => {
    const { makeRealHost } = await import('../../src/host/real.ts')
    const host = await makeRealHost({ stateDir: temporaryDirectory(), userDirectories: [] })
    const work = await host.makeWorkDirectory()
    const before = readdirSync(join(work.root, '..'))
    await statusesOf([files[0]!, files[2]!])
    expect(readdirSync(join(work.root, '..'))).toEqual(before)
    await host.close()
  })
})
