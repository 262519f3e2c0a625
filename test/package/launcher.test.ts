import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Script } from 'node:vm'
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { COMPILE_CACHE } from '../../src/tables/paths.ts'
import { DIST } from '../support/built.ts'
import { NODES, nodeOf } from '../support/nodes.ts'
import { runToEnd } from '../support/process.ts'
import { ROOT } from '../support/sources.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** The launcher and the program as they lie in the package; the cache is where the test can spoil it. */
type Place = { readonly launcher: string; readonly program: string; readonly cache: string }

const NEWEST = NODES.at(-1) ?? ''
const NOBODY = 65534
const { version: VERSION } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
/** As long as the true one, so that V8 takes code of the one for code of the other. */
const OTHER_VERSION = VERSION.replace(/\d/g, '9')

function install(): Place {
  const folder = temporaryDirectory()
  chmodSync(folder, 0o755)
  const cache = join(folder, 'var/cache/aem-reseal')
  mkdirSync(join(folder, 'var/cache'), { recursive: true })
  const launcher = join(folder, 'launch.cjs')
  const text = readFileSync(join(ROOT, 'packaging/launch.cjs'), 'utf8')
  expect(text.split('@CACHE@')).toHaveLength(2)
  writeFileSync(launcher, text.replace('@CACHE@', cache))
  const program = join(folder, 'aem-reseal.mjs')
  copyFileSync(DIST, program)
  return { launcher, program, cache }
}

function make(cache: string, spoil: () => void): void {
  mkdirSync(cache)
  spoil()
}

/** @param user null: root @returns the version that the program says it has */
async function start({ launcher }: Place, node: string, user: number | null = null): Promise<string> {
  const own = [await nodeOf(node), launcher, '--version']
  const drop = ['/usr/bin/setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--']
  const [program = '', ...args] = user === null ? own : [...drop, ...own]
  const ended = await runToEnd(program, args, { cwd: '/', env: { PATH: '/usr/bin:/bin', HOME: '/' } })
  expect({ code: ended.code, stderr: ended.stderr.toString() }).toEqual({ code: 0, stderr: '' })
  return ended.stdout.toString('utf8').trim()
}

/** @returns null where there is no directory, or where it cannot hold anything */
function listCache({ cache }: Place): readonly string[] | null {
  try {
    return readdirSync(cache).map(String)
  } catch {
    return null
  }
}

/** What the launcher keeps of a program that differs in its version: who takes it says the other one. */
async function compileOther(node: string): Promise<{ readonly name: string; readonly code: Buffer }> {
  const place = install()
  const text = readFileSync(place.program, 'latin1')
  writeFileSync(place.program, text.replaceAll(`"${VERSION}"`, `"${OTHER_VERSION}"`), 'latin1')
  expect(await start(place, node)).toBe(OTHER_VERSION)
  const [name = ''] = listCache(place) ?? []
  return { name, code: readFileSync(join(place.cache, name)) }
}

/** The same, kept as if it were the true program's. */
async function forge(node: string): Promise<{ readonly name: string; readonly code: Buffer }> {
  const { name, code } = await compileOther(node)
  const forged = Buffer.from(code)
  forged.writeUInt32BE(crc32(readFileSync(DIST)), 0)
  return { name, code: forged }
}

