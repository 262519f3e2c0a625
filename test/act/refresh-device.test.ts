/* Long: one act: its steps in their order, and each place where it can end. */

import { describe, expect, it } from 'vitest'
import { refreshFiles } from '../../src/act/refresh-device.ts'
import type { RefreshFile, RefreshPlan } from '../../src/core/decide/refresh.ts'
import type { Failure } from '../../src/core/failure.ts'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine, sha256 } from '../../src/host/simulated/model.ts'
import { type ObservedRefresh, observeRefresh } from '../../src/observe/device/refresh-needs.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import type { Ui } from '../../src/ui/ui.ts'
import { machineOf } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'

/* grub.cfg of the built-in machine's stick, made again. */

const [CONFIG, BESIDE] = ['/grub2/grub.cfg', '/grub2/aem-reseal-grub.cfg']
const LEFT = '# left by a run that ended half-way\n'

/** The stick has a good grub.cfg, and beside it the same with a line more, from an earlier run. */
async function refresh(told: (own: Host) => Partial<Host> = () => ({})) {
  const machine = machineOf('two-devices')
  const { files } = machine.devices.find(({ uuid }) => uuid === STICK.uuid)!
  const config = files.get(CONFIG)!
  files.set(BESIDE, { ...config, bytes: Buffer.concat([config.bytes, Buffer.from(LEFT)]) })
  const own = makeSimulatedHost(machine)
  const dom0 = observeDom0({ ...own, ...told(own) })
  const { devices } = await dom0.devices()
  const device = devices.find(({ label }) => label === 'aem.stick')!
  const found = await observeRefresh(dom0, device, { state: 'absent' })
  const plan = { ...found.plan, copies: [], initramfs: [], makesGrubConfig: true }
  const run = refreshFiles(dom0, makeScriptedUi({}), { ...found, plan })
  return { run, files, before: Buffer.from(config.bytes).toString() }
}

const textOf = (files: Map<string, { bytes: Uint8Array }>) =>
  Buffer.from(files.get(CONFIG)?.bytes ?? []).toString()

describe('a file beside grub.cfg that an earlier run left', () => {
  it('is made anew, and put in place', async () => {
    const { run, files, before } = await refresh()
    expect(await run).toEqual([])
    expect(textOf(files)).toBe(before)
    expect(files.has(BESIDE)).toBe(false)
  })

  it('is never put in place itself, though it is a good one: where nothing new was made that is told', async () => {
    const { run, files, before } = await refresh((own) => ({
      run: async (call, input) =>
        call.id === 'make-grub-config' ? seen({ exit: 0, stdout: '', stderr: '' }) : own.run(call, input),
    }))
    await expect(run).rejects.toMatchObject({ text: { code: 'refresh-failed' } })
    expect(textOf(files)).toBe(before)
    expect(files.has(BESIDE)).toBe(false)
  })
})

