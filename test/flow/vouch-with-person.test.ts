import { describe, expect, it } from 'vitest'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import {
  emptyDeviceLedger,
  findLedgerDevice,
  type LedgerDevice,
} from '../../src/core/session/device-ledger.ts'
import { predict } from '../../src/flow/steps/predict.ts'
import { listRemembered, type VouchedBoot, vouchWithPerson } from '../../src/flow/vouch-with-person.ts'
import { type Host, seen } from '../../src/host/host.ts'
import { makeBootInitramfs } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeNextBoot } from '../../src/observe/launch/prediction.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { makeApprovedBoot } from '../support/approved-boot.ts'
import { machineOf } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import { stepContext } from '../support/with-look.ts'

/** The looks that take long and the questions of a person, before the next boot is vouched for. */

const INITRAMFS = `initramfs-${KERNEL_RELEASE}.img`
const GRUB = 'grub2/grub.cfg'

type Story = {
  readonly machine: SimMachine
  readonly answers?: Readonly<Record<string, string>>
  /** What dom0's own grub2-mkconfig prints; left out: the entries as they were before any edit. */
  readonly printed?: string
}

async function vouch({ machine, answers = {}, printed }: Story): Promise<VouchedBoot & { asked: string[] }> {
  const ui = makeScriptedUi(answers)
  const host = hostOf(machine, printed)
  const next = await observeNextBoot(observeDom0(host), [13, 17, 18, 19])
  return { ...(await vouchWithPerson(observeDom0(host), ui, next, { state: 'absent' })), asked: ui.asked }
}

function hostOf(machine: SimMachine, printed?: string): Host {
  const real = makeSimulatedHost(machine)
  return {
    ...real,
    run: async (call, input) =>
      printed !== undefined && call.id === 'print-grub-config'
        ? seen({ exit: 0, stdout: printed, stderr: '' })
        : real.run(call, input),
  }
}

/** The machine with another word in Xen's line, and its grub.cfg as text. */
function withOtherLine(): { machine: SimMachine; text: string } {
  const machine = machineOf('clean-update')
  const file = bootFilesOf(machine).get(GRUB)!
  const text = Buffer.from(file.bytes).toString('latin1').replaceAll('smt=off', 'smt=on')
  bootFilesOf(machine).set(GRUB, { bytes: Buffer.from(text, 'latin1'), mtimeMs: file.mtimeMs })
  return { machine, text }
}

/** The machine with an initramfs that was made with other modules loaded. */
function withOtherModules(): SimMachine {
  const machine = machineOf('clean-update')
  const loaded = machine.loadedModules
  machine.loadedModules = ['dm-crypt', 'usb-storage']
  makeBootInitramfs(machine)
  machine.loadedModules = loaded
  return machine
}

describe('an honest update', () => {
  it('is vouched for without a look and without a question', async () => {
    const { found, reproductions, accepted, asked } = await vouch({ machine: machineOf('clean-update') })
    expect([found.outcome, reproductions, accepted, asked]).toEqual(['complete', [], [], []])
  })

  it('that made a new initramfs is vouched for by making it again', async () => {
    const machine = machineOf('clean-update')
    machine.packages = machine.packages.map((item) =>
      item.name === 'dracut' ? { ...item, evr: '0:059-5.fc37' } : item,
    )
    makeBootInitramfs(machine)
    const { found, reproductions, asked } = await vouch({ machine })
    expect([found.outcome, asked]).toEqual(['complete', []])
    expect(reproductions).toMatchObject([{ image: `/${INITRAMFS}`, state: 'same' }])
  })

  it('leaves no device open behind the looks', async () => {
    const machine = withOtherModules()
    const real = makeSimulatedHost(machine)
    const open: string[] = []
    const host: Host = {
      ...real,
      openMedia: async (device) => {
        const media = await real.openMedia(device)
        if (media.state !== 'seen') return media
        open.push(device.uuid)
        const close = async () => {
          open.splice(open.indexOf(device.uuid), 1)
          await media.value.close()
        }
        return seen({ ...media.value, close })
      },
    }
    const next = await observeNextBoot(observeDom0(host), [13, 17, 18, 19])
    const { reproductions } = await vouchWithPerson(
      observeDom0(host),
      makeScriptedUi({ 'accept-modules': 'no' }),
      next,
      {
        state: 'absent',
      },
    )
    expect(reproductions).toMatchObject([{ state: 'same-with-modules' }])
    expect(open).toEqual([])
  })
})

