import { describe, expect, it } from 'vitest'
import { postUpdate } from '../../flows/post-update.ts'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { digestImage } from '../../src/core/launch/image-digest.ts'
import { listApprovedImages } from '../../src/core/session/approved-boot.ts'
import type { RunOptions } from '../../src/flow/step.ts'
import { checkGround } from '../../src/flow/steps/check-ground.ts'
import type { Host } from '../../src/host/host.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { NEW_XEN, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, type SimMachine, sha256 } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import {
  type ObservedGround,
  observeGround,
  observeGroundDifferences,
} from '../../src/observe/launch/ground.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import {
  approvedMachine,
  finish,
  goodMachine,
  INITRAMFS,
  isSecretShown,
  LEDGER,
  loadLedger,
  NEXT_XEN,
  put,
  runOn,
  start,
  update,
} from '../support/approved-machine.ts'
import { aSession, RUN_OPTIONS } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import { verifyNow } from '../support/verify-now.ts'
import { withLook } from '../support/with-look.ts'

const STOPPED = ['detect-aem: ready', 'check-ground: boot-not-vouched']

describe('the ground of a forward seal', () => {
  it('is the released secret on the first use, and the words say what that is worth', async () => {
    const machine = goodMachine()
    update(machine, NEW_XEN)
    const { exit, outcomes, asked, said, facts } = await start(machine)
    expect(exit).toBe(3)
    expect(outcomes).toContain('check-ground: vouched')
    expect(facts).toMatchObject({ state: 'vouched', by: 'released-secret', since: null })
    expect(said).toMatch(/it vouches for what AEM sealed last, unseen/)
    expect(asked.filter((id) => id.startsWith('ground'))).toEqual([])
  })

  it('is what was accepted, in the boot in which it was accepted', async () => {
    const machine = await approvedMachine()
    update(machine, NEXT_XEN)
    const { exit, asked, facts } = await start(machine)
    expect(exit).toBe(3)
    expect(facts).toMatchObject({ state: 'vouched', by: 'accepted' })
    expect(asked.filter((id) => id.startsWith('ground'))).toEqual([])
  })

  it('is the approved state in every later boot that shows the secret', async () => {
    const machine = await approvedMachine()
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
    update(machine, NEXT_XEN)
    const { exit, asked, facts } = await start(machine)
    expect(exit).toBe(3)
    expect(facts).toMatchObject({ state: 'vouched', by: 'approved-state' })
    expect(asked.filter((id) => id.startsWith('ground'))).toEqual([])
  })
})

