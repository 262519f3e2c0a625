import { describe, expect, it } from 'vitest'
import { renderDropIn } from '../../src/core/hold/drop-in.ts'
import { ABSENT, type FileStat, type Host, type Seen, seen, unknown } from '../../src/host/host.ts'
import { describeHold } from '../../src/messages/hold.ts'
import { isHeld, observeHold, observeLoadedUnit } from '../../src/observe/seal/hold-drop-in.ts'
import { HOLD_DROP_IN, PROGRAM_PLACES } from '../../src/tables/paths.ts'
import { makeFakeHost } from '../support/fake-host.ts'

const [FIRST = '', SECOND = ''] = PROGRAM_PLACES
const unreadable = unknown('input/output error')
const stat = (change: Partial<FileStat> = {}): Seen<FileStat> =>
  seen({ kind: 'file', sizeBytes: 1, mtimeMs: 0, mode: 0o755, ownerUid: 0, ...change })

/** What systemd 252 shows of a unit with this condition. */
const shown = (argv: string, { load = 'loaded', ignores = 'no' } = {}): string =>
  [
    `LoadState=${load}`,
    `DropInPaths=${HOLD_DROP_IN}`,
    `ExecCondition={ path=/usr/bin/node ; argv[]=${argv} ; ignore_errors=${ignores} ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }`,
    '',
  ].join('\n')
const asks = (program: string): string => `/usr/bin/node ${program} gate`

type Story = {
  readonly show?: Awaited<ReturnType<Host['run']>> | string
  readonly file?: Awaited<ReturnType<Host['readFile']>> | string
  readonly places?: Readonly<Record<string, Seen<FileStat>>>
}

function look({ show = unreadable, file = ABSENT, places = { [FIRST]: stat() } }: Story) {
  return observeHold(
    makeFakeHost({
      run: async (call) => {
        expect(call.argv.at(-1)).toBe('anti-evil-maid-seal.service')
        return typeof show === 'string' ? seen({ exit: 0, stdout: show, stderr: '' }) : show
      },
      readFile: async (path) => {
        expect(path).toBe(HOLD_DROP_IN)
        return typeof file === 'string' ? seen(Buffer.from(file)) : file
      },
      statFile: async (path) =>
        places[path] ?? (PROGRAM_PLACES.includes(path) ? ABSENT : stat({ kind: 'directory' })),
    }),
  )
}

describe("whether systemd asks the gate before AEM's automatic seal", () => {
  it.each<[string, Story['show'], boolean | null]>([
    ['asks the program in its first place', shown(asks(FIRST)), true],
    ['asks the program in its second place', shown(asks(SECOND)), true],
    ['asks a program in another place', shown(asks('/home/user/aem-reseal.mjs')), false],
    ['asks the program for something else', shown(`/usr/bin/node ${FIRST} status`), false],
    ['takes a failure of the gate for yes', shown(asks(FIRST), { ignores: 'yes' }), false],
    ['has the unit masked', shown(asks(FIRST), { load: 'masked' }), false],
    ['has no condition', 'LoadState=loaded\nDropInPaths=\n', false],
    ['is not there', ABSENT, null],
    ['does not answer', unreadable, null],
    ['answers in a form that is not known', 'Failed to connect to bus\n', null],
  ])('is told where systemd %s', async (_, show, expected) => {
    const { isInstalled, unit } = await look(show === undefined ? {} : { show })
    expect(isInstalled).toBe(expected)
    expect(unit === null).toBe(expected === null)
  })

  it('is read from the unit as systemd has it loaded', async () => {
    const host = makeFakeHost({ run: async () => seen({ exit: 0, stdout: shown(asks(FIRST)), stderr: '' }) })
    expect(await observeLoadedUnit(host)).toEqual({
      isLoaded: true,
      dropIns: [HOLD_DROP_IN],
      conditions: [{ argv: asks(FIRST), ignoresErrors: false }],
    })
  })
})