describe('a command line that is another than this boot used', () => {
  it('is asked where dom0 writes it, and accepted with a yes', async () => {
    const { machine, text } = withOtherLine()
    const { found, accepted, asked } = await vouch({
      machine,
      printed: text,
      answers: { 'accept-command-line': 'yes' },
    })
    expect(asked).toEqual(['accept-command-line'])
    expect([found.outcome, found.unvouched]).toEqual(['complete', []])
    expect(accepted).toMatchObject([{ kind: 'command-line', line: expect.stringContaining('smt=on') }])
  })

  it('is not accepted with a no', async () => {
    const { machine, text } = withOtherLine()
    const { found, accepted } = await vouch({
      machine,
      printed: text,
      answers: { 'accept-command-line': 'no' },
    })
    expect([found.outcome, accepted]).toEqual(['unvouched', []])
  })

  it('is never accepted by --yes', async () => {
    const { machine, text } = withOtherLine()
    const { found, accepted } = await vouch({ machine, printed: text, answers: { '*': 'yes' } })
    expect([found.outcome, accepted]).toEqual(['unvouched', []])
  })

  it('is not asked where dom0 does not write it', async () => {
    const { machine } = withOtherLine()
    const { found, asked } = await vouch({ machine })
    expect([found.outcome, asked]).toEqual(['unvouched', []])
    expect(found.unvouched.join()).toContain("dom0's own grub2-mkconfig does not write it")
  })

  it('is not asked where a yes would not settle everything', async () => {
    const { machine, text } = withOtherLine()
    bootFilesOf(machine).set(INITRAMFS, { bytes: Buffer.from('evil'), mtimeMs: 0 })
    const { found, accepted, asked } = await vouch({ machine, printed: text })
    expect([found.outcome, accepted, asked]).toEqual(['unvouched', [], []])
  })

  it.each([
    ['another Xen', (text: string) => text.replaceAll('xen-4.17.4.gz', 'xen-4.17.3.gz')],
    [
      'a problem in its entry',
      (text: string) => text.replace(/(multiboot2?\s+\/tboot)/g, 'write_dword 0 0\n\t$1'),
    ],
    ['what cannot be read', (text: string) => `${text}\nif true`],
  ])('is not written by a dom0 that prints %s', async (_, edit) => {
    const { machine, text } = withOtherLine()
    const { found, asked } = await vouch({ machine, printed: edit(text) })
    expect([found.outcome, asked]).toEqual(['unvouched', []])
  })
})

describe('an initramfs that was made with other modules loaded', () => {
  it('is asked with their names, and accepted with a yes', async () => {
    const { found, accepted, asked } = await vouch({
      machine: withOtherModules(),
      answers: { 'accept-modules': 'yes' },
    })
    expect(asked).toEqual(['accept-modules'])
    expect(found.outcome).toBe('complete')
    expect(accepted).toMatchObject([{ kind: 'modules', path: `/${INITRAMFS}` }])
  })

  it('both questions are asked where both are other, and one no ends it', async () => {
    const { text } = withOtherLine()
    const machine = withOtherModules()
    bootFilesOf(machine).set(GRUB, { bytes: Buffer.from(text, 'latin1'), mtimeMs: 0 })
    const answers = { 'accept-command-line': 'yes', 'accept-modules': 'no' }
    const { found, accepted, asked } = await vouch({ machine, printed: text, answers })
    expect(asked).toEqual(['accept-command-line', 'accept-modules'])
    expect([found.outcome, accepted]).toEqual(['unvouched', []])
    const both = await vouch({ machine, printed: text, answers: { ...answers, 'accept-modules': 'yes' } })
    expect([both.found.outcome, both.accepted.length]).toEqual(['complete', 2])
  })
})

