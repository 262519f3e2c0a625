import { describe, expect, it } from 'vitest'
import { COMMANDS, type CommandId, command, commandRow } from '../../src/tables/commands.ts'
import { listCommandRows } from '../../src/tables/render-commands.ts'
import { readSources } from '../support/sources.ts'

const ids = Object.keys(COMMANDS) as CommandId[]
const sources = readSources('src')
const SHELLS = /\/(sh|bash|dash|zsh|ksh|busybox|env|xargs|nice|setsid|script|find|awk|perl)$/

/** A value that each form of parameter takes. */
const GOOD: Readonly<Record<string, string>> = {
  name: 'xen-hypervisor',
  unit: 'anti-evil-maid-seal.service',
  uuid: '6d2f1c8e-5b0a-4f0e-9a57-3f4c1f0a9d11',
  suffix: '.stick',
  minutes: '5',
  clockTime: '23:30',
  address: '0000:00:14.0',
  node: '/usr/bin/node',
  program: '/usr/lib/aem-reseal/aem-reseal.mjs',
  arguments: 'status',
}

function placeholdersOf(id: CommandId): readonly string[] {
  const { params, args, environment = {} } = commandRow(id)
  const places = [...args, ...Object.values(environment)]
  return Object.keys(params).filter((name) => places.some((place) => place.includes(`{${name}}`)))
}

function goodParams(id: CommandId): Record<string, string> {
  return Object.fromEntries(
    Object.entries(commandRow(id).params).map(([name, form]) => {
      const candidates = [GOOD[name], '/run/aem-reseal/a', '1', 'sha256:13', '0x81000001', 'a'.repeat(64)]
      const good = candidates.find((value) => value !== undefined && form.test(value))
      if (good === undefined) throw new Error(`no good value is known for ${id} ${name}`)
      return [name, good]
    }),
  )
}

describe.each(ids)('%s', (id) => {
  const row = commandRow(id)

  it('names its program by an absolute path of the system, and no shell', () => {
    expect(row.program).toMatch(/^\/usr\/s?bin\/[A-Za-z0-9_.-]+$/)
    expect(row.program).not.toMatch(SHELLS)
  })

  it('is bounded in time and output', () => {
    expect(row.timeoutMs).toBeGreaterThan(0)
    expect(row.timeoutMs).toBeLessThanOrEqual(24 * 3600 * 1000)
    expect(row.maxOutputBytes).toBeLessThanOrEqual(64 * 1024 * 1024)
    if (id !== 'become-root') expect(row.maxOutputBytes).toBeGreaterThan(0)
  })

  it('says why, where from, and what an answer looks like, with the version of the tool', () => {
    expect(row.why.length).toBeGreaterThan(10)
    expect(row.source.length).toBeGreaterThan(4)
    expect(row.sample).toMatch(/\([^()]*\d[^()]*\)/)
  })

  it('uses each of its parameters, and fills every place', () => {
    expect(placeholdersOf(id)).toEqual(Object.keys(row.params))
    const { argv } = command(id, goodParams(id) as never)
    expect(argv[0]).toBe(row.program)
    expect(argv).toHaveLength(row.args.length + 1)
    // What is left in braces belongs to a format of rpm: %{NAME}, %|...{...}|
    for (const arg of argv) expect(arg.replaceAll(/[%:=?|}]\{/g, '')).not.toMatch(/\{[a-z][A-Za-z]*\}/)
    for (const arg of argv) expect(arg).not.toContain('\0')
  })

  it('refuses parameters that could be something else', () => {
    const hostile = [
      '',
      '\n',
      'a\nb',
      'a\0b',
      '$(reboot)',
      '`id`',
      '; id',
      '--root=/',
      '/../etc',
      '\u202e',
      'x'.repeat(5000),
    ]
    for (const name of Object.keys(row.params)) {
      if (name === 'arguments') continue
      const taken = hostile.filter((value) => {
        try {
          command(id, { ...goodParams(id), [name]: value } as never)
          return true
        } catch {
          return false
        }
      })
      // A path may hold anything but line ends, because it never stands where an option could; AEM's own suffix
      // may be empty.
      const isPath = goodParams(id)[name]?.startsWith('/')
      const harmless = isPath ? ['/../etc'] : name === 'suffix' ? [''] : []
      expect(
        taken.filter((value) => !harmless.includes(value)),
        name,
      ).toEqual([])
    }
  })

  it('is used somewhere', () => {
    const users = sources.filter(
      ({ path, text }) =>
        !path.startsWith('src/tables/commands') &&
        !path.startsWith('src/host/simulated/') &&
        text.includes(`'${id}'`),
    )
    expect(users.length, `nothing runs ${id}: use it, or take its row out`).toBeGreaterThan(0)
  })
})

describe('the table', () => {
  it('makes what is printed and what is executed from one row', () => {
    const rows = new Map(listCommandRows().map((row) => [row.id, row]))
    expect([...rows.keys()]).toEqual(ids)
    for (const id of ids) {
      const call = command(id, goodParams(id) as never)
      const row = rows.get(id)
      expect(row?.argv[0]).toBe(call.argv[0])
      expect(row?.effect).toBe(call.effect)
      const filled = row?.argv.map((arg) =>
        Object.entries(goodParams(id)).reduce(
          (text, [name, value]) => text.replace(`{${name}}`, () => value),
          arg,
        ),
      )
      expect(filled).toEqual(call.argv)
    }
  })

  it('has each id in one of its rooms alone: a second row of that name would replace the first', async () => {
    const rooms = readSources('src').filter(({ path }) => /^src\/tables\/commands\/(?!row)/.test(path))
    expect(rooms.length).toBeGreaterThan(5)
    const tables = await Promise.all(rooms.map(({ path }) => import(/* @vite-ignore */ `../../${path}`)))
    expect(
      tables
        .flatMap((room) => Object.values(room))
        .flatMap((rows) => Object.keys(rows as object))
        .sort(),
    ).toEqual(ids.toSorted())
  })

  it('takes a parameter of its form alone, and none that is missing', () => {
    expect(() => command('unit-show', { unit: 'a b.service' })).toThrow('unit-show: unit is not of its form')
    expect(() => command('unit-show', {} as never)).toThrow('unit is not of its form: undefined')
    const { params } = command('unit-show', { unit: 'a.service', other: 'x' } as never)
    expect(params).toEqual({ unit: 'a.service' })
  })

  it('keeps parameters apart from formats: a name with a brace in it fills nothing', () => {
    expect(() => command('rpm-query', { names: '{name}' })).toThrow()
    const { argv } = command('rpm-query', { names: 'xen' })
    expect(argv.at(-1)).toBe('xen')
    expect(argv[3]).toContain('%{NAME}')
  })

  it('lets nothing run but calls of the table', () => {
    const spawning = sources.filter(({ imports }) =>
      imports.some(({ target }) => target === 'src/host/execa.ts'),
    )
    expect(spawning.map(({ path }) => path).sort()).toEqual([
      'src/host/become-root.ts',
      'src/host/run-program.ts',
      'src/host/stream-program.ts',
    ])
    const shells = sources.filter(({ text }) =>
      /\bshell:|\bexecSync\b|\bspawn\w*\s*\(|execaCommand/.test(text),
    )
    expect(shells.map(({ path }) => path)).toEqual([])
  })
})
