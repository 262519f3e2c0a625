import { describe, expect, it } from 'vitest'
import { DEVICE_FLOWS, FLOWS } from '../../flows/index.ts'
import { listActs, listNamed, makeProgram } from '../../src/cli/program.ts'
import { DEFAULT_VERB, GLOBAL_OPTIONS, VERBS } from '../../src/cli/verbs.ts'
import { PROTECTIONS } from '../../src/core/decide/protection.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { machineOf } from '../support/built-in.ts'
import { runMain } from '../support/io.ts'
import { readSources } from '../support/sources.ts'

/* The table of verbs: its own rules, and that nothing beside it knows what the verbs are. */

describe('the table of verbs', () => {
  it('names each verb and each option once', () => {
    const names = VERBS.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toContain(DEFAULT_VERB)
    const global = GLOBAL_OPTIONS.map(({ flag }) => flag)
    for (const { name, options = [] } of VERBS) {
      const flags = [...global, ...options.map(({ flag }) => flag)]
      expect(new Set(flags).size, name).toBe(flags.length)
      // Its value is asked for by this name: commander writes words with dashes otherwise.
      for (const { flag } of options) expect(flag).toMatch(/^--[a-z]+$/)
    }
  })

  it('says each in one line, in lower case and without a full stop', () => {
    for (const { name, help } of [
      ...VERBS,
      ...GLOBAL_OPTIONS.map(({ flag, help }) => ({ name: flag, help })),
    ])
      expect(help, name).toMatch(/^[a-z][^\n]*[^.\n]$/)
  })

  it('has a row for each flow that brings a device in order', () => {
    const devices = VERBS.find(({ name }) => name === 'devices')!
    expect([...listActs(devices)].sort()).toEqual(Object.keys(DEVICE_FLOWS).sort())
  })

  it('is all that commander knows', async () => {
    const program = makeProgram(
      async () => undefined,
      () => undefined,
    )
    const known = program.commands.flatMap((one) => [
      one.name(),
      ...one.commands.map((act) => `${one.name()} ${act.name()}`),
    ])
    expect(known.sort()).toEqual(VERBS.map(({ name }) => name).sort())
  })

  it('is made as a parser for the verbs alone that the words can name', async () => {
    for (const { name } of VERBS) {
      const [first = ''] = name.split(' ')
      const named = listNamed(['--json', ...name.split(' '), '--yes']).map((verb) => verb.name)
      expect(named).toEqual(VERBS.map((verb) => verb.name).filter((other) => other.split(' ')[0] === first))
    }
    expect(listNamed(['--json', 'statsu'])).toEqual([])
    expect(listNamed(['status', 'verify']).map(({ name }) => name)).toEqual(['status', 'verify'])
  })

  it('offers every way through the restart', () => {
    const options = VERBS.flatMap(({ options }) => options ?? []).filter(({ flag }) => flag === '--protect')
    expect(options.map(({ values }) => values)).toEqual([PROTECTIONS])
  })

  it('is loaded at every start, so it imports nothing but types before a verb is run', () => {
    const table = readSources('src').find(({ path }) => path === 'src/cli/verbs.ts')
    expect(table?.imports.filter(({ isTypeOnly, isDynamic }) => !isTypeOnly && !isDynamic)).toEqual([])
    expect(FLOWS.length).toBeGreaterThan(3)
  })
})

describe('root', () => {
  const asUser = () => {
    const reruns: (readonly string[])[] = []
    const runAsRoot = async (argv: readonly string[]) => {
      reruns.push(argv)
      return { exit: 17 }
    }
    return { reruns, io: { uid: 1000, isCompact: true, runAsRoot } }
  }

  it.each(VERBS.filter(({ root, run }) => root === 'needed' && run !== null).map(({ name }) => name))(
    '%s runs once more as root with the same words, before it opens anything',
    async (name) => {
      const verb = VERBS.find((one) => one.name === name)!
      const words = [
        '--json',
        ...name.split(' '),
        ...(verb.argument?.isRequired ? ['aem.stick'] : []),
        ...(verb.options ?? []).flatMap(({ flag, isRequired }) => (isRequired ? [flag, 'x'] : [])),
      ]
      const { reruns, io } = asUser()
      expect((await runMain(words, io)).exit).toBe(17)
      expect(reruns).toEqual([words])
    },
  )

  it('rehearse does so where AEM is, and nowhere else', async () => {
    const { reruns, io } = asUser()
    const words = ['rehearse', '--yes', '--state-dir', '/tmp/other']
    const host = makeSimulatedHost(machineOf('clean-update'))
    expect((await runMain(words, { ...io, host })).exit).toBe(17)
    expect(reruns).toEqual([words])
    const without = makeSimulatedHost(machineOf('no-aem'))
    expect((await runMain(['rehearse', '--yes'], { ...io, host: without })).exit).toBe(0)
    expect(reruns).toHaveLength(1)
  })
})

describe('arguments that do not fit', () => {
  it.each([
    [['bulletin'], 'bulletin takes list, show or check'],
    [['bulletin', 'lst'], 'bulletin takes list, show or check, not lst'],
    [['devices', 'repair'], 'devices takes refresh, forward-seal or repair-slots, not repair'],
    [['gate', 'instal'], 'gate takes install, show or remove, not instal'],
    [['devices', 'forward-seal'], 'devices forward-seal takes the device, as `aem.stick`'],
    [['devices', 'repair-slots', 'aem'], 'devices repair-slots takes no device'],
    [['bulletin', 'list', 'aem'], 'too many arguments'],
    [['bulletin', 'show'], 'bulletin show needs ID|FILE'],
    [['strat'], 'there is no command strat'],
  ])('%j: says what fits, and runs nothing', async (words, said) => {
    const run = await runMain(words, { uid: 1000 })
    expect(run.exit).toBe(2)
    expect(run.stderr.replaceAll(/\s+/g, ' ')).toContain(said)
  })
})
