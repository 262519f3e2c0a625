/* Long: each refusal of both kinds of TPM, with what it says and costs. */

import { describe, expect, it } from 'vitest'
import { rememberSrkPassword } from '../../src/observe/seal/srk-password.ts'
import {
  observeTpm2Lockout,
  observeTpm2TriesLeft,
  openTpm2Trial,
} from '../../src/observe/verify/trial-unseal-tpm2.ts'
import { openTpm12Trial } from '../../src/observe/verify/trial-unseal-tpm12.ts'
import { type Answer, hostOf, type Story, TPM2, TPM12 } from './tpm-world.ts'

/** What each refusal of a TPM says of a sealed file, and whether the TPM is asked again. */

const DIRECTORY = '/var/lib/tpms/x/aem'

/** tpm2-tools 5.4. */
const refused = (tool: string, code: string, text: string): Answer => ({
  exit: 1,
  stderr: [
    `WARNING:esys:src/tss2-esys/api/Esys_${tool}.c:324:Esys_${tool}_Finish() Received TPM Error `,
    `ERROR:esys:src/tss2-esys/api/Esys_${tool}.c:112:Esys_${tool}() Esys Finish ErrorCode (0x00000${code}) `,
    `ERROR: Eys_${tool}(0x${code.toUpperCase()}) - ${text}`,
    'ERROR: Unable to run tpm2',
  ].join('\n'),
})
const properties = (failed: number, max: number, isLocked = 0): Answer => ({
  exit: 0,
  stdout: `TPM2_PT_PERMANENT:\n  inLockout:                 ${isLocked}\nTPM2_PT_LOCKOUT_COUNTER: 0x${failed.toString(16)}\nTPM2_PT_MAX_AUTH_FAIL: 0x${max.toString(16)}\n`,
})