describe("the drop-in's file", () => {
  const written = (program: string): string => renderDropIn(['/usr/bin/node', program, 'gate'])

  it.each<[string, Story, string, string | null]>([
    ['is current as this program writes it', { file: written(FIRST) }, 'current', null],
    ['is another one with a line more', { file: `${written(FIRST)}\n` }, 'other', null],
    ['is another one for a program in another place', { file: written(SECOND) }, 'other', null],
    ['is another one where there is no program', { file: written(FIRST), places: {} }, 'other', null],
    ['is not there', { file: ABSENT }, 'absent', null],
    ['is not known where it cannot be read', { file: unreadable }, 'unknown', 'input/output error'],
  ])('%s', async (_, story, file, fileWhy) => {
    expect(await look(story)).toMatchObject({ file, fileWhy })
  })
})

describe('the program that systemd can be told to ask', () => {
  const none = 'systemd must find the program'
  it.each<[string, Story['places'], string | null, string | null]>([
    ['lies in the first place', { [FIRST]: stat(), [SECOND]: stat() }, FIRST, null],
    ['lies in the second place alone', { [SECOND]: stat() }, SECOND, null],
    ['is nowhere', {}, null, none],
    ['can be written by its group', { [FIRST]: stat({ mode: 0o775 }) }, null, `${FIRST} can be written`],
    ['is of a user', { [FIRST]: stat({ ownerUid: 1000 }) }, null, `${FIRST} does not belong to root`],
    ['is of somebody unknown', { [FIRST]: stat({ ownerUid: undefined }) }, null, 'does not belong to root'],
    ['is a link', { [FIRST]: stat({ kind: 'link' }) }, null, `${FIRST} is no plain file`],
    ['cannot be looked at', { [FIRST]: unreadable }, null, `${FIRST} could not be looked at`],
    [
      'lies below a directory of a user',
      { '/usr/lib': stat({ kind: 'directory', ownerUid: 1000 }), [FIRST]: stat() },
      null,
      '/usr/lib does not belong to root',
    ],
    [
      'is in a directory that is not there',
      { '/usr/lib/aem-reseal': ABSENT, '/usr/local/lib/aem-reseal': ABSENT },
      null,
      none,
    ],
    [
      'is unsafe in the first place and fine in the second',
      { [FIRST]: stat({ mode: 0o777 }), [SECOND]: stat() },
      SECOND,
      null,
    ],
    [
      'is unsafe in both places, of which the first is named',
      { [FIRST]: stat({ ownerUid: 1000 }), [SECOND]: stat({ ownerUid: 1001 }) },
      null,
      FIRST,
    ],
  ])('%s', async (_, places, path, why) => {
    const { program } = await look(places === undefined ? {} : { places })
    expect(program).toEqual({ path, why: why === null ? null : expect.stringContaining(why) })
  })
})

it.each([
  [true, 'current', true],
  [true, 'absent', true],
  [true, 'other', false],
  [true, 'unknown', false],
  [false, 'current', false],
  [false, 'absent', false],
  [null, 'current', false],
  [null, 'absent', false],
  [false, 'other', false],
  [null, 'unknown', false],
] as const)(
  'asked %s, with a file that is %s: nothing is to be written is %s',
  (isInstalled, file, expected) => {
    const facts = { unit: null, fileWhy: null, program: { path: FIRST, why: null } }
    expect(isHeld({ ...facts, isInstalled, askedWhy: null, file })).toBe(expected)
    expect(isHeld({ ...facts, isInstalled, askedWhy: 'is writable by others', file })).toBe(false)
  },
)

it.each<[string, string, Story['places'], string | null]>([
  ['can change', FIRST, { [FIRST]: stat() }, null],
  ['of two places can change', SECOND, { [FIRST]: stat({ mode: 0o777 }), [SECOND]: stat() }, null],
  ['can change, and others too', FIRST, { [FIRST]: stat({ mode: 0o777 }) }, 'can be written by others'],
  [
    'can change in another place than the one asked',
    FIRST,
    { [FIRST]: stat({ ownerUid: 1000 }), [SECOND]: stat() },
    'belong to root',
  ],
])('the program that is asked: only root %s', async (_, asked, places, why) => {
  const facts = await look({ show: shown(asks(asked)), ...(places === undefined ? {} : { places }) })
  expect(facts.isInstalled).toBe(true)
  expect(facts.askedWhy).toEqual(why === null ? null : expect.stringContaining(why))
  expect(describeHold(facts)).toMatchObject(
    why === null ? { tone: 'good' } : { tone: 'attention', why: facts.askedWhy },
  )
})
