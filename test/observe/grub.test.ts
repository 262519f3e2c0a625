/* Long: one reader: where grub.cfg lies, and each answer about a file beside it. */

import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import type { GrubFile } from '../../src/core/launch/grub-state.ts'
import { ABSENT, type FileStat, type Host, type Seen, seen, unknown } from '../../src/host/host.ts'
import { observeGrub, parseGrubText } from '../../src/observe/device/grub.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/** grub.cfg of a boot directory, and the files beside it that it asks for. */

const unreadable = unknown('input/output error')
const PLATFORM = `if [ "$grub_platform" = "efi" ]; then
	menuentry 'on UEFI' { chainloader /EFI/qubes/xen.efi }
else
	menuentry 'on BIOS' { multiboot2 /xen.gz }
fi
`
const SOURCE = ['source $', '{config_directory}/custom.cfg\n'].join('')
const LOAD_ENV = ['load_env -f $', '{config_directory}/grubenv\n'].join('')
const GRUB2 = '/boot/grub2'

const entry = (title: string) => `menuentry '${title}' { multiboot2 /xen.gz }\n`
const titlesOf = (config: Awaited<ReturnType<typeof observeGrub>>) =>
  config === null || config instanceof Failure ? config : config.entries.map(({ title }) => title)

describe('grub.cfg', () => {
  const look = (
    files: Readonly<Record<string, Seen<Buffer>>>,
    kind: Host['kind'] = 'real',
    beside?: string,
  ) =>
    observeGrub(
      makeFakeHost({
        kind,
        readFile: async (path) => files[path] ?? ABSENT,
        statFile: async () => ABSENT,
      }),
      '/boot',
      beside,
    )
  const [fedora, plain] = ['/boot/grub2/grub.cfg', '/boot/grub/grub.cfg']
  const written = (title: string) => seen(Buffer.from(entry(title)))

  it('is the one in grub2, else the one in grub, else there is none', async () => {
    expect(titlesOf(await look({ [fedora]: written('a'), [plain]: written('b') }))).toEqual(['a'])
    expect(titlesOf(await look({ [plain]: written('b') }))).toEqual(['b'])
    expect(await look({})).toBeNull()
  })

  it('that cannot be read is nothing to go by on a real machine, and no other one takes its place', async () => {
    for (const path of [fedora, plain]) {
      const failed = await look({ [path]: unreadable })
      expect(failed).toBeInstanceOf(Failure)
      expect((failed as Failure).text.what).toBe(`${path} cannot be read: input/output error`)
    }
    expect(await look({ [fedora]: unreadable, [plain]: written('b') })).toBeInstanceOf(Failure)
  })

  it('that a recording does not hold is not the one it has', async () => {
    expect(
      titlesOf(await look({ [fedora]: unknown('not recorded'), [plain]: written('b') }, 'recorded')),
    ).toEqual(['b'])
    expect(await look({ [fedora]: unknown('not recorded') }, 'recorded')).toBeNull()
  })

  it('that is to be put in its place is read instead of it', async () => {
    const beside = `${GRUB2}/new.cfg`
    const files = { [fedora]: written('a'), [beside]: written('new') }
    expect(titlesOf(await look(files, 'real', beside))).toEqual(['new'])
    expect(await look({ [fedora]: written('a') }, 'real', beside)).toBeNull()
  })

  it('has the directory where it lies: the files that it asks for are looked for there', async () => {
    const listed: string[] = []
    const host = makeFakeHost({
      readFile: async (path) => (path === plain ? seen(Buffer.from(SOURCE)) : ABSENT),
      statFile: async () => ABSENT,
      async listDirectory(path) {
        listed.push(path)
        return seen(['grub.cfg'])
      },
    })
    await observeGrub(host, '/boot')
    expect(listed).toEqual(['/boot/grub'])
  })

  it('that GRUB itself does not read is refused', async () => {
    expect(await look({ [fedora]: seen(Buffer.from('if true\n')) })).toBeInstanceOf(Failure)
  })

  it('is read byte for byte', async () => {
    const bytes = Buffer.concat([
      Buffer.from("menuentry '"),
      Buffer.from('ü', 'utf8'),
      Buffer.from("' { true }\n"),
    ])
    expect(titlesOf(await look({ [fedora]: seen(bytes) }))).toEqual(['ü'])
  })
})

it.each<[string, Seen<unknown>, string]>([
  ['UEFI where the kernel was started by it', seen({}), 'on UEFI'],
  ['BIOS where not', ABSENT, 'on BIOS'],
  ['BIOS where that is not known', unreadable, 'on BIOS'],
])('GRUB ran on %s', async (_, efi, title) => {
  const asked: string[] = []
  const host = makeFakeHost({
    async statFile(path) {
      asked.push(path)
      return efi as Seen<FileStat>
    },
  })
  expect(titlesOf(await parseGrubText(host, '/boot', PLATFORM))).toEqual([title])
  expect(asked).toEqual(['/sys/firmware/efi'])
})

