import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type RealSystemd, startRealSystemd } from './real-systemd.ts'
import { ARROW_DOWN, ENTER, openTerminal } from './terminal.ts'

const UNIT = 'anti-evil-maid-seal.service'
const DROP_IN = `/etc/systemd/system/${UNIT}.d/50-aem-reseal-hold.conf`
const PROGRAM = '/usr/lib/aem-reseal/aem-reseal.mjs'
const NODE = '/usr/bin/node'

let systemd: RealSystemd

beforeAll(async () => {
  systemd = await startRealSystemd()
})
afterAll(() => systemd?.end())

type Outcome = { start: number; isSealed: boolean; result: string; startedAt: string; condition: string }

/** Starts AEM's seal unit, as the boot does, and tells what came of it. */
async function startSeal(): Promise<Outcome> {
  await systemd.run(['rm', '-f', '/run/sealed'])
  await systemd.run(['systemctl', 'reset-failed', UNIT])
  const { exit } = await systemd.run(['systemctl', 'start', UNIT])
  const isSealed = (await systemd.run(['test', '-e', '/run/sealed'])).exit === 0
  const show = await systemd.must(['systemctl', 'show', UNIT])
  const property = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(show)?.[1] ?? ''
  return {
    start: exit,
    isSealed,
    result: property('Result'),
    startedAt: property('ExecMainStartTimestampMonotonic'),
    condition: property('ConditionResult'),
  }
}

async function setDropIn(lines: string): Promise<void> {
  await systemd.write(DROP_IN, `[Service]\n${lines}\n`)
  await systemd.must(['systemctl', 'daemon-reload'])
}

async function removeDropIn(): Promise<void> {
  await systemd.run(['rm', '-f', DROP_IN])
  await systemd.must(['systemctl', 'daemon-reload'])
}

/** In dom0 basic.target wants the unit; only so does systemd keep what came of it. */
beforeEach(async () => {
  await removeDropIn()
  await systemd.must(['systemctl', 'start', 'basic.target'])
})

describe('what a real systemd makes of ExecCondition=', () => {
  test('without a drop-in the seal runs', async () => {
    expect(await startSeal()).toMatchObject({ start: 0, isSealed: true, result: 'success', condition: 'yes' })
  })

  const held = { start: 0, isSealed: false, result: 'exec-condition', startedAt: '0', condition: 'no' }
  const failed = { start: 1, isSealed: false, startedAt: '0', condition: 'yes' }
  const ran = { start: 0, isSealed: true, result: 'success', condition: 'yes' }
  test.each([
    ['exit 0 lets it run', 'ExecCondition=/bin/sh -c "exit 0"', ran],
    ['exit 1 holds it', 'ExecCondition=/bin/sh -c "exit 1"', held],
    ['exit 2 holds it', 'ExecCondition=/bin/sh -c "exit 2"', held],
    ['exit 130 holds it', 'ExecCondition=/bin/sh -c "exit 130"', held],
    ['exit 254 holds it', 'ExecCondition=/bin/sh -c "exit 254"', held],
    ['exit 255 fails it', 'ExecCondition=/bin/sh -c "exit 255"', { ...failed, result: 'exit-code' }],
    ['a crash fails it', 'ExecCondition=/bin/sh -c "kill -SEGV $$$$"', { ...failed, result: 'signal' }],
    [
      'a time-out fails it',
      'ExecCondition=/bin/sleep 60\nTimeoutStartSec=1',
      { ...failed, result: 'timeout' },
    ],
    ['a missing program holds it', 'ExecCondition=/usr/bin/nothing-here gate', held],
    ['one no among several holds it', 'ExecCondition=/bin/true\nExecCondition=/bin/false', held],
    ['the prefix - fails open', 'ExecCondition=-/bin/false', ran],
    ['the prefix - fails open with a missing program', 'ExecCondition=-/usr/bin/nothing-here', ran],
    ['a misspelt key fails open', 'ExecConditon=/bin/false', ran],
  ])('%s', async (_, lines, expected) => {
    await setDropIn(lines)
    expect(await startSeal()).toMatchObject(expected)
  })
})

/** Runs the program in a terminal and answers yes, the second choice. */
async function sayYes(...args: string[]): Promise<{ exit: number; screen: string }> {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TERM: 'xterm-256color' }
  const terminal = openTerminal([...systemd.enter, NODE, PROGRAM, ...args], env)
  await terminal.waitFor('no (nothing is changed)')
  terminal.type(ARROW_DOWN)
  await terminal.waitFor(/❯ yes/)
  terminal.type(ENTER)
  const exit = await terminal.finished
  return { exit, screen: terminal.screen() }
}

async function product(...args: string[]) {
  return systemd.run([NODE, PROGRAM, ...args])
}

