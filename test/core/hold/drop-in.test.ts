import { describe, expect, test } from 'vitest'
import {
  findUnsafePlace,
  isAsked,
  type PlaceFact,
  parseLoadedUnit,
  renderDropIn,
} from '../../../src/core/hold/drop-in.ts'
import { command } from '../../../src/tables/commands.ts'
import { listWay, PROGRAM_PLACES, pathAllowed } from '../../../src/tables/paths.ts'

const PROGRAM = '/usr/lib/aem-reseal/aem-reseal.mjs'
const { argv } = command('gate-asked', { program: PROGRAM })
/** `systemctl show --property=LoadState,DropInPaths,ExecCondition anti-evil-maid-seal.service`, systemd 252. */
const SHOWN = `ExecCondition={ path=/usr/bin/node ; argv[]=/usr/bin/node ${PROGRAM} gate ; ignore_errors=no ; start_time=[Mon 2026-11-23 21:16:36 UTC] ; stop_time=[Mon 2026-11-23 21:16:36 UTC] ; pid=139 ; code=exited ; status=1 }
LoadState=loaded
DropInPaths=/etc/systemd/system/anti-evil-maid-seal.service.d/50-aem-reseal-hold.conf
`

describe('text', () => {
  test('one condition, without the prefix that fails open', () => {
    expect(
      renderDropIn(argv)
        .split('\n')
        .filter((line) => !line.startsWith('#')),
    ).toEqual([
      '[Unit]',
      'After=systemd-journal-flush.service',
      '[Service]',
      `ExecCondition=/usr/bin/node ${PROGRAM} gate`,
      '',
    ])
  })

  test('says what it holds, how to take it away, and what each exit does', () => {
    const comments = renderDropIn(argv)
      .split('\n')
      .filter((line) => line.startsWith('#'))
      .join('\n')
    expect(comments).toContain("Holds AEM's automatic seal until")
    expect(comments).toContain('`aem-reseal gate remove` takes it away')
    expect(comments).toContain('1-254 or program missing: it is held')
  })

  test.each([
    '/usr/bin/no de',
    'node',
    '/usr/bin/$node',
    '/usr/bin/%n',
    '-/usr/bin/node',
    '/usr/bin/node\nExecStart=',
  ])('a program that systemd would read otherwise is refused: %j', (program) => {
    expect(() => renderDropIn([program, 'gate'])).toThrow()
  })
})

describe('read back from systemd', () => {
  const asked = (text: string) => {
    const unit = parseLoadedUnit(text)
    return unit === null ? null : isAsked(unit, argv)
  }

  test('the command is asked', () => expect(asked(SHOWN)).toBe(true))
  test('among others', () => {
    expect(
      asked(SHOWN.replace(/^/, 'ExecCondition={ path=/bin/true ; argv[]=/bin/true ; ignore_errors=no ; }\n')),
    ).toBe(true)
  })
  test('a misspelt key is not there', () => {
    expect(asked(SHOWN.replace(/^ExecCondition.*\n/m, ''))).toBe(false)
  })
  test('a prefix that fails open does not count', () => {
    expect(asked(SHOWN.replace('ignore_errors=no', 'ignore_errors=yes'))).toBe(false)
  })
  test('another command does not count', () => {
    expect(asked(SHOWN.replace(' gate ;', ' status ;'))).toBe(false)
  })
  test('another form is unknown, not no', () => {
    expect(parseLoadedUnit('')).toBeNull()
    expect(parseLoadedUnit('LoadState=loaded\nExecCondition=something new\n')).toBeNull()
  })
})

describe('place of the program', () => {
  const way = (change: (fact: PlaceFact, at: number) => PlaceFact = (fact) => fact): PlaceFact[] =>
    listWay(PROGRAM).map((path, at, all) =>
      change({ path, kind: at === all.length - 1 ? 'file' : 'directory', ownerUid: 0, mode: 0o755 }, at),
    )

  test('every step is looked at', () => {
    expect(listWay(PROGRAM)).toEqual(['/', '/usr', '/usr/lib', '/usr/lib/aem-reseal', PROGRAM])
    expect(findUnsafePlace(way())).toBeNull()
    expect(findUnsafePlace([])).not.toBeNull()
  })

  test.each([0, 1, 2, 3, 4])('step %i must be out of reach of others', (step) => {
    const one = (change: Partial<PlaceFact>) =>
      findUnsafePlace(way((fact, at) => (at === step ? { ...fact, ...change } : fact)))
    expect(one({ ownerUid: 1000 })).toContain('does not belong to root')
    expect(one({ ownerUid: null })).toContain('does not belong to root')
    expect(one({ mode: 0o775 })).toContain('can be written by others')
    expect(one({ mode: 0o757 })).toContain('can be written by others')
    expect(one({ mode: null })).toContain('can be written by others')
    expect(one({ kind: 'link' })).toContain('is no plain')
    expect(one({ kind: 'absent' })).toContain('does not exist')
    expect(one({ kind: 'unknown' })).toContain('could not be looked at')
  })

  test('the table of files has every step, to read only', () => {
    const places = { stateDir: '/var/lib/aem-reseal', mediaRoots: [] }
    for (const path of PROGRAM_PLACES.flatMap(listWay)) {
      expect(pathAllowed(path, 'read', places)).toBe(true)
      expect(pathAllowed(path, 'write', places)).toBe(false)
    }
  })
})

describe('what systemd has loaded', () => {
  const drop = '/etc/systemd/system/anti-evil-maid-seal.service.d/50-aem-reseal-hold.conf'
  const condition = (argv: string) =>
    `ExecCondition={ path=/usr/bin/env ; argv[]=${argv} ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }`

  test('is read in whole', () => {
    expect(parseLoadedUnit(SHOWN)).toEqual({
      isLoaded: true,
      dropIns: [drop],
      conditions: [{ argv: `/usr/bin/node ${PROGRAM} gate`, ignoresErrors: false }],
    })
  })

  test.each(['not-found', 'masked', 'error'])('is no loaded unit where it is %s', (state) => {
    expect(parseLoadedUnit(SHOWN.replace('loaded', state))?.isLoaded).toBe(false)
  })

  test('may be without a drop-in', () => {
    expect(parseLoadedUnit('LoadState=loaded\nDropInPaths=\n')).toEqual({
      isLoaded: true,
      dropIns: [],
      conditions: [],
    })
    expect(parseLoadedUnit('LoadState=loaded\n')?.dropIns).toEqual([])
  })

  test('is told by the names at the beginning of its lines alone', () => {
    const argv = '/usr/bin/env LoadState=x DropInPaths=/y sh'
    const odd = `${drop} /etc/systemd/system/anti-evil-maid-seal.service.d/ExecCondition=no.conf`
    expect(parseLoadedUnit(`${condition(argv)}\nLoadState=loaded\nDropInPaths=${odd}\n`)).toEqual({
      isLoaded: true,
      dropIns: odd.split(' '),
      conditions: [{ argv, ignoresErrors: false }],
    })
  })
})