describe('the launcher', () => {
  it.each(NODES)('takes the program from what root kept, on Node %s', async (node) => {
    const place = install()
    expect(await start(place, node)).toBe(VERSION)
    expect(statSync(place.cache).mode & 0o7777).toBe(0o755)
    const { name, code } = await forge(node)
    expect(listCache(place)).toEqual([name])
    writeFileSync(join(place.cache, name), code)
    expect(await start(place, node)).toBe(OTHER_VERSION)
  })

  it('keeps what ran: the next start compiles none of it', async () => {
    const place = install()
    await start(place, NEWEST)
    const [name = ''] = listCache(place) ?? []
    const file = join(place.cache, name)
    const { ino, size, mode } = statSync(file)
    expect(mode & 0o7777).toBe(0o644)
    // A script that never ran holds its outermost function alone.
    const bare = new Script(readFileSync(DIST, 'latin1')).createCachedData()
    expect(size).toBeGreaterThan(1.1 * bare.length)
    await start(place, NEWEST)
    expect(statSync(file).ino).toBe(ino)
  })

  it('does not take what was kept of another program, and keeps this one', async () => {
    const place = install()
    const { name, code } = await compileOther(NEWEST)
    mkdirSync(place.cache)
    writeFileSync(join(place.cache, name), code)
    expect(await start(place, NEWEST)).toBe(VERSION)
    expect(readFileSync(join(place.cache, name)).equals(code)).toBe(false)
    const { name: forgedName, code: forged } = await forge(NEWEST)
    writeFileSync(join(place.cache, forgedName), forged)
    expect(await start(place, NEWEST)).toBe(OTHER_VERSION)
  })

  it.each<[string, (code: Buffer) => Buffer]>([
    ['empty', () => Buffer.alloc(0)],
    ['shorter than its header', (code) => code.subarray(0, 7)],
    ['cut off', (code) => code.subarray(0, code.length - 4096)],
    ['changed in one byte', (code) => Buffer.from(code).fill(code[9999] === 0 ? 1 : 0, 9999, 10000)],
  ])('does not take what is %s, and keeps it anew', async (_what, damage) => {
    const place = install()
    mkdirSync(place.cache)
    const { name, code } = await forge(NEWEST)
    const file = join(place.cache, name)
    writeFileSync(file, damage(code))
    expect(await start(place, NEWEST)).toBe(VERSION)
    expect(statSync(file).size).toBeGreaterThan(4096)
    expect(readFileSync(file).equals(code)).toBe(false)
  })

  it('keeps it anew where V8 refuses it: one of other settings', async () => {
    const place = install()
    const { name, code } = await forge(NEWEST)
    const refused = Buffer.from(code)
    // V8's own header: its magic number comes first.
    refused.writeUInt32LE(0, 8)
    refused.writeUInt32BE(crc32(refused.subarray(8)), 4)
    mkdirSync(place.cache)
    writeFileSync(join(place.cache, name), refused)
    expect(await start(place, NEWEST)).toBe(VERSION)
    expect(readFileSync(join(place.cache, name)).readUInt32LE(8)).not.toBe(0)
  })

  it.each<[string, (place: Place) => void]>([
    ['belongs to somebody else', ({ cache }) => make(cache, () => chownSync(cache, NOBODY, NOBODY))],
    ['can be written by its group', ({ cache }) => make(cache, () => chmodSync(cache, 0o775))],
    ['can be written by others', ({ cache }) => make(cache, () => chmodSync(cache, 0o757))],
    ['can be written by others, sticky', ({ cache }) => make(cache, () => chmodSync(cache, 0o1777))],
    [
      'lies in a directory of somebody else',
      ({ cache }) => make(cache, () => chownSync(join(cache, '..'), NOBODY, NOBODY)),
    ],
    [
      'lies in a directory that others can write',
      ({ cache }) => make(cache, () => chmodSync(join(cache, '..'), 0o777)),
    ],
    [
      'is a link',
      ({ cache }) => {
        mkdirSync(join(cache, '../elsewhere'))
        symlinkSync('elsewhere', cache)
      },
    ],
  ])('does not use a cache that %s', async (_what, spoil) => {
    const place = install()
    spoil(place)
    expect(await start(place, NEWEST)).toBe(VERSION)
    expect(listCache(place)).toEqual([])
    const { name, code } = await forge(NEWEST)
    writeFileSync(join(place.cache, name), code)
    expect(await start(place, NEWEST)).toBe(VERSION)
    expect(readFileSync(join(place.cache, name)).equals(code)).toBe(true)
  })

  it.each<[string, (place: Place) => void]>([
    [
      'is not there, in a directory of somebody else',
      ({ cache }) => chownSync(join(cache, '..'), NOBODY, NOBODY),
    ],
    ['is a file', ({ cache }) => writeFileSync(cache, '')],
  ])('does not make a cache that %s', async (_what, spoil) => {
    const place = install()
    spoil(place)
    expect(await start(place, NEWEST)).toBe(VERSION)
    expect(listCache(place)).toBe(null)
  })

  it('neither fills nor reads it for anybody but root', async () => {
    const place = install()
    mkdirSync(place.cache)
    chmodSync(place.cache, 0o777)
    expect(await start(place, NEWEST, NOBODY)).toBe(VERSION)
    expect(listCache(place)).toEqual([])
    chmodSync(place.cache, 0o755)
    const { name, code } = await forge(NEWEST)
    writeFileSync(join(place.cache, name), code)
    expect(await start(place, NEWEST, NOBODY)).toBe(VERSION)
  })

  it('starts the program where the cache cannot be written', async () => {
    const place = install()
    const { name } = await forge(NEWEST)
    mkdirSync(join(place.cache, name), { recursive: true })
    expect(await start(place, NEWEST)).toBe(VERSION)
    expect(statSync(join(place.cache, name)).isDirectory()).toBe(true)
    const blocked = install()
    mkdirSync(join(blocked.cache, `${name}.new`), { recursive: true })
    expect(await start(blocked, NEWEST)).toBe(VERSION)
    expect(listCache(blocked)).toEqual([`${name}.new`])
  })
})

it('keeps its cache in a place of its own', () => {
  expect(COMPILE_CACHE).toBe('/var/cache/aem-reseal')
})