describe('a boot that AEM sealed by itself is never the measure of a later start', () => {
  it('on the first use: a changed initramfs, then an honest update in the same boot', async () => {
    const machine = goodMachine()
    put(machine, INITRAMFS, () => Buffer.from('an initramfs of somebody else'))
    restartMachine(machine)
    expect(machine.journal.join('\n')).toContain('Freshness token unsealing failed!')
    expect(machine.journal.join('\n')).toContain('Sealed ')
    update(machine, NEW_XEN)
    const { exit, outcomes, facts, said } = await start(machine)
    expect(outcomes).toEqual(STOPPED)
    expect(exit).toBe(1)
    expect(facts).toMatchObject({ state: 'not-vouched', why: 'secret-refused', goesOn: false })
    expect(said).toMatch(/the TPM refused your secret in this boot/)
  })

  it('an evil Xen, AEM reseals, the next boot shows the secret, then an honest update', async () => {
    const machine = await approvedMachine()
    put(machine, XEN_IMAGE, changeOneByte)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(false)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
    update(machine, NEXT_XEN)
    const { exit, outcomes, facts, said } = await start(machine)
    expect(outcomes).toEqual(STOPPED)
    expect(exit).toBe(1)
    expect(facts).toMatchObject({ why: 'registers-differ', registers: [18], unseal: 'unsealed' })
    expect(facts.differences).toEqual([
      { pcr: 18, role: 'xen', path: `/${XEN_IMAGE}`, kind: 'contents', commandLine: null },
    ])
    expect(said).toMatch(/PCR 18: Xen \/xen-4\.17\.4\.gz has other contents/)
  })

  it.each([
    [
      'initramfs',
      (machine: SimMachine) => put(machine, INITRAMFS, () => Buffer.from('an evil initramfs')),
      'contents',
    ],
    [
      'kernel',
      (machine: SimMachine) =>
        put(machine, 'grub2/grub.cfg', (old) =>
          Buffer.from(Buffer.from(old).toString().replace('rhgb quiet aem', 'rhgb quiet init=/bin/sh aem')),
        ),
      'command-line',
    ],
  ])('the same with the %s: named by role and kind', async (role, attack, kind) => {
    const machine = await approvedMachine()
    attack(machine)
    restartMachine(machine)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
    update(machine, NEXT_XEN)
    const { outcomes, facts } = await start(machine)
    expect(outcomes).toEqual(STOPPED)
    expect(facts.differences).toMatchObject([{ pcr: 19, role, kind }])
  })

  it('the honest twin, an update without this program: 1 by --yes, and on by a word of a person', async () => {
    const machine = await approvedMachine()
    update(machine, NEXT_XEN)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(false)
    restartMachine(machine)
    update(machine, `${NEW_XEN.slice(0, -1)}6`)
    const stopped = await start(machine)
    expect(stopped.outcomes).toEqual(STOPPED)
    expect(stopped.exit).toBe(1)
    const { exit, outcomes, asked } = await start(machine, { 'ground-go-on': 'yes' })
    expect(asked).toContain('ground-go-on')
    expect(outcomes).toContain('check-ground: gone-on')
    expect(exit).toBe(3)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
    expect((await finish(machine)).exit).toBe(0)
    // What was accepted then is the approved state from there on.
    restartMachine(machine)
    update(machine, `${NEW_XEN.slice(0, -1)}7`)
    const later = await start(machine)
    expect(later.facts).toMatchObject({ state: 'vouched', by: 'approved-state' })
    expect(later.exit).toBe(3)
  })

  it('is told to nobody who cannot answer: without a terminal it ends with 1', async () => {
    const machine = await approvedMachine()
    put(machine, XEN_IMAGE, changeOneByte)
    restartMachine(machine)
    restartMachine(machine)
    update(machine, NEXT_XEN)
    const { exit, outcomes, asked } = await runOn(
      machine,
      postUpdate,
      { 'ground-go-on': 'yes' },
      { canAsk: false, protect: 'plain', restart: 'manual' },
    )
    expect(outcomes).toEqual(STOPPED)
    expect(asked).toEqual([])
    expect(exit).toBe(1)
  })

  it('an old copy of the device, with the approved registers, is not vouched for', async () => {
    const machine = await approvedMachine()
    restartMachine(machine)
    machine.slots.set(0, '00'.repeat(32))
    restartMachine(machine)
    expect(machine.journal.join('\n')).toContain('Freshness token invalid!')
    update(machine, NEXT_XEN)
    const { exit, facts } = await start(machine)
    expect(facts).toMatchObject({ why: 'secret-invalid' })
    expect(exit).toBe(1)
  })
})

describe("where AEM's journal is silent", () => {
  async function silentMachine(): Promise<SimMachine> {
    const machine = await approvedMachine()
    restartMachine(machine)
    machine.journal = []
    update(machine, NEXT_XEN)
    return machine
  }

  it("the person's own word is asked, and vouches in the approved state", async () => {
    const { exit, asked, facts, said } = await start(await silentMachine(), { 'ground-secret': 'yes' })
    expect(asked[0]).toBe('ground-secret')
    expect(asked).not.toContain('ground-go-on')
    expect(facts).toMatchObject({ state: 'vouched', by: 'approved-state', word: 'yes' })
    expect(said).toMatch(/your secret appeared in this boot, by your word/)
    expect(exit).toBe(3)
  })

  it('a no is a no, and --yes says no', async () => {
    const { exit, outcomes, facts, asked } = await start(await silentMachine())
    expect(asked).toEqual(['ground-secret', 'ground-go-on'])
    expect(outcomes).toEqual(STOPPED)
    expect(facts).toMatchObject({ why: 'secret-not-seen', word: 'no' })
    expect(exit).toBe(1)
  })

  it('and without a terminal it ends with 1, unasked', async () => {
    const { exit, facts, asked } = await runOn(
      await silentMachine(),
      postUpdate,
      {},
      { canAsk: false, protect: 'plain', restart: 'manual' },
    )
    expect(facts).toMatchObject({ why: 'secret-unknown', word: null })
    expect(asked).toEqual([])
    expect(exit).toBe(1)
  })

  it('no word makes other registers good: nobody is asked for one', async () => {
    const machine = await silentMachine()
    put(machine, INITRAMFS, () => Buffer.from('an initramfs of somebody else'))
    restartMachine(machine)
    machine.journal = []
    const { asked, facts } = await start(machine, { 'ground-secret': 'yes' })
    expect(asked).toEqual(['ground-go-on'])
    expect(facts).toMatchObject({ why: 'registers-differ', registers: [18, 19] })
  })
})

