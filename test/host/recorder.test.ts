import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Host } from '../../src/host/host.ts'
import { makeRealHost } from '../../src/host/real.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { type SimMachine, TPM_ID } from '../../src/host/simulated/model.ts'
import { aSession, machineOf } from '../support/built-in.ts'
import { runMain } from '../support/io.ts'
import { type StatusAnswer, statusAnswerOf } from '../support/status.ts'
import { temporaryDirectory } from '../support/temporary.ts'

async function record(host: Host, out = join(temporaryDirectory(), 'out')) {
  const { exit, json } = await runMain(['record', '--json', '--out', out], { host })
  return { out, exit, summary: json as { files: number; commands: number; leftOut: string[] } }
}

function filesBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
}

/** Sealed files are left out of a recording, and with them the PCRs they are sealed for: unknown, never a guess. */
function withoutBindings(answer: StatusAnswer): StatusAnswer {
  const devices = answer.aem.devices.map((device) => ({ ...device, sealedFor: null }))
  expect(answer.aem.devices.every(({ sealedFor }) => sealedFor !== 'not-sealed')).toBe(true)
  return { ...answer, aem: { ...answer.aem, devices } }
}

describe('the next step after recording', () => {
  const said = async (environment: Record<string, string>, name = 'out'): Promise<string> => {
    const out = join(temporaryDirectory(), name)
    const host = makeSimulatedHost(machineOf('clean-update'))
    const { stdout } = await runMain(['record', '--out', out], { host, environment })
    return stdout.replaceAll(out, 'OUT')
  }

  it("says sudo where sudo ran it: the directory is root's", async () => {
    expect(await said({ SUDO_UID: '1000' })).toContain('next: sudo aem-reseal --machine OUT status;')
    expect(await said({})).toContain('next: aem-reseal --machine OUT status;')
  })

  it('quotes a name that a shell would take apart', async () => {
    expect(await said({}, "my machine's")).toContain(`next: aem-reseal --machine '`)
  })
})

describe('a recorded machine', () => {
  it.each(['clean-update', 'stale-stick', 'two-devices', 'no-aem'])(
    'of the built-in machine %s answers status as the machine did',
    async (name) => {
      const machine = machineOf(name)
      const { out, exit } = await record(makeSimulatedHost(machine))
      expect(exit).toBe(0)
      const wanted = withoutBindings(await statusAnswerOf(makeSimulatedHost(machine)))
      const replayed = await runMain(['status', '--json', '--machine', out])
      expect(replayed.exit).toBe(0)
      expect(replayed.json).toEqual(JSON.parse(JSON.stringify(wanted)))
      expect(replayed.json).toMatchObject({ qubes: { release: '4.2' } })
    },
  )

  it('answers it again and again, and to every other look without an error', async () => {
    const { out } = await record(makeSimulatedHost(machineOf('two-devices')))
    const [one, two] = [
      await runMain(['status', '--json', '--machine', out]),
      await runMain(['status', '--json', '--machine', out]),
    ]
    expect(one.stdout).toBe(two.stdout)
    for (const look of ['verify', 'explain']) {
      const run = await runMain([look, '--json', '--machine', out])
      expect(run.json, look).not.toHaveProperty('error')
    }
  })

  it('keeps the session with it', async () => {
    const machine = machineOf('clean-update')
    const session = aSession({ step: 'restart' })
    machine.dom0.set('/var/lib/aem-reseal/session.json', {
      bytes: Buffer.from(JSON.stringify(session)),
      mtimeMs: 0,
    })
    const { out } = await record(makeSimulatedHost(machine))
    const { json } = await runMain(['status', '--json', '--machine', out])
    expect(json).toMatchObject({ session: { id: session.id, step: 'restart' } })
  })

  it('of this very computer answers status as it does', async () => {
    const state = temporaryDirectory()
    const open = () => makeRealHost({ stateDir: state, userDirectories: [] })
    const wanted = await statusAnswerOf(open(), state)
    const { out, exit } = await record(open())
    expect(exit).toBe(0)
    const replayed = await runMain(['status', '--json', '--machine', out])
    expect(replayed.json).toEqual(JSON.parse(JSON.stringify(wanted)))
  })
})

