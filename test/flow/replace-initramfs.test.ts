import { describe, expect, it } from 'vitest'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { replaceInitramfs } from '../../src/flow/steps/replace-initramfs.ts'
import { type Host, seen } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine, sha256 } from '../../src/host/simulated/model.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { aSession, machineOf, RUN_OPTIONS } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import { stepContext } from '../support/with-look.ts'

/** The step that puts the initramfs that dom0 made now in the place of the one on the device. */

const NAME = `initramfs-${KERNEL_RELEASE}.img`
const FRESH_PATH = '/run/aem-reseal/1-1/work-0/fresh.img'
const FRESH = Buffer.from('the initramfs that dom0 makes now')
const fresh = { path: FRESH_PATH, sha256: sha256(FRESH) }

const imageOf = (machine: SimMachine): string => Buffer.from(bootFilesOf(machine).get(NAME)!.bytes).toString()

async function run(
  answer: string,
  story: { reproductions?: unknown; isThere?: boolean; told?: (host: Host) => Partial<Host> } = {},
) {
  const machine = machineOf('clean-update')
  const before = imageOf(machine)
  const { reproductions = [{ state: 'different', image: `/${NAME}`, fresh }], isThere = true } = story
  if (isThere) machine.dom0.set(FRESH_PATH, { bytes: FRESH, mtimeMs: 0 })
  const real = makeSimulatedHost(machine)
  const calls: string[] = []
  const open = new Set<string>()
  const base: Host = {
    ...real,
    openMedia: async (request) => {
      const media = await real.openMedia(request)
      if (media.state !== 'seen' || !request.write) return media
      const { root, close } = media.value
      open.add(root)
      return seen({
        root,
        close: async () => {
          open.delete(root)
          await close()
        },
      })
    },
    run: (call, input) => {
      calls.push(call.id)
      return real.run(call, input)
    },
    copyFile: async (from, to, digest) => {
      const { bytes } = machine.dom0.get(from)!
      if (sha256(bytes) !== digest) throw new Error('another file')
      await real.writeFileAtomic(to, bytes, 0o600)
    },
  }
  const host = { ...base, ...story.told?.(base) }
  const ui = makeScriptedUi({ 'replace-initramfs': answer })
  const store = makeDirectoryStore(host, DEFAULT_STATE_DIR)
  const session = aSession({ findings: { predict: { reproductions } as never } })
  const report = await replaceInitramfs({
    host,
    dom0: observeDom0(host),
    ui,
    store,
    options: RUN_OPTIONS,
    session,
    simulateRestart: null,
  })
  expect([...open], 'no device stays open for writing').toEqual([])
  const image = imageOf(machine)
  return { report, asked: ui.asked, calls, isOld: image === before, isFresh: image === FRESH.toString() }
}

describe('the fresh initramfs', () => {
  it('is put in place after a yes, and is on the disk of the device', async () => {
    const { report, asked, calls, isFresh } = await run('yes')
    expect(report).toMatchObject({
      outcome: 'replaced',
      facts: { image: `/${NAME}`, sha256: fresh.sha256 },
      message: { tone: 'good' },
    })
    expect([asked, isFresh]).toEqual([['replace-initramfs'], true])
    expect(calls).toContain('sync-filesystem')
  })

  it('is not put in place after a no', async () => {
    const { report, isOld } = await run('no')
    expect(report).toMatchObject({ outcome: 'kept', facts: { image: `/${NAME}` } })
    expect(report.message.what).toContain('nothing vouches for it')
    expect(isOld).toBe(true)
  })

  it('is never put in place by --yes', async () => {
    const machine = machineOf('clean-update')
    machine.dom0.set(FRESH_PATH, { bytes: FRESH, mtimeMs: 0 })
    const host = makeSimulatedHost(machine)
    const store = makeDirectoryStore(host, DEFAULT_STATE_DIR)
    const reproductions = [{ state: 'different', image: `/${NAME}`, fresh }]
    const session = aSession({ findings: { predict: { reproductions } as never } })
    const context = stepContext(host, { store, session, options: { ...RUN_OPTIONS, yes: true } })
    const report = await replaceInitramfs(context)
    expect(report.outcome).toBe('kept')
    expect(imageOf(machine)).not.toBe(FRESH.toString())
  })
})

describe('nothing is asked and nothing replaced', () => {
  it.each<[string, Parameters<typeof run>[1]]>([
    ['the fresh image is gone', { isThere: false }],
    [
      'another file lies there',
      { reproductions: [{ image: `/${NAME}`, fresh: { ...fresh, sha256: sha256('x') } }] },
    ],
    ['none was made', { reproductions: [{ state: 'different', image: `/${NAME}`, fresh: null }] }],
    ['nothing was made again', { reproductions: [] }],
    ['the session keeps no list', { reproductions: undefined as unknown }],
  ])('where %s', async (what, story) => {
    const own = what.includes('keeps no list') ? { reproductions: null } : story
    const { report, asked, isOld } = await run('yes', own)
    expect(report).toMatchObject({ outcome: 'failed', facts: { image: null } })
    expect([asked, isOld]).toEqual([[], true])
  })
})

describe('what fails is told, and the old image stays', () => {
  it('a device that cannot be opened for writing', async () => {
    const told = (host: Host): Partial<Host> => ({
      openMedia: async (request) =>
        request.write ? { state: 'unknown', why: 'x' } : host.openMedia(request),
    })
    const { report, isOld } = await run('yes', { told })
    expect(report).toMatchObject({
      outcome: 'failed',
      facts: { image: `/${NAME}`, why: expect.stringContaining('could not be opened for writing') },
    })
    expect(isOld).toBe(true)
  })

  it('a device that is not there', async () => {
    const told = (host: Host): Partial<Host> => ({
      run: async (call, input) =>
        call.id === 'lsblk'
          ? seen({ exit: 0, stdout: '{"blockdevices":[]}', stderr: '' })
          : host.run(call, input),
      readFile: async (path) =>
        path === '/proc/cmdline' ? seen(Buffer.from('root=/dev/a\n')) : host.readFile(path),
    })
    const { report, isOld } = await run('yes', { told })
    expect(report).toMatchObject({ outcome: 'failed', facts: { why: 'the device is not there' } })
    expect(isOld).toBe(true)
  })

  it('a device that does not take it to its disk', async () => {
    const told = (host: Host): Partial<Host> => ({
      run: async (call, input) =>
        call.id === 'sync-filesystem' ? seen({ exit: 1, stdout: '', stderr: 'I/O' }) : host.run(call, input),
    })
    const { report } = await run('yes', { told })
    expect(report).toMatchObject({
      outcome: 'failed',
      facts: { why: expect.stringContaining('could not be synced') },
    })
  })

  it('a fault of the program is none of these', async () => {
    const told = (): Partial<Host> => ({
      copyFile: async () => {
        throw new TypeError('a fault')
      },
    })
    await expect(run('yes', { told })).rejects.toThrow('a fault')
  })
})