describe('a TPM 2.0 that refuses', () => {
  async function tryBoth(story: Story) {
    const made = hostOf(TPM2, { password: 'srk', ...story })
    const trial = await openTpm2Trial(made.host)
    if ('why' in trial) throw new Error(trial.why)
    const [first, second] = [await trial.tryKey(DIRECTORY, [17]), await trial.tryKey(DIRECTORY, [17])]
    const count = (id: string) => made.calls.filter((one) => one === id).length
    return { first, second, loads: count('tpm2-load'), flushes: count('flush-transient') }
  }

  it.each<[string, string, Answer, string, string, number]>([
    [
      'a key of another TPM',
      'tpm2-load',
      refused('Load', '1df', 'tpm:parameter(1):integrity check failed'),
      'refused',
      'does not take key.pub and key.priv',
      2,
    ],
    [
      'a wrong password',
      'tpm2-load',
      refused('Load', '98e', 'tpm:session(1):the authorization HMAC check failed and DA counter incremented'),
      'untried',
      'the SRK password at hand is wrong; this cost one of the TPM’s tries',
      1,
    ],
    [
      'every password for a while',
      'tpm2-load',
      refused('Load', '921', 'tpm:warn(2.0): authorizations for objects subject to DA protection'),
      'untried',
      'in lockout and answers no password',
      1,
    ],
    [
      'one object more',
      'tpm2-load',
      refused('Load', '902', 'tpm:warn(2.0): out of memory for object contexts'),
      'untried',
      'no room for another object (0x902)',
      2,
    ],
    [
      'what has no SRK above it',
      'tpm2-load',
      {
        exit: 1,
        stderr: 'ERROR: Esys_TR_FromTPMPublic(0x18B) - tpm:handle(1):the handle is not correct for the use\n',
      },
      'untried',
      'no SRK at 0x81000001',
      2,
    ],
    [
      'other registers',
      'tpm2-unseal',
      refused('Unseal', '99d', 'tpm:session(1):a policy check failed'),
      'refused',
      'sealed to other PCR values than those of this boot',
      2,
    ],
    [
      'what nobody knows',
      'tpm2-unseal',
      refused('Unseal', '101', 'tpm:error(2.0): commands not being accepted because of a TPM failure'),
      'untried',
      'tpm2_unseal: ERROR: Eys_Unseal(0x101) - tpm:error(2.0)',
      2,
    ],
  ])('%s is told so', async (_, tool, answer, state, why, loads) => {
    const tried = await tryBoth({ says: { [tool]: answer } })
    expect(tried.first).toEqual({ state, why: expect.stringContaining(why) })
    expect(tried.second).toEqual(tried.first)
    // The first one of all is that of the begin.
    expect([tried.loads, tried.flushes]).toEqual([loads, 3])
  })

  it('takes the registers in ascending order, as AEM names them', async () => {
    const made = hostOf(TPM2, { password: 'srk' })
    const trial = await openTpm2Trial({
      ...made.host,
      run: async (call, input) => {
        if (call.id === 'tpm2-unseal') expect(call.argv.join(' ')).toContain('pcr:sha256:13,17,19')
        if (call.id === 'tpm2-load')
          expect(call.argv.join(' ')).toContain(`-u ${DIRECTORY}/key.pub -r ${DIRECTORY}/key.priv`)
        return made.host.run(call, input)
      },
    })
    if ('why' in trial) throw new Error(trial.why)
    expect((await trial.tryKey(DIRECTORY, [19, 13, 17])).state).toBe('unsealed')
  })

  it('is asked whether it takes a key without being asked for the key', async () => {
    const load = async (says: Story['says'] = {}) => {
      const { host, calls } = hostOf(TPM2, { password: 'srk', says: says ?? {} })
      const trial = await openTpm2Trial(host)
      if ('why' in trial) throw new Error(trial.why)
      const why = await trial.tryLoad(DIRECTORY)
      expect(calls).toEqual(['tpm2-properties', 'flush-transient', 'tpm2-load', 'flush-transient'])
      return why
    }
    expect(await load()).toBeNull()
    const damaged = refused('Load', '1df', 'tpm:parameter(1):integrity check failed')
    expect(await load({ 'tpm2-load': damaged })).toContain('does not take key.pub and key.priv')
  })

  it('is given a typed password, and none where the cached one cannot be read', async () => {
    const typed = hostOf(TPM2, { password: 'cached' })
    rememberSrkPassword(typed.host, Buffer.from('typed'))
    const trial = await openTpm2Trial(typed.host)
    if ('why' in trial) throw new Error(trial.why)
    await trial.tryLoad(DIRECTORY)
    expect(typed.inputs).toEqual(['str:typed'])
    const { host, calls } = hostOf(TPM2)
    const unread = await openTpm2Trial({
      ...host,
      readFile: async () => ({ state: 'unknown', why: 'input/output error' }),
    })
    if ('why' in unread) throw new Error(unread.why)
    expect(await unread.tryKey(DIRECTORY, [17])).toEqual({
      state: 'untried',
      why: 'the SRK password cached by this boot could not be read',
    })
    expect(calls).not.toContain('tpm2-load')
  })
})

describe('what a TPM 2.0 tells of its tries', () => {
  const ask = async (answer: Answer) => {
    const host = () => hostOf(TPM2, { says: { 'tpm2-properties': answer } }).host
    return { lockout: await observeTpm2Lockout(host()), left: await observeTpm2TriesLeft(host()) }
  }

  it.each([
    ['none was wrong', 0, 32],
    ['one more may be wrong', 30, 32],
  ])('%s: it may be asked', async (_, failed, max) => {
    expect(await ask(properties(failed, max))).toEqual({ lockout: null, left: null })
  })

  it("the one that is left is that of AEM's look at the next boot", async () => {
    const { lockout, left } = await ask(properties(31, 32))
    expect(lockout).toBeNull()
    expect(left).toContain('has counted 31 wrong passwords and takes 32')
    expect((await ask(properties(32, 32))).left).toContain('has counted 32 wrong passwords')
  })

  it('it must not be asked in lockout, and the way out is named', async () => {
    const { lockout } = await ask(properties(32, 32, 1))
    expect(lockout).toContain('in lockout after 32 wrong passwords')
    expect(lockout).toContain('tpm2_dictionarylockout -T device:/dev/tpm0 --clear-lockout')
  })

  it.each<[string, Answer]>([
    ['cannot be asked', 'unknown'],
    ['is not asked by an installed tool', 'absent'],
    ['fails', { ...(properties(0, 32) as { exit: number; stdout: string }), exit: 1 }],
    ['answers in another form', { exit: 0, stdout: 'TPM2_PT_PERMANENT:\n' }],
  ])('nothing where it %s, which is not that it may be asked', async (_, answer) => {
    const { lockout, left } = await ask(answer)
    expect(lockout).toContain('did not answer whether it is in lockout')
    expect(left).toContain('did not answer how many wrong passwords')
  })
})