describe('what a recorded machine does not hold', () => {
  const MARKER = 'MARKER-OF-A-SECRET'

  /** Puts the marker into everything that must not leave the machine. */
  function plantSecrets(machine: SimMachine): readonly string[] {
    const planted: string[] = []
    const plant = (files: Map<string, { bytes: Uint8Array; mtimeMs: number }>, path: string): void => {
      const before = files.get(path)?.bytes ?? Buffer.alloc(0)
      files.set(path, {
        bytes: Buffer.concat([before, Buffer.from(`${MARKER} ${path}`)]),
        mtimeMs: machine.nowMs,
      })
      planted.push(path)
    }
    for (const { suffix } of machine.devices) {
      for (const name of ['secret.txt', 'secret.key', 'secret.otp', 'secret.fre']) {
        plant(machine.dom0, `/var/lib/anti-evil-maid/aem${suffix}/${name}`)
      }
    }
    plant(machine.dom0, '/run/anti-evil-maid/srk-password')
    const sealed = ['key.priv', 'secret.txt.sealed2', 'secret.fre.sealed2', 'secret.otp.sealed2']
    for (const device of machine.devices) {
      const label = `aem${device.suffix}`
      for (const name of sealed) {
        plant(machine.dom0, `/var/lib/tpms/${TPM_ID}/${label}/${name}`)
        plant(device.files, `/aem/tpms/${TPM_ID}/${label}/${name}`)
      }
    }
    return planted
  }

  it('is any secret, sealed blob or password', async () => {
    const machine = machineOf('two-devices')
    expect(plantSecrets(machine).length).toBeGreaterThan(20)
    const { out, summary } = await record(makeSimulatedHost(machine))
    const files = filesBelow(out)
    expect(files.length).toBeGreaterThan(10)
    for (const path of files) {
      expect(readFileSync(path).includes(MARKER), path).toBe(false)
      expect(path).not.toContain('secret.txt')
    }
    // What was left out is said, each file by its name.
    expect(summary.leftOut.some((path) => path.endsWith('/secret.fre.sealed2'))).toBe(true)
    expect(summary.leftOut.some((path) => path.startsWith('/run/aem-reseal/media/'))).toBe(true)
    const { leftOut } = JSON.parse(readFileSync(join(out, 'machine.json'), 'utf8')) as { leftOut: string[] }
    expect(leftOut).toEqual(summary.leftOut)
  })

  it('is a digest or the length of a secret: a sentence can be guessed, and a digest confirms the guess', async () => {
    const machine = machineOf('two-devices')
    const planted = plantSecrets(machine).filter((path) => /\/secret\.[a-z]+$|srk-password$/.test(path))
    const { out } = await record(makeSimulatedHost(machine))
    const text = readFileSync(join(out, 'machine.json'), 'utf8')
    const { stats } = JSON.parse(text) as { stats: Record<string, { sizeBytes: number }> }
    expect(planted.length).toBeGreaterThan(8)
    for (const path of planted) {
      const { bytes } = machine.dom0.get(path) ?? { bytes: Buffer.alloc(0) }
      for (const algorithm of ['sha1', 'sha256'])
        expect(text, path).not.toContain(createHash(algorithm).update(bytes).digest('hex'))
      expect(stats[path]?.sizeBytes ?? 0, path).toBe(0)
    }
  })

  it('is any sealed blob of a device that the user mounted somewhere', async () => {
    const machine = machineOf('two-devices')
    plantSecrets(machine)
    const own = makeSimulatedHost(machine)
    const [, stick] = machine.devices
    if (!stick) throw new Error('no stick')
    const root = '/run/media/user/aem.stick'
    const place = (path: string): string =>
      path.startsWith(root) ? `/run/aem-reseal/media/${stick.uuid}${path.slice(root.length)}` : path
    const mounted: Host = {
      ...own,
      readFile: (path) => own.readFile(place(path)),
      listDirectory: (path) => own.listDirectory(place(path)),
      statFile: (path) => own.statFile(place(path)),
      digestFile: (path) => own.digestFile(place(path)),
      async openMedia(media) {
        if (media.uuid !== stick.uuid) return own.openMedia(media)
        return { state: 'seen', value: { root, close: async () => undefined } }
      },
    }
    const { out, summary } = await record(mounted)
    const recorded = filesBelow(out)
    for (const path of recorded) expect(readFileSync(path).includes(MARKER), path).toBe(false)
    expect(recorded.filter((path) => path.includes(root) && /key\.(pub|priv)$/.test(path))).toEqual([])
    expect(summary.leftOut).toContain(`${root}/aem/tpms/${TPM_ID}/aem.stick/key.priv`)
  })

  it('is any disk that is no AEM device', async () => {
    const own = makeSimulatedHost(machineOf('clean-update'))
    const host: Host = {
      ...own,
      async run(call, input) {
        const answer = await own.run(call, input)
        if (call.id !== 'lsblk' || answer.state !== 'seen') return answer
        const json = JSON.parse(answer.value.stdout) as { blockdevices: unknown[] }
        json.blockdevices.push({
          name: '/dev/sdz1',
          label: MARKER,
          uuid: MARKER,
          fstype: 'vfat',
          mountpoint: null,
          rm: true,
          ro: false,
          size: 1,
        })
        json.blockdevices.push({
          name: '/dev/sdy1',
          label: null,
          uuid: MARKER,
          fstype: 'crypto_LUKS',
          mountpoint: null,
          rm: false,
          ro: false,
          size: 1,
        })
        return { state: 'seen', value: { ...answer.value, stdout: JSON.stringify(json) } }
      },
    }
    const { out } = await record(host)
    for (const path of filesBelow(out)) expect(readFileSync(path).includes(MARKER), path).toBe(false)
    const { json } = await runMain(['status', '--json', '--machine', out])
    expect(json).toMatchObject({ aem: { devices: [{ label: 'aem' }] } })
  })

  it('is what a program was told on its standard input, nor its answer', async () => {
    const { makeRecorder } = await import('../../src/host/recorder.ts')
    const { command } = await import('../../src/tables/commands.ts')
    const out = join(temporaryDirectory(), 'out')
    const told: (Uint8Array | undefined)[] = []
    const own = makeSimulatedHost(machineOf('clean-update'))
    const recorder = await makeRecorder(
      {
        ...own,
        async run(_call, input) {
          told.push(input)
          return { state: 'seen', value: { exit: 0, stdout: MARKER, stderr: '' } }
        },
      },
      out,
    )
    await recorder.host.run(command('running-qubes', {}), Buffer.from(MARKER))
    await recorder.write()
    expect(told).toEqual([Buffer.from(MARKER)])
    for (const path of filesBelow(out)) expect(readFileSync(path).includes(MARKER), path).toBe(false)
  })
})

