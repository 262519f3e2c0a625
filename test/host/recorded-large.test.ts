import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { loadRecordedMachine } from '../../src/host/recorded-format.ts'
import { command } from '../../src/tables/commands.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** A recorded machine comes from strangers: its size is theirs to choose, the time it takes is not. */
function machineOf(answers: readonly object[], table: object = {}): string {
  const directory = temporaryDirectory()
  mkdirSync(join(directory, 'root'))
  writeFileSync(join(directory, 'machine.json'), JSON.stringify({ format: 1, ...table }))
  writeFileSync(join(directory, 'commands.json'), JSON.stringify(answers))
  return directory
}

const equal = (count: number): readonly object[] =>
  Array.from({ length: count }, (_, at) => ({ argv: command('xl-info', {}).argv, stdout: String(at) }))

/** Elements of all arrays that are copied or walked through while the work runs. */
async function countWalked(work: () => Promise<unknown>): Promise<number> {
  const original = Array.prototype[Symbol.iterator]
  let walked = 0
  Array.prototype[Symbol.iterator] = function walk(this: unknown[]) {
    walked += this.length
    return original.call(this)
  }
  try {
    await work()
  } finally {
    Array.prototype[Symbol.iterator] = original
  }
  return walked
}

it('twice as many equal argv are twice the work', async () => {
  const [one, two] = [machineOf(equal(2000)), machineOf(equal(4000))]
  const [once, twice] = [
    await countWalked(() => loadRecordedMachine(one)),
    await countWalked(() => loadRecordedMachine(two)),
  ]
  expect(twice).toBeLessThan(2.5 * once + 1000)
})

it('answers them in their order, then the last again', async () => {
  const host = await makeRecordedHost(machineOf(equal(3)))
  const said: string[] = []
  for (let turn = 0; turn < 5; turn += 1) {
    const answer = await host.run(command('xl-info', {}))
    said.push(answer.state === 'seen' ? answer.value.stdout : answer.state)
  }
  expect(said).toEqual(['0', '1', '2', '2', '2'])
})

it('lets signals in while it reads', async () => {
  const directory = machineOf(equal(20_000))
  // Each answer makes one key; a signal is taken between two turns of the event loop.
  const stringify = vi.spyOn(JSON, 'stringify')
  let [atOnce, before, isReading] = [0, 0, true]
  const tick = (): void => {
    atOnce = Math.max(atOnce, stringify.mock.calls.length - before)
    before = stringify.mock.calls.length
    if (isReading) setImmediate(tick)
  }
  tick()
  await loadRecordedMachine(directory).finally(() => {
    isReading = false
  })
  expect(stringify.mock.calls.length).toBeGreaterThanOrEqual(20_000)
  tick()
  stringify.mockRestore()
  expect(atOnce).toBeLessThan(5000)
})

it('names an answer of another form by its number', async () => {
  const directory = machineOf([...equal(2), { argv: [] }])
  await expect(loadRecordedMachine(directory)).rejects.toMatchObject({
    text: { what: expect.stringContaining('2.argv') },
  })
})

it('lists what machine.json knows right below a path, whatever sorts between', async () => {
  const file = { kind: 'file', sizeBytes: 1, mtimeMs: 0, mode: 0 }
  const keys = [
    '/boot/a',
    '/boot/a/x',
    '/boot/a-b',
    '/boot/a.c/d/e',
    '/boot/a0',
    '/boot//x',
    '/boot/0',
    '/boo',
  ]
  const others = ['/bootx/y', '/boot-x', '/boot/a.c/d/f', '/boot/é/z']
  const stats = Object.fromEntries([...keys, ...others].map((key) => [key, file]))
  const host = await makeRecordedHost(machineOf([], { stats, absent: ['/etc', '/sys/', '/proc//'] }))
  expect(await host.listDirectory('/boot')).toEqual({
    state: 'seen',
    value: ['0', 'a', 'a-b', 'a.c', 'a0', 'é'],
  })
  expect(await host.listDirectory('/boot/a.c/d')).toEqual({ state: 'seen', value: ['e', 'f'] })
  for (const path of ['/etc', '/etc/qubes-release', '/sys/class/tpm', '/proc/stat'])
    expect((await host.statFile(path)).state).toBe('absent')
  expect((await host.statFile('/etcetera')).state).toBe('unknown')
})