describe('a TPM 1.2 that refuses', () => {
  async function open(story: Story = {}) {
    const made = hostOf(TPM12, story)
    return { trial: await openTpm12Trial(made.host), ...made }
  }

  /** The last byte of the TSS error (tpm-tools 1.3.9.2, TPM Main 1.2 part 2, section 16). */
  it.each([
    [24, 'refused', 'sealed to other PCR values than those of this boot', 2],
    [19, 'refused', 'damaged, or of another TPM', 2],
    [33, 'refused', 'damaged, or of another TPM', 2],
    [1, 'untried', 'the SRK password at hand is wrong', 1],
    [3, 'untried', 'in lockout and answers no password', 1],
    [17, 'untried', 'tcsd does not answer', 2],
    [18, 'untried', 'has no SRK: was it cleared?', 2],
    [99, 'untried', 'tpm_unsealdata ended with 99', 2],
  ] as const)('with %s is told so', async (exit, state, why, tries) => {
    const { trial, calls } = await open({ password: 'srk', says: { 'tpm12-unseal': { exit } } })
    if ('why' in trial) throw new Error(trial.why)
    const first = await trial.tryBlob('/x')
    expect(first).toEqual({ state, why: expect.stringContaining(why) })
    expect(await trial.tryBlob('/y')).toEqual(first)
    expect(calls.filter((id) => id === 'tpm12-unseal')).toHaveLength(tries)
  })

  it('the well-known secret says that the password is needed, not that one was wrong', async () => {
    for (const [password, why] of [
      [null, 'the SRK password is needed and not at hand'],
      ['', 'the SRK password at hand is wrong'],
    ] as const) {
      const { trial } = await open({ password, says: { 'tpm12-unseal-z': { exit: 1 } } })
      if ('why' in trial) throw new Error(trial.why)
      expect(await trial.tryBlob('/x')).toEqual({ state: 'untried', why: expect.stringContaining(why) })
    }
  })

  it('is not asked on a machine that is only looked at, and not without tcsd', async () => {
    const looked = await open({ writable: false })
    expect(looked.trial).toEqual({ why: expect.stringContaining('only looks here') })
    expect(looked.calls).toEqual([])
    for (const answer of [{ exit: 1 }, 'absent', 'unknown'] as const) {
      const { trial, open: isOpen } = await open({ says: { 'tcsd-start': answer } })
      expect(trial).toEqual({ why: expect.stringContaining('tcsd could not be started') })
      expect(isOpen()).toBe(0)
    }
  })

  it.each<[string, Answer, readonly string[]]>([
    ['runs', { exit: 0, stdout: 'LoadState=loaded\nActiveState=active\n' }, []],
    [
      'is stopped',
      { exit: 0, stdout: 'LoadState=loaded\nActiveState=inactive\n' },
      ['tcsd-start', 'tcsd-stop'],
    ],
    ['cannot be asked for', 'unknown', ['tcsd-start', 'tcsd-stop']],
  ])('finds tcsd as it was where it %s', async (_, answer, expected) => {
    const { trial, calls } = await open({ says: { 'unit-show': answer } })
    if ('why' in trial) throw new Error(trial.why)
    await trial.close()
    expect(calls.filter((id) => id.startsWith('tcsd'))).toEqual(expected)
  })
})