describe('where it is written', () => {
  it('is readable by its owner only', async () => {
    const umask = process.umask(0o077)
    try {
      const { out } = await record(makeSimulatedHost(machineOf('clean-update')))
      for (const path of [out, ...filesBelow(out)]) expect(statSync(path).mode & 0o077, path).toBe(0)
    } finally {
      process.umask(umask)
    }
  })

  it('must be empty: nothing is overwritten', async () => {
    const out = temporaryDirectory()
    writeFileSync(join(out, 'mine'), 'mine')
    await expect(record(makeSimulatedHost(machineOf('clean-update')), out)).resolves.toMatchObject({
      exit: 1,
      summary: { error: { code: 'output-directory' } },
    })
    expect(readdirSync(out)).toEqual(['mine'])
  })

  it('must be a directory that can be made', async () => {
    const file = join(temporaryDirectory(), 'file')
    writeFileSync(file, '')
    for (const out of [file, join(file, 'below')]) {
      await expect(record(makeSimulatedHost(machineOf('clean-update')), out)).resolves.toMatchObject({
        exit: 1,
        summary: { error: { code: 'write-failed' } },
      })
    }
  })

  it('belongs to nobody else, and nobody else can write to it: they could lead the files elsewhere', async () => {
    const [foreign, open] = [temporaryDirectory(), temporaryDirectory()]
    chownSync(foreign, 65534, 65534)
    chmodSync(open, 0o777)
    for (const out of [foreign, open]) {
      await expect(record(makeSimulatedHost(machineOf('clean-update')), out)).resolves.toMatchObject({
        exit: 1,
        summary: { error: { code: 'output-not-own' } },
      })
      expect(readdirSync(out)).toEqual([])
    }
  })

  it('is no link, and what somebody puts in its place while it is written gets nothing', async () => {
    const parent = temporaryDirectory()
    const target = join(parent, 'target')
    mkdirSync(target)
    symlinkSync(target, join(parent, 'link'))
    const machine = machineOf('clean-update')
    await expect(record(makeSimulatedHost(machine), join(parent, 'link'))).resolves.toMatchObject({
      exit: 1,
      summary: { error: { code: 'write-failed' } },
    })
    const own = makeSimulatedHost(machine)
    const out = join(parent, 'out')
    let isMoved = false
    const racing: Host = {
      ...own,
      async run(call, input) {
        if (!isMoved) {
          renameSync(out, join(parent, 'moved'))
          symlinkSync(target, out)
          isMoved = true
        }
        return own.run(call, input)
      },
    }
    await record(racing, out)
    expect(readdirSync(target)).toEqual([])
    expect(readdirSync(join(parent, 'moved')).sort()).toEqual(['commands.json', 'machine.json', 'root'])
  })

  it('may be an empty directory', async () => {
    const out = join(temporaryDirectory(), 'empty')
    mkdirSync(out)
    expect((await record(makeSimulatedHost(machineOf('clean-update')), out)).exit).toBe(0)
  })
})
