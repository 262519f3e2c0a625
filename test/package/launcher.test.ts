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
import { describe, expect, it } from 'vitest'
import { COMPILE_CACHE } from '../../src/tables/paths.ts'
import { DIST } from '../support/built.ts'
import { NODES, nodeOf } from '../support/nodes.ts'
import { runToEnd } from '../support/process.ts'
import { ROOT } from '../support/sources.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** The launcher and the program as they lie in the package; the cache is where the test can spoil it. */
type Place = { readonly launcher: string; readonly cache: string }

const NEWEST = NODES.at(-1) ?? ''
/** Those that have module.enableCompileCache: Node 22.8. */
const CACHING: readonly string[] = ['22.23.5']
const NOBODY = 65534

function install(): Place {
  const folder = temporaryDirectory()
  chmodSync(folder, 0o755)
  const cache = join(folder, 'var/cache/aem-reseal')
  mkdirSync(join(folder, 'var/cache'), { recursive: true })
  const launcher = join(folder, 'launch.cjs')
  const text = readFileSync(join(ROOT, 'packaging/launch.cjs'), 'utf8')
  expect(text.split('@CACHE@')).toHaveLength(2)
  writeFileSync(launcher, text.replace('@CACHE@', cache))
  copyFileSync(DIST, join(folder, 'aem-reseal.mjs'))
  return { launcher, cache }
}

function make(cache: string, spoil: () => void): void {
  mkdirSync(cache)
  spoil()
}

/** `--version` of the program. @param user null: root @returns what Node says of its cache */
async function start({ launcher }: Place, node: string, user: number | null = null): Promise<string> {
  const own = [await nodeOf(node), launcher, '--version']
  const drop = ['/usr/bin/setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--']
  const [program = '', ...args] = user === null ? own : [...drop, ...own]
  const env = { PATH: '/usr/bin:/bin', HOME: '/', NODE_DEBUG_NATIVE: 'COMPILE_CACHE' }
  const ended = await runToEnd(program, args, { cwd: '/', env })
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const said = ended.stdout.toString('utf8').split('\n')
  expect({ code: ended.code, said: said.includes(version) }).toEqual({ code: 0, said: true })
  return `${said.join('\n')}${ended.stderr}`
}

/** @returns null where there is no directory, or where it cannot hold anything */
function listCache({ cache }: Place): readonly string[] | null {
  try {
    return readdirSync(cache, { recursive: true }).map(String)
  } catch {
    return null
  }
}

describe('the launcher', () => {
  it.each(NODES)('starts the program on Node %s', async (node) => {
    const place = install()
    await start(place, node)
    await start(place, node)
    expect(listCache(place) !== null).toBe(CACHING.includes(node))
  })

  it('lets root fill the cache, which root alone may write, and takes the program from it next time', async () => {
    const place = install()
    expect(await start(place, NEWEST)).toContain('was not initialized')
    expect(statSync(place.cache).mode & 0o7777).toBe(0o755)
    expect(listCache(place)).toHaveLength(2)
    expect(await start(place, NEWEST)).toMatch(
      /aem-reseal\.mjs.*success|cache for .*aem-reseal\.mjs was accepted/,
    )
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
      'is not there, in a directory of somebody else',
      ({ cache }) => chownSync(join(cache, '..'), NOBODY, NOBODY),
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
    ['is a file', ({ cache }) => writeFileSync(cache, '')],
  ])('does not use a cache that %s', async (_what, spoil) => {
    const place = install()
    spoil(place)
    expect(await start(place, NEWEST)).not.toContain('[compile cache]')
    expect(listCache(place) ?? []).toEqual([])
  })

  it('neither fills nor reads it for anybody but root', async () => {
    const place = install()
    mkdirSync(place.cache)
    chmodSync(place.cache, 0o777)
    expect(await start(place, NEWEST, NOBODY)).not.toContain('[compile cache]')
    chmodSync(place.cache, 0o755)
    expect(await start(place, NEWEST, NOBODY)).not.toContain('[compile cache]')
    expect(listCache(place)).toEqual([])
  })

  it('starts the program where the cache cannot be written, and where an entry is damaged', async () => {
    const place = install()
    await start(place, NEWEST)
    const [folder = '', entry = ''] = listCache(place) ?? []
    writeFileSync(join(place.cache, entry), 'damaged')
    await start(place, NEWEST)
    const blocked = install()
    mkdirSync(blocked.cache)
    writeFileSync(join(blocked.cache, folder), 'a file in the place of a directory')
    await start(blocked, NEWEST)
    expect(listCache(blocked)).toEqual([folder])
  })
})

it('keeps its cache in a place of its own', () => {
  expect(COMPILE_CACHE).toBe('/var/cache/aem-reseal')
})