describe('the device ledger', () => {
  it('keeps the approved boot: registers, files, command lines, and the images with their packages', async () => {
    const machine = await approvedMachine()
    const ledger = await loadLedger(machine)
    const approved = ledger.devices.find(({ label }) => label === 'aem')?.approved
    const { bootId } = await observeMachine(makeSimulatedHost(machine))
    expect(approved).toMatchObject({ bootId, how: 'accepted', bank: 'sha256' })
    expect(approved?.files.map(({ role }) => role)).toEqual(['mle', 'xen', 'kernel', 'initramfs', 'sinit'])
    expect(approved?.packages?.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['xen-hypervisor', 'kernel', 'tboot', 'dracut']),
    )
    const values = machine.pcrs.sha256
    expect(approved?.registers).toEqual(
      Object.fromEntries([13, 17, 18, 19].map((index) => [String(index), values?.[index]])),
    )
    expect(approved?.policy).toMatch(/^[0-9a-f]{64}$/)
    expect(approved?.commandLines.xen).toMatch(/^placeholder console=none .* smt=off$/)
    expect(approved?.commandLines.kernel).toMatch(/^placeholder root=\S+ .*rd\.luks\.crypttab=no$/)
    expect(approved?.components?.map(({ role }) => role)).toEqual(
      expect.arrayContaining(['platform', 'mle', 'xen', 'kernel', 'initramfs']),
    )
    const bytes = bootFilesOf(machine).get(XEN_IMAGE)!.bytes
    const chunks = (async function* () {
      yield bytes
    })()
    const own = await digestImage(chunks, { banks: ['sha1', 'sha256'], stored: true })
    const images = listApprovedImages(ledger, 'aem')
    expect(images.find(({ role }) => role === 'xen')).toEqual({
      role: 'xen',
      path: `/${XEN_IMAGE}`,
      sha256: own.storedDigests.sha256,
      digests: own.digests,
      package: { name: 'xen-hypervisor', evr: `2001:${NEW_XEN}.fc37` },
    })
    expect(images.map(({ role }) => role).sort()).toEqual(['initramfs', 'kernel', 'xen'])
    expect(listApprovedImages(ledger, STICK.suffix)).toEqual([])
  })

  it('keeps no image that the log does not prove: one that was overwritten since this boot', async () => {
    const machine = await approvedMachine()
    update(machine, NEXT_XEN)
    const host = makeSimulatedHost(machine)
    const before = host.now()
    await verifyNow(machine, { approve: true })
    const ledger = await loadLedger(machine)
    expect(Date.parse(ledger.devices[0]?.approved?.at ?? '')).toBeGreaterThanOrEqual(before.getTime())
    expect(ledger.devices[0]?.approved?.files.find(({ role }) => role === 'xen')?.isMeasured).toBe(false)
    expect(listApprovedImages(ledger, 'aem').map(({ role }) => role)).toEqual(['kernel', 'initramfs'])
  })

  it.each([
    ['an evil initramfs, sealed by AEM and shown the secret since, is not known', true],
    ['its honest twin is', false],
  ])('after `verify`: %s', async (_what, isEvil) => {
    const machine = await approvedMachine()
    if (isEvil) put(machine, INITRAMFS, () => Buffer.from('an initramfs of somebody else'))
    restartMachine(machine)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
    const host = makeSimulatedHost(machine)
    await verifyNow(machine)
    const [own] = (await loadLedger(machine)).devices
    const digest = sha256(bootFilesOf(machine).get(INITRAMFS)!.bytes)
    expect(own?.verified?.bootId).toBe((await observeMachine(host)).bootId)
    expect(own?.knownFiles.some((file) => file.sha256 === digest)).toBe(!isEvil)
    expect(own?.approved?.how).toBe(isEvil ? 'accepted' : 'secret-shown')
  })

  it('of an old form knows no approved boot, and that is no alarm', async () => {
    const machine = await approvedMachine()
    const ledger = await loadLedger(machine)
    const old = {
      ...ledger,
      version: 1,
      approved: ledger.approved && { ...ledger.approved, bank: undefined },
      devices: ledger.devices.map((device) => ({ ...device, approved: undefined })),
    }
    machine.dom0.set(LEDGER, { bytes: Buffer.from(JSON.stringify(old)), mtimeMs: machine.nowMs })
    // Another state, as after an update that was made without the program.
    update(machine, NEXT_XEN)
    restartMachine(machine)
    restartMachine(machine)
    update(machine, `${NEW_XEN.slice(0, -1)}6`)
    const { exit, facts } = await start(machine)
    expect(facts).toMatchObject({ state: 'vouched', by: 'released-secret' })
    expect(exit).toBe(3)
    expect((await loadLedger(machine)).version).toBe(2)
  })

  it('that cannot be read vouches for nothing', async () => {
    const machine = await approvedMachine()
    machine.dom0.set(LEDGER, { bytes: Buffer.from('{'), mtimeMs: machine.nowMs })
    update(machine, NEXT_XEN)
    const { exit, outcomes, facts } = await start(machine)
    expect(outcomes).toEqual(STOPPED)
    expect(facts).toMatchObject({ why: 'list-unreadable' })
    expect(exit).toBe(1)
  })
})

