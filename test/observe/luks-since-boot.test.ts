import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type Host, seen, unknown } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { PLAIN_ENTRY, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import type { Dom0 } from '../../src/observe/dom0/dom0.ts'
import { observeLuksSinceBoot } from '../../src/observe/launch/luks-since-boot.ts'
import { approvedMachine, isSecretShown, NEXT_XEN, start, update } from '../support/approved-machine.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { statusAnswerOf } from '../support/status.ts'

/* The LUKS headers, of which AEM's initrd made PCR 13: `status` looks whether they are those of this boot. */

const isCryptsetup = ({ argv }: { readonly argv: readonly string[] }): boolean =>
  argv[0] === '/usr/sbin/cryptsetup'

const changeHeader = (machine: SimMachine): void => {
  machine.luksHeader = Buffer.from('a header with another key slot')
}

async function look(machine: SimMachine, answer?: Host['run']) {
  const own = makeSimulatedHost(machine)
  let reads = 0
  const run: Host['run'] = async (call, input) => {
    if (isCryptsetup(call)) reads += 1
    return isCryptsetup(call) && answer !== undefined ? answer(call, input) : own.run(call, input)
  }
  const { protection, next } = await statusAnswerOf({ ...own, run })
  return {
    state: protection.state,
    codes: protection.reasons.map(({ code }) => code),
    command: next.command,
    reads,
  }
}

it('headers that this boot measured are nothing to tell, and are read once', async () => {
  const machine = await approvedMachine()
  expect(await look(machine)).toEqual({ state: 'protected', codes: [], command: null, reads: 1 })
})

it('a header that was changed since is told, with what to run before the restart that shows no secret', async () => {
  const machine = await approvedMachine()
  changeHeader(machine)
  expect(await look(machine)).toMatchObject({
    state: 'at-risk',
    codes: ['luks-header-changed'],
    command: 'aem-reseal start',
  })
  restartMachine(machine)
  expect(isSecretShown(machine)).toBe(false)
  expect((await look(machine)).codes).not.toContain('luks-header-changed')
})

it('headers that cannot be read leave it open, and the rest is told as before', async () => {
  const machine = await approvedMachine()
  expect(await look(machine, async () => unknown('input/output error'))).toMatchObject({
    state: 'unknown',
    codes: ['luks-header-unknown'],
    command: 'aem-reseal verify',
  })
})

it('no header is read where AEM does not seal to it', async () => {
  const machine = await approvedMachine()
  const text = Buffer.from('SEAL="--pcr 17 --pcr 18 --pcr 19"\n')
  machine.dom0.set('/etc/anti-evil-maid.conf', { bytes: text, mtimeMs: 0 })
  changeHeader(machine)
  const { reads, codes } = await look(machine)
  expect([reads, codes.filter((code) => code.startsWith('luks-'))]).toEqual([0, []])
})

it('no header is read in a boot without AEM, which measured none', async () => {
  const machine = await approvedMachine()
  machine.menuChoice = PLAIN_ENTRY
  restartMachine(machine)
  expect(await look(machine)).toMatchObject({ codes: ['not-aem-boot'], reads: 0 })
})

it('an open session says itself what became of the headers', async () => {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  expect((await start(machine)).exit).toBe(3)
  changeHeader(machine)
  const { codes, command } = await look(machine)
  expect(codes).not.toContain('luks-header-changed')
  expect([codes[0], command]).toEqual(['preparation-outdated', 'aem-reseal cancel'])
})

describe('the one look at the headers', () => {
  const UUID = '0c6a3b14-9df2-4a35-8e0a-7a1f0f9c5b21'
  const HEADER = Buffer.from('a LUKS header')
  /** What AEM's initrd makes of one header: an empty register, extended with its digest. */
  const measured = (bank: 'sha1' | 'sha256', header = HEADER): string => {
    const digest = createHash(bank).update(header).digest()
    return createHash(bank)
      .update(Buffer.concat([Buffer.alloc(digest.length), digest]))
      .digest('hex')
  }

  type Story = {
    readonly writable?: boolean
    readonly bootedWithAem?: boolean | null
    readonly selected?: readonly number[] | null
    readonly bank?: 'sha1' | 'sha256' | null
    readonly pcr13?: string | undefined
    readonly exit?: number
  }

  async function look(story: Story = {}) {
    const { writable = true, bootedWithAem = true, selected = [13, 17], bank = 'sha256', exit = 0 } = story
    const pcr13 = 'pcr13' in story ? story.pcr13 : measured(bank ?? 'sha256')
    let reads = 0
    const host = makeFakeHost({
      writable,
      makeWorkDirectory: async () => ({ root: '/run/work', close: async () => undefined }),
      run: async () => {
        reads += 1
        return seen({ exit, stdout: '', stderr: '' })
      },
      digestFile: async () => {
        const [sha1 = '', sha256 = ''] = ['sha1', 'sha256'].map((one) =>
          createHash(one).update(HEADER).digest('hex'),
        )
        return seen({ sizeBytes: 1, sha1, sha256 })
      },
      removeFile: async () => undefined,
    })
    const values = pcr13 === undefined ? {} : { 13: pcr13 }
    const dom0 = {
      host,
      machine: async () => ({ bootedWithAem, kernelCommandLine: `ro rd.luks.uuid=luks-${UUID}` }),
      tpm: async () => ({ bank, pcrs: bank === null ? {} : { [bank]: values } }),
      selectedPcrs: async () => selected,
    }
    return { found: await observeLuksSinceBoot(dom0 as unknown as Dom0), reads }
  }

  it.each(['sha1', 'sha256'] as const)(
    'finds them as they were, or not, in the bank in use: %s',
    async (bank) => {
      expect(await look({ bank })).toEqual({ found: 'same', reads: 1 })
      const other = measured(bank, Buffer.from('another'))
      expect(await look({ bank, pcr13: other })).toEqual({ found: 'changed', reads: 1 })
    },
  )

  it('leaves open what cannot be read', async () => {
    expect(await look({ exit: 1 })).toEqual({ found: 'unknown', reads: 1 })
  })

  it.each<readonly [string, Story]>([
    ['on a machine that is only looked at', { writable: false }],
    ['in a boot without AEM', { bootedWithAem: false }],
    ['where nobody knows whether it is one with AEM', { bootedWithAem: null }],
    ['where AEM does not seal to them', { selected: [17, 18] }],
    ['where nobody knows what it seals to', { selected: null }],
    ['where the register holds none', { pcr13: '00'.repeat(32) }],
    ['where the register is not known', { pcr13: undefined }],
    ['where the bank is not known', { bank: null }],
  ])('is not taken %s', async (_where, story) => {
    expect(await look(story)).toEqual({ found: null, reads: 0 })
  })
})