describe('a refresh', () => {
  const KERNEL = `vmlinuz-${KERNEL_RELEASE}`
  const INITRAMFS = `initramfs-${KERNEL_RELEASE}.img`
  const CONFIG_FILE = `config-${KERNEL_RELEASE}`
  const MEDIA = `/run/aem-reseal/media/${STICK.uuid}`
  type Run = Awaited<ReturnType<Host['run']>>
  type Told = {
    readonly change?: (machine: SimMachine) => void
    readonly answers?: Readonly<Record<string, (own: Run, nth: number) => Run>>
    readonly told?: (own: Host) => Partial<Host>
    readonly plan?: Partial<RefreshPlan>
  }

  /** Everything that it does to the machine, in order. */
  async function refreshAll({
    change = () => undefined,
    answers = {},
    told = () => ({}),
    plan = {},
  }: Told = {}) {
    const machine = machineOf('two-devices')
    const { files } = machine.devices.find(({ uuid }) => uuid === STICK.uuid)!
    bootFilesOf(machine).set(CONFIG_FILE, { bytes: Buffer.from('CONFIG_XEN=y\n'), mtimeMs: 0 })
    change(machine)
    const did: string[] = []
    const short = (path: string) => path.replace(MEDIA, 'stick').replace(/^\/run\/aem-reseal\/1-1\//, '')
    const simulated = makeSimulatedHost(machine)
    const own = { ...simulated, ...told(simulated) }
    const closing = (what: string, media: Awaited<ReturnType<Host['makeWorkDirectory']>>) => ({
      root: media.root,
      async close() {
        did.push(`close ${what}`)
        await media.close()
      },
    })
    const host: Host = {
      ...own,
      async run(call, input) {
        const run = await own.run(call, input)
        const isWrite = /^(make|sync)-/.test(call.id)
        if (isWrite) did.push(call.id)
        return answers[call.id]?.(run, did.filter((one) => one === call.id).length) ?? run
      },
      async openMedia(request) {
        const media = await own.openMedia(request)
        did.push(`open ${request.write === true ? 'to write' : 'to read'}`)
        return media.state === 'seen' ? seen(closing('stick', media.value)) : media
      },
      makeWorkDirectory: async () => closing('work', await own.makeWorkDirectory()),
      async copyFile(from, to, sha256) {
        did.push(`copy ${short(from)} ${short(to)}`)
        await own.copyFile(from, to, sha256)
      },
      async renameFile(from, to) {
        did.push(`rename ${short(from)} ${short(to)}`)
        await own.renameFile(from, to)
      },
      async removeFile(path) {
        did.push(`remove ${short(path)}`)
        await own.removeFile(path)
      },
    }
    const dom0 = observeDom0(host)
    const device = (await dom0.devices()).devices.find(({ label }) => label === 'aem.stick')!
    const copy = (name: string, role: RefreshFile['role']): RefreshFile => {
      const sha = sha256(bootFilesOf(machine).get(name)?.bytes ?? '')
      return { name, role, packageName: 'x', sha256: sha, inDom0: sha, onDevice: null, sizeBytes: 1 }
    }
    const observed = {
      device,
      plan: {
        copies: [
          copy(XEN_IMAGE, 'xen'),
          copy('tboot.gz', 'tboot'),
          copy(KERNEL, 'kernel'),
          copy(CONFIG_FILE, 'config'),
        ],
        initramfs: [{ kernel: KERNEL_RELEASE, why: 'there is none' }],
        makesGrubConfig: true,
        neededBytes: 0,
        ...plan,
      },
    } as ObservedRefresh
    const steps: string[] = []
    const ui: Pick<Ui, 'progress'> = {
      async progress(label, work) {
        steps.push(label)
        return work()
      },
    }
    const run = await refreshFiles(dom0, ui, observed).then(
      (made) => ({ made, failure: null }),
      (error: unknown) => ({ made: null, failure: error as Failure }),
    )
    return { ...run, did, steps, files, machine }
  }

  const BEGIN = ['open to write', 'make-initramfs']
  const COPIES = [
    `copy work-0/${INITRAMFS} stick/${INITRAMFS}`,
    `copy /boot/${CONFIG_FILE} stick/${CONFIG_FILE}`,
    `copy /boot/${KERNEL} stick/${KERNEL}`,
    'copy /boot/tboot.gz stick/tboot.gz',
    `copy /boot/${XEN_IMAGE} stick/${XEN_IMAGE}`,
  ]
  const REMOVE = 'remove stick/grub2/aem-reseal-grub.cfg'
  const MADE_GRUB = [
    REMOVE,
    'make-grub-config',
    'rename stick/grub2/aem-reseal-grub.cfg stick/grub2/grub.cfg',
  ]
  const CLOSED = ['close work', 'close stick']

  it('makes the initramfs first, then copies Xen last, then grub.cfg, and writes all to the disk after each', async () => {
    const { made, did, steps, files, machine } = await refreshAll()
    expect(did).toEqual([...BEGIN, ...COPIES, 'sync-filesystem', ...MADE_GRUB, 'sync-filesystem', ...CLOSED])
    expect(steps).toEqual([
      `making the initramfs of ${KERNEL_RELEASE} (some minutes)`,
      ...[INITRAMFS, CONFIG_FILE, KERNEL, 'tboot.gz', XEN_IMAGE].map((name) => `copying ${name}`),
      'making grub.cfg',
    ])
    expect(made).toEqual([{ name: INITRAMFS, sha256: sha256(files.get(`/${INITRAMFS}`)!.bytes) }])
    expect([...machine.dom0.keys()].filter((path) => path.startsWith('/run/aem-reseal/'))).toEqual([])
  })

  it('leaves grub.cfg where it is good, and makes no initramfs where none is wanted', async () => {
    const { made, did } = await refreshAll({ plan: { makesGrubConfig: false, initramfs: [] } })
    expect(made).toEqual([])
    expect(did).toEqual([
      'open to write',
      ...COPIES.slice(1),
      'sync-filesystem',
      'sync-filesystem',
      ...CLOSED,
    ])
  })

  const ended = (exit: number) => (): Run => seen({ exit, stdout: '', stderr: ' I/O error\n' })
  const onlyFirst = (run: Run) => (own: Run, nth: number) => (nth === 1 ? run : own)
  const onlySecond = (run: Run) => (own: Run, nth: number) => (nth === 2 ? run : own)
  const SYNC = [...BEGIN, ...COPIES, 'sync-filesystem']
  it.each<[string, Told, string, readonly string[]]>([
    [
      'dracut fails, whatever it left',
      { answers: { 'make-initramfs': ended(1) } },
      '/usr/bin/dracut ended with 1',
      BEGIN,
    ],
    [
      'dracut is not there',
      { answers: { 'make-initramfs': () => ABSENT } },
      '/usr/bin/dracut is not installed',
      BEGIN,
    ],
    [
      'dracut is stopped',
      { answers: { 'make-initramfs': () => unknown('dracut took too long') } },
      'dracut took too long',
      BEGIN,
    ],
    [
      'the image is empty',
      {
        told: (own) => ({
          digestFile: async (path) => {
            const digests = await own.digestFile(path)
            return path.includes('/work-') && digests.state === 'seen'
              ? seen({ ...digests.value, sizeBytes: 0 })
              : digests
          },
        }),
      },
      `dracut left no initramfs for ${KERNEL_RELEASE}`,
      BEGIN,
    ],
    [
      'there is no image',
      {
        told: (own) => ({
          digestFile: async (path) => (path.includes('/work-') ? ABSENT : own.digestFile(path)),
        }),
      },
      `dracut left no initramfs for ${KERNEL_RELEASE}`,
      BEGIN,
    ],
    [
      'the files cannot be written to the disk',
      { answers: { 'sync-filesystem': onlyFirst(ended(1)()) } },
      '/usr/bin/sync ended with 1',
      SYNC,
    ],
    [
      'grub2-mkconfig fails, though it wrote a good file',
      { answers: { 'make-grub-config': ended(2) } },
      '/usr/bin/systemd-run ended with 2',
      [...SYNC, ...MADE_GRUB.slice(0, 2)],
    ],
    [
      'grub.cfg cannot be written to the disk',
      { answers: { 'sync-filesystem': onlySecond(ended(1)()) } },
      '/usr/bin/sync ended with 1',
      [...SYNC, ...MADE_GRUB, 'sync-filesystem'],
    ],
  ])('ends where %s, and cleans up', async (_, told, what, before) => {
    const { failure, did } = await refreshAll(told)
    expect(failure?.text).toMatchObject({
      code: 'refresh-failed',
      what: `bringing the device up to date: ${what}`,
    })
    expect(failure?.text.verbatim).toBe(what.includes('ended with') ? 'I/O error' : undefined)
    expect(did).toEqual([...before, REMOVE, ...CLOSED])
  })

  it('puts no grub.cfg in place that loads another Xen than the one that is installed', async () => {
    const { failure, did, files } = await refreshAll({
      plan: { copies: [] },
      told: (own) => ({
        async run(call, input) {
          const run = await own.run(call, input)
          if (call.id !== 'make-grub-config') return run
          const path = `${MEDIA}${BESIDE}`
          const made = await own.readFile(path)
          if (made.state !== 'seen') throw new Error('nothing was made')
          const text = Buffer.from(made.value).toString('latin1').replaceAll(XEN_IMAGE, 'xen-4.17.3.gz')
          await own.writeFileAtomic(path, Buffer.from(text, 'latin1'), 0o600)
          return run
        },
      }),
    })
    expect(failure?.text.what).toContain(
      `the new grub.cfg has no good AEM entry for this device: an AEM entry with ${XEN_IMAGE} (stale)`,
    )
    expect(did.filter((one) => one.startsWith('rename'))).toEqual([])
    expect([files.has(CONFIG), files.has(BESIDE)]).toEqual([true, false])
  })

  it('ends before anything is made where the stick cannot be opened', async () => {
    const { failure, did } = await refreshAll({
      told: () => ({ openMedia: async () => unknown('no such device') }),
    })
    expect(failure?.text.what).toContain('aem.stick could not be opened for writing')
    expect(did).toEqual(['open to write'])
  })

  it('says what went wrong, and not that it could not clean up: the stick may be gone', async () => {
    const gone = new Error('the stick was pulled out')
    const { failure, did } = await refreshAll({
      told: () => ({
        async copyFile() {
          throw gone
        },
        async removeFile() {
          throw new Error('no such directory')
        },
      }),
    })
    expect(failure).toBe(gone)
    expect(did.slice(-2)).toEqual(CLOSED)
  })
})