describe('the images that are remembered', () => {
  const fileOf = (role: 'xen' | 'kernel', sha256: string, isMeasured = true) => ({
    ...{ role, path: `/${role}`, sha256: null, digests: { sha256 }, isMeasured, package: null },
  })
  const deviceOf = (label: string, files: ReturnType<typeof fileOf>[] | null): LedgerDevice => ({
    ...findLedgerDevice(emptyDeviceLedger('2024-07-17T09:00:00.000Z'), label),
    approved: files === null ? null : makeApprovedBoot({ files }),
  })

  it('are those that an approved boot of any device measured', () => {
    const ledger = {
      ...emptyDeviceLedger('2024-07-17T09:00:00.000Z'),
      devices: [
        deviceOf('aem', [fileOf('xen', 'aa'), fileOf('kernel', 'bb', false)]),
        deviceOf('aem.new', null),
        deviceOf('aem.stick', [fileOf('xen', 'cc')]),
      ],
    }
    expect(listRemembered({ state: 'read', ledger })).toEqual([{ sha256: 'aa' }, { sha256: 'cc' }])
  })

  it('are none where nothing is remembered, or it is not believed', () => {
    expect(listRemembered({ state: 'absent' })).toEqual([])
    expect(listRemembered({ state: 'damaged', detail: 'x' })).toEqual([])
  })
})

describe('the step `predict`', () => {
  async function run(machine: SimMachine) {
    const host = hostOf(machine)
    const store = makeDirectoryStore(host, DEFAULT_STATE_DIR)
    const context = stepContext(host, { store })
    return { ...(await predict(context)), asked: context.ui.asked }
  }

  /** An initramfs of the form that dracut writes, which dom0 does not make now. */
  function withOlderInitramfs(): SimMachine {
    const machine = machineOf('clean-update')
    const tab = machine.dom0.get('/etc/crypttab')!
    machine.dom0.set('/etc/crypttab', { ...tab, bytes: Buffer.from('luks-evil UUID=0 none\n') })
    makeBootInitramfs(machine)
    machine.dom0.set('/etc/crypttab', tab)
    return machine
  }

  it('offers the fresh initramfs where it is all that is wrong', async () => {
    const { outcome, facts } = await run(withOlderInitramfs())
    expect(outcome).toBe('initramfs-differs')
    expect(facts.reproductions).toMatchObject([{ state: 'different', fresh: { path: expect.any(String) } }])
  })

  it('does not offer it where anything else is wrong', async () => {
    const machine = withOlderInitramfs()
    bootFilesOf(machine).set('xen-4.17.4.gz', { bytes: Buffer.from('evil'), mtimeMs: 0 })
    expect((await run(machine)).outcome).toBe('unvouched')
  })

  it('stops without a question about LUKS headers where a yes would settle nothing', async () => {
    const machine = machineOf('clean-update')
    machine.luksHeader = Buffer.from('another passphrase')
    expect((await run(machine)).asked).toEqual(['accept-luks-header'])
    bootFilesOf(machine).set('xen-4.17.4.gz', { bytes: Buffer.from('evil'), mtimeMs: 0 })
    const { outcome, facts, asked } = await run(machine)
    expect([outcome, asked]).toEqual(['unvouched', []])
    expect(facts).toMatchObject({ luksHeaderAccepted: null, luksHeaderValue: null })
  })

  it('keeps what vouches, what was made again and what was accepted', async () => {
    const { outcome, facts, session } = await run(machineOf('clean-update'))
    expect(outcome).toBe('complete')
    expect(facts).toMatchObject({ unvouched: [], reproductions: [], accepted: [] })
    expect(session?.prediction).toMatchObject({ calibrated: true })
  })
})
