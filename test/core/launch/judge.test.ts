import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { digestImage } from '../../../src/core/launch/image-digest.ts'
import { mleHash, mleHashes } from '../../../src/core/launch/mle-hash.ts'
import { moduleDigest } from '../../../src/core/launch/module-digest.ts'
import { chunked, randomBytes, randomFrom } from './random.ts'

/**
 * The independent judge: tboot's own tools (Debian package tboot 1.10.5). tb_polgen hashes a module as the launch does,
 * lcp2_mlehash hashes tboot itself. Without the package this test fails; install it with: apt-get install tboot
 */
const runOnce = promisify(execFile)
const TB_POLGEN = '/usr/sbin/tb_polgen'
const LCP2_MLEHASH = '/usr/sbin/lcp2_mlehash'
const TBOOT_IMAGE = '/boot/tboot.gz'

const ATTEMPTS = 5

/**
 * tb_polgen 1.10.5 reads beyond the end of an image and, rarely, dies by SIGSEGV, depending on where its memory lies. A
 * judge that died gave no verdict and is asked again; every other failure counts.
 */
async function run(program: string, args: readonly string[]): Promise<{ stdout: string }> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await runOnce(program, args)
    } catch (error) {
      if ((error as { signal?: string }).signal !== 'SIGSEGV' || attempt === ATTEMPTS) throw error
    }
  }
}

let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'judge-'))
})
afterAll(() => rm(directory, { recursive: true }))

/** tb_polgen takes a command line of up to 1023 bytes. */
function randomCommandLine(index: number): string {
  if (index % 10 === 0) return ''
  if (index % 10 === 1) return 'x'.repeat(1000)
  const alphabet = [...'abc =./-_:,"\'\\äß€😀 ']
  const words = Array.from({ length: 1 + (index % 7) }, () =>
    Array.from({ length: 1 + randomFrom(20) }, () => alphabet[randomFrom(alphabet.length)]).join(''),
  )
  return words.join(' ').replace(/^-+/, '')
}

type Case = { image: string; commandLine: string; ours: string }

/** One policy holds several modules, which saves two thirds of the processes. */
const CASES_PER_POLICY = 4

async function judge(algorithm: 'sha1' | 'sha256', name: string, cases: readonly Case[]): Promise<string[]> {
  const policy = join(directory, `${name}.policy`)
  await run(TB_POLGEN, ['--create', '--type', 'nonfatal', '--alg', algorithm, policy])
  for (const [index, { image, commandLine }] of cases.entries()) {
    const what = ['--num', String(index), '--pcr', 'none', '--hash', 'image', '--cmdline', commandLine]
    await run(TB_POLGEN, ['--add', ...what, '--image', image, policy])
  }
  const { stdout } = await run(TB_POLGEN, ['--show', policy])
  return [...stdout.matchAll(/hashes\[0\]: ((?:[0-9a-f]{2} )+)/g)].map((match) =>
    match[1]!.replaceAll(' ', ''),
  )
}

async function makeCase(index: number, algorithm: 'sha1' | 'sha256'): Promise<Case> {
  const raw = randomBytes(index % 13 === 0 ? 100_000 : randomFrom(5000))
  const stored = index % 3 === 0 ? gzipSync(raw) : raw
  const path = join(directory, `module-${index}`)
  await writeFile(path, stored)
  const commandLine = randomCommandLine(index)
  const image = await digestImage(chunked(stored, 1 + randomFrom(4000)), { banks: ['sha1', 'sha256'] })
  expect(image.problem).toBeNull()
  return {
    image: path,
    commandLine,
    ours: moduleDigest(algorithm, commandLine, 'whole', image.digests[algorithm]!),
  }
}

async function compare(group: number): Promise<void> {
  const algorithm = group % 2 === 0 ? 'sha1' : 'sha256'
  const indices = Array.from({ length: CASES_PER_POLICY }, (_, i) => group * CASES_PER_POLICY + i)
  const cases = await Promise.all(indices.map((index) => makeCase(index, algorithm)))
  expect(cases.map((one) => one.ours)).toEqual(await judge(algorithm, `group-${group}`, cases))
}

describe('module digests', () => {
  it('equal those of tb_polgen in 240 random cases', async () => {
    for (let group = 0; group < 240 / CASES_PER_POLICY; group += 2)
      await Promise.all([compare(group), compare(group + 1)])
  }, 180_000)

  it('differ from those of tb_polgen when one byte of the command line differs', async () => {
    const path = join(directory, 'one')
    await writeFile(path, 'image')
    const image = await digestImage(chunked(Buffer.from('image'), 3), { banks: ['sha256'] })
    const ours = moduleDigest('sha256', 'quiet ', 'whole', image.digests.sha256!)
    const [theirs] = await judge('sha256', 'one', [{ image: path, commandLine: 'quiet', ours }])
    expect(theirs).toMatch(/^[0-9a-f]{64}$/)
    expect(ours).not.toBe(theirs)
  })
})

describe("tboot's MLE hash", () => {
  const lines = [
    '',
    'logging=memory',
    'placeholder logging=memory,serial',
    'placeholder loglvl=all min_ram=0x2000000',
  ]
  const judgeMle = async (bank: 'sha1' | 'sha256', line: string) => {
    const { stdout } = await run(LCP2_MLEHASH, ['--create', '--alg', bank, '--cmdline', line, TBOOT_IMAGE])
    // `3d 6d ba d4 ... 64 55` (lcp2_mlehash of tboot 1.10.5).
    expect(stdout).toMatch(/^\s*(?:[0-9a-f]{2}\s+)+$/)
    return stdout.replace(/\s+/g, '')
  }

  it.each(lines)('equals that of lcp2_mlehash with the command line %j', async (line) => {
    const image = gunzipSync(await readFile(TBOOT_IMAGE))
    for (const bank of ['sha1', 'sha256'] as const)
      expect(mleHash(image, line, bank)).toBe(await judgeMle(bank, line))
  })

  it('is computed for both command line rules', async () => {
    const image = gunzipSync(await readFile(TBOOT_IMAGE))
    const hashes = mleHashes(image, 'placeholder logging=memory', ['sha1'])
    expect(hashes['first-word-stripped'].sha1).toBe(await judgeMle('sha1', 'logging=memory'))
    expect(hashes.whole.sha1).toBe(await judgeMle('sha1', 'placeholder logging=memory'))
  })
})