describe('on a recording', () => {
  /** The step alone, on what was recorded of the machine; nobody can say what its screen showed. */
  async function recorded(machine: SimMachine) {
    const host: Host = { ...makeSimulatedHost(machine), kind: 'recorded' }
    const ui = makeScriptedUi({ '*': 'yes' })
    const store = makeDirectoryStore(host, DEFAULT_STATE_DIR)
    const context = { host, ui, store, options: RUN_OPTIONS, session: aSession(), simulateRestart: null }
    const { outcome, facts } = await checkGround(withLook(context))
    return { outcome, facts, asked: ui.asked }
  }

  it('the journal and the registers count as ever', async () => {
    const vouched = await recorded(await approvedMachine())
    expect(vouched).toMatchObject({ outcome: 'vouched', facts: { by: 'accepted' }, asked: [] })
    const machine = goodMachine()
    put(machine, INITRAMFS, () => Buffer.from('an initramfs of somebody else'))
    restartMachine(machine)
    const { outcome, facts } = await recorded(machine)
    expect([outcome, facts.why]).toEqual(['boot-not-vouched', 'secret-refused'])
  })

  it('where the journal is silent nobody is asked, and it goes on', async () => {
    const machine = goodMachine()
    machine.journal = []
    expect(await recorded(machine)).toMatchObject({
      outcome: 'gone-on',
      facts: { state: 'not-vouched', why: 'secret-unknown', goesOn: true },
      asked: [],
    })
  })
})

describe('where the journal is silent', () => {
  async function silent(options: Partial<RunOptions>) {
    const machine = goodMachine()
    machine.journal = []
    const answers = { 'ground-secret': 'yes', 'ground-go-on': 'no' }
    return runOn(machine, postUpdate, answers, options)
  }

  it('a person is asked, and believed', async () => {
    const { asked, facts } = await silent({})
    expect(asked).toContain('ground-secret')
    expect(facts).toMatchObject({ state: 'vouched', by: 'released-secret', word: 'yes' })
  })

  it.each([
    ['with --yes in a terminal', { yes: true }],
    ['where nobody can be asked', { canAsk: false }],
  ])('nobody is asked what the screen showed %s: silence vouches for nothing', async (_, options) => {
    const { exit, asked, facts } = await silent(options)
    expect(asked).not.toContain('ground-secret')
    expect(facts).toMatchObject({ why: 'secret-unknown', word: null, goesOn: false })
    expect(exit).toBe(1)
  })
})

describe('what differs from the approved boot', () => {
  async function traced(change: (observed: ObservedGround) => ObservedGround) {
    const machine = await approvedMachine()
    restartMachine(machine)
    const host = makeSimulatedHost(machine)
    const look = { state: 'read', ledger: await loadLedger(machine) } as const
    return observeGroundDifferences(observeDom0(host), change(await observeGround(observeDom0(host), look)))
  }
  const withFacts = (facts: Partial<ObservedGround['facts']>) =>
    traced((observed) => ({ ...observed, facts: { ...observed.facts, ...facts } }))

  it('is nothing in the same state', async () => {
    expect(await withFacts({})).toEqual({ differences: [], untraced: null })
  })

  it('is told by what its own device measured then, also where the last state is that of another one', async () => {
    const other = (look: ObservedGround['facts']['look']): typeof look =>
      look.state === 'read'
        ? { ...look, ledger: { ...look.ledger, approved: { ...look.ledger.approved!, label: 'aem.stick' } } }
        : look
    const found = await traced((observed) => ({
      ...observed,
      facts: { ...observed.facts, look: other(observed.facts.look) },
    }))
    expect(found).toEqual({ differences: [], untraced: null })
  })

  it.each([
    [
      'a log that does not lead to the registers',
      { registers: { 17: 'aa', 18: 'bb', 19: 'cc' } },
      'lead to its registers',
    ],
    ['a TPM of another kind', { bank: 'sha1' }, 'of another kind'],
    ['no list', { look: { state: 'absent' } as const }, 'nothing is kept'],
  ])('is not known with %s', async (_, facts, words) => {
    const { differences, untraced } = await withFacts(facts)
    expect([differences, untraced]).toEqual([null, expect.stringContaining(words)])
  })
})