describe('the drop-in of this program', () => {
  test('install writes what systemd-analyze takes without a word, and systemd asks it', async () => {
    const { exit, screen } = await sayYes('gate', 'install')
    expect(screen).toContain('systemd has read the drop-in')
    expect(exit).toBe(0)
    expect(await systemd.must(['cat', DROP_IN])).toContain(`\nExecCondition=${NODE} ${PROGRAM} gate\n`)
    expect((await systemd.must(['stat', '-c', '%a %U', DROP_IN])).trim()).toBe('644 root')
    const verify = await systemd.run(['systemd-analyze', 'verify', `/usr/lib/systemd/stage-units/${UNIT}`])
    expect(`${verify.stdout}${verify.stderr}`).not.toContain('50-aem-reseal-hold.conf')
    expect((await product('gate', 'show')).exit).toBe(0)
    expect(await startSeal()).toMatchObject({ start: 0, isSealed: false, result: 'exec-condition' })
    expect(await systemd.must(['cat', '/var/lib/aem-reseal/held.json'])).toContain('"reason": "no-session"')
    expect((await systemd.run(['test', '-d', '/run/anti-evil-maid'])).exit).toBe(0)
  })

  test('among all the units of a real system it makes no ordering cycle', async () => {
    await sayYes('gate', 'install')
    const units = '/run/with-aem'
    const copy = `mkdir -p ${units}/basic.target.wants && cp /usr/lib/systemd/stage-units/${UNIT} ${units}/ && ln -sf ../${UNIT} ${units}/basic.target.wants/`
    await systemd.must(['sh', '-c', copy])
    // The colon at the end: this machine's own units too.
    const path = `SYSTEMD_UNIT_PATH=/etc/systemd/system:${units}:`
    const verify = async () => {
      const { stdout, stderr } = await systemd.run([
        'env',
        path,
        'systemd-analyze',
        'verify',
        'multi-user.target',
      ])
      return `${stdout}${stderr}`
    }
    expect(await verify()).not.toContain('ordering cycle')
    await systemd.must(['sed', '-i', 's/^After=.*/After=multi-user.target/', DROP_IN])
    expect(await verify()).toContain('ordering cycle')
  })

  test('systemd-analyze would have told of a misspelt key, and so does gate show', async () => {
    await sayYes('gate', 'install')
    await systemd.must(['sed', '-i', 's/ExecCondition/ExecConditon/', DROP_IN])
    await systemd.must(['systemctl', 'daemon-reload'])
    const verify = await systemd.run(['systemd-analyze', 'verify', `/usr/lib/systemd/stage-units/${UNIT}`])
    expect(verify.stderr).toContain("Unknown key 'ExecConditon'")
    const show = await product('gate', 'show')
    expect(show.exit).toBe(1)
    expect(show.stdout).toContain('is not held')
    expect((await sayYes('gate', 'install')).exit).toBe(0)
    expect(await startSeal()).toMatchObject({ isSealed: false })
  })

  test('a later drop-in that takes the condition away is seen: nothing is claimed, nothing is left', async () => {
    const later = `/etc/systemd/system/${UNIT}.d/90-other.conf`
    await systemd.write(later, '[Service]\nExecCondition=\n')
    const { exit, screen } = await sayYes('gate', 'install')
    expect(exit).toBe(1)
    expect(screen).toContain('systemd did not take the drop-in')
    expect((await systemd.run(['test', '-e', DROP_IN])).exit).toBe(1)
    await systemd.must(['rm', later])
  })

  test('remove takes it away, and the seal runs again', async () => {
    await sayYes('gate', 'install')
    expect((await sayYes('gate', 'remove')).exit).toBe(0)
    expect((await product('gate', 'show')).exit).toBe(1)
    expect(await startSeal()).toMatchObject({ isSealed: true })
  })

  test('--yes, or no terminal, changes nothing', async () => {
    expect((await product('gate', 'install', '--yes')).exit).toBe(1)
    expect((await product('gate', 'install')).exit).toBe(2)
    expect((await systemd.run(['test', '-e', DROP_IN])).exit).toBe(1)
  })
})

describe('whatever becomes of the program, the seal does not run', () => {
  const keep = `${PROGRAM}.kept`
  beforeEach(async () => {
    await sayYes('gate', 'install')
    await systemd.must(['cp', '-p', PROGRAM, keep])
  })
  const restore = async (): Promise<void> => void (await systemd.must(['mv', keep, PROGRAM]))

  test.each([
    ['it is gone', null],
    ['it is empty of sense', 'this is no program'],
    ['it throws', 'throw new Error("broken")'],
    ['it never answers its own promise', 'await new Promise(() => {})'],
    ['it crashes', 'process.abort()'],
    ['it is killed', 'process.kill(process.pid, "SIGKILL")'],
    ['it ends with 70', 'process.exit(70)'],
  ])('%s', async (_, text) => {
    if (text === null) await systemd.must(['rm', PROGRAM])
    else await systemd.write(PROGRAM, text)
    const outcome = await startSeal()
    await restore()
    expect(outcome).toMatchObject({ isSealed: false, startedAt: '0' })
  })

  test('it hangs: systemd ends it', async () => {
    await systemd.write(PROGRAM, 'setInterval(() => {}, 1000)')
    await systemd.write(`/run/systemd/system/${UNIT}.d/short.conf`, '[Service]\nTimeoutStartSec=2\n')
    await systemd.must(['systemctl', 'daemon-reload'])
    const outcome = await startSeal()
    await systemd.must(['rm', '-r', `/run/systemd/system/${UNIT}.d`])
    await restore()
    expect(outcome).toMatchObject({ start: 1, isSealed: false, result: 'timeout', startedAt: '0' })
  })

  test('nothing but /var can be written, no home, no network: it answers all the same', async () => {
    const lines = [
      'ProtectSystem=strict',
      'ReadWritePaths=/var',
      'PrivateNetwork=yes',
      'ProtectHome=yes',
      'UnsetEnvironment=HOME',
    ]
    await systemd.write(`/run/systemd/system/${UNIT}.d/strict.conf`, `[Service]\n${lines.join('\n')}\n`)
    await systemd.run(['rm', '-rf', '/var/lib/aem-reseal'])
    await systemd.must(['systemctl', 'daemon-reload'])
    const outcome = await startSeal()
    await systemd.must(['rm', '-r', `/run/systemd/system/${UNIT}.d`])
    await restore()
    expect(outcome).toMatchObject({ start: 0, isSealed: false, result: 'exec-condition' })
    expect(await systemd.must(['cat', '/var/lib/aem-reseal/held.json'])).toContain('"reason": "no-session"')
  })
})