describe('a file beside grub.cfg', () => {
  const custom = `${GRUB2}/custom.cfg`
  const plainFile = (change: Partial<FileStat> = {}) =>
    seen<FileStat>({ kind: 'file', sizeBytes: 3, mtimeMs: 0, mode: 0o644, ...change })
  type Told = {
    readonly names?: Seen<readonly string[]>
    readonly stat?: Seen<FileStat>
    readonly bytes?: Seen<Buffer>
    readonly kind?: Host['kind']
    readonly text?: string
  }
  async function look(told: Told = {}) {
    const { names = seen(['grub.cfg', 'custom.cfg']), stat = plainFile(), text = SOURCE } = told
    const listed: string[] = []
    const host = makeFakeHost({
      kind: told.kind ?? 'real',
      async listDirectory(path) {
        listed.push(path)
        return names
      },
      statFile: async (path) => (path.startsWith('/sys/') ? ABSENT : stat),
      readFile: async () => told.bytes ?? seen(Buffer.from(entry('own'))),
    })
    const config = await parseGrubText(host, '/boot', text)
    if (config instanceof Failure) throw config
    return { config, listed, files: [...config.state.world.files] }
  }
  const fileOf = async (told: Told): Promise<GrubFile | undefined> => (await look(told)).files[0]?.[1]

  it('is looked for once, in its directory, and is then part of what GRUB reads', async () => {
    const { config, listed, files } = await look()
    expect(listed).toEqual([GRUB2])
    expect(files).toEqual([['/grub2/custom.cfg', { state: 'file', text: entry('own') }]])
    expect([titlesOf(config), config.problems]).toEqual([['own'], []])
  })

  it.each<[string, Told, GrubFile]>([
    ['which the directory does not name', { names: seen(['grub.cfg']) }, { state: 'absent' }],
    ['of which only a longer name is there', { names: seen(['custom.cfg.old']) }, { state: 'absent' }],
    ['which is not there', { stat: ABSENT }, { state: 'absent' }],
    ['which went away', { bytes: ABSENT }, { state: 'absent' }],
    ['which is a directory', { stat: plainFile({ kind: 'directory' }) }, { state: 'directory' }],
    [
      'which is a link',
      { stat: plainFile({ kind: 'link' }) },
      { state: 'unknown', why: 'it is no regular file' },
    ],
    [
      'which cannot be looked at',
      { stat: unreadable },
      { state: 'unknown', why: 'it cannot be read: input/output error' },
    ],
    [
      'which cannot be read',
      { bytes: unreadable },
      { state: 'unknown', why: 'it cannot be read: input/output error' },
    ],
    [
      'which is longer than any of them',
      { stat: plainFile({ sizeBytes: 256 * 1024 + 1 }) },
      { state: 'unknown', why: 'it has 262145 bytes' },
    ],
    [
      'which is just as long as may be',
      { stat: plainFile({ sizeBytes: 256 * 1024 }) },
      { state: 'file', text: entry('own') },
    ],
    ['whose directory cannot be listed', { names: unreadable }, { state: 'file', text: entry('own') }],
    [
      'whose directory is not there, as far as it can be listed',
      { names: ABSENT, stat: ABSENT },
      { state: 'absent' },
    ],
  ])('%s', async (_, told, expected) => {
    expect(await fileOf(told)).toEqual(expected)
  })

  it('that cannot be known may say anything, and grub.cfg has a problem by its name', async () => {
    const { config } = await look({ bytes: unreadable })
    expect(config.problems).toEqual([
      'custom.cfg is read by grub.cfg, and it cannot be read: input/output error',
    ])
    expect((await look({ names: seen([]) })).config.problems).toEqual([])
  })

  it.each<[Host['kind'], string, GrubFile['state']]>([
    ['real', LOAD_ENV, 'absent'],
    ['simulated', LOAD_ENV, 'absent'],
    ['recorded', LOAD_ENV, 'unknown'],
    ['recorded', SOURCE, 'absent'],
  ])('of a %s machine that lists none: %j is %s', async (kind, text, state) => {
    const told = { kind, text, names: seen(['grub.cfg']), stat: unknown('not recorded') }
    expect((await fileOf(told))?.state).toBe(state)
  })

  it('that another one asks for is looked for in its turn', async () => {
    const host = makeFakeHost({
      listDirectory: async () => seen(['grub.cfg', 'custom.cfg', 'more.cfg']),
      statFile: async (path) => (path.startsWith('/sys/') ? ABSENT : plainFile()),
      readFile: async (path) =>
        seen(Buffer.from(path === custom ? SOURCE.replace('custom', 'more') : entry('of more'))),
    })
    expect(titlesOf(await parseGrubText(host, '/boot', SOURCE))).toEqual(['of more'])
  })

  it('is one of sixteen at the most: GRUB may ask for any number', async () => {
    const text = Array.from({ length: 40 }, (_, at) => SOURCE.replace('custom', `c${at}`)).join('')
    const { files, config } = await look({ text, names: seen([]) })
    expect(files).toHaveLength(16)
    expect(config.problems.length).toBeGreaterThan(0)
  })

  it('of which sixteen ask for further ones in turn, is one of sixteen too', async () => {
    const next = (at: number) => SOURCE.replace('custom', `c${at}`)
    const host = makeFakeHost({
      listDirectory: async () => seen(Array.from({ length: 40 }, (_, at) => `c${at}.cfg`)),
      statFile: async (path) => (path.startsWith('/sys/') ? ABSENT : plainFile()),
      readFile: async (path) => {
        const at = Number(/c(\d+)\.cfg$/.exec(path)?.[1])
        return seen(
          Buffer.from(
            at < 6 ? `${next(10 * (at + 1))}${next(10 * (at + 1) + 1)}${next(10 * (at + 1) + 2)}` : '\n',
          ),
        )
      },
    })
    const text = Array.from({ length: 6 }, (_, at) => next(at)).join('')
    const config = await parseGrubText(host, '/boot', text)
    if (config instanceof Failure) throw config
    expect(config.state.world.files.size).toBe(16)
  })
})
