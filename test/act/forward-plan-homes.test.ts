import { describe, expect, it } from 'vitest'
import { observeForwardReadiness } from '../../src/act/forward-seal/plan.ts'
import { ABSENT, type Host, seen } from '../../src/host/host.ts'
import { STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { type SimMachine, TPM_ID } from '../../src/host/simulated/model.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observePrediction } from '../../src/observe/launch/prediction.ts'
import { aSession, machineOf } from '../support/built-in.ts'

/* Where a forward seal finds what it seals, and puts it: on the built-in machine. */

type Told = (own: Host, machine: SimMachine) => Partial<Host>

async function look(told: Told = () => ({}), device: string | null = null, name = 'two-devices') {
  const machine = machineOf(name)
  const own = makeSimulatedHost(machine)
  const calls: string[] = []
  const media = { opened: 0, closed: 0 }
  const base: Host = {
    ...own,
    async openMedia(request) {
      const found = await own.openMedia(request)
      if (found.state !== 'seen') return found
      media.opened += 1
      const close = async () => {
        media.closed += 1
        await found.value.close()
      }
      return seen({ root: found.value.root, close })
    },
  }
  const changed = { ...base, ...told(base, machine) }
  const host: Host = {
    ...changed,
    run: (call, input) => {
      calls.push(call.id)
      return changed.run(call, input)
    },
  }
  const { prediction } = await observePrediction(observeDom0(own), [13, 17, 18, 19])
  const session = aSession({ device, prediction: prediction as never })
  const { checks, plan } = await observeForwardReadiness(observeDom0(host), session, { state: 'absent' })
  return { check: (id: string) => checks.find((one) => one.id === id), plan, calls, media }
}

/** dom0 where no AEM device is plugged in and the kernel's line names none. */
const noDevice: Told = (own) => ({
  run: async (call, input) =>
    call.id === 'lsblk' ? seen({ exit: 0, stdout: '{"blockdevices":[]}', stderr: '' }) : own.run(call, input),
  readFile: async (path) =>
    path === '/proc/cmdline' ? seen(Buffer.from('root=/dev/a\n')) : own.readFile(path),
})
const isLink =
  (link: string): Told =>
  (own) => ({
    async statFile(path) {
      const found = await own.statFile(path)
      return path === link && found.state === 'seen' ? seen({ ...found.value, kind: 'link' as const }) : found
    },
  })
const noTpmId: Told = (own) => ({
  readLink: async (path) => (path === '/var/lib/tpm' ? seen('tpms/evil') : own.readLink(path)),
})

describe('the secrets that are sealed', () => {
  const withSecrets =
    (kinds: readonly string[]): Told =>
    (own) => ({
      async digestFile(path) {
        const kind = /secret\.([^./]+)$/.exec(path)?.[1]
        if (!path.startsWith('/var/lib/anti-evil-maid/') || kind === undefined) return own.digestFile(path)
        return kinds.includes(kind)
          ? seen({ sha1: '00'.repeat(20), sha256: '00'.repeat(32), sizeBytes: 1 } as never)
          : ABSENT
      },
    })

  it('are the freshness token and at least one secret', async () => {
    const { check } = await look(withSecrets(['fre', 'txt']))
    expect(check('secrets-in-dom0')).toEqual({
      id: 'secrets-in-dom0',
      ok: true,
      detail: expect.stringMatching(/^to be sealed: secret\.(txt, secret\.fre|fre, secret\.txt)$/),
    })
  })

  it.each([
    ['the token alone', ['fre']],
    ['a secret without the token', ['txt']],
    ['nothing', []],
  ])('are not there where dom0 keeps %s', async (_, kinds) => {
    const { check } = await look(withSecrets(kinds))
    expect(check('secrets-in-dom0')).toEqual({
      id: 'secrets-in-dom0',
      ok: false,
      detail: 'dom0 keeps no freshness token or no secret for this device: let AEM seal once first',
    })
  })
})

describe('the homes of the sealed files', () => {
  it.each(['/var/lib', '/var/lib/tpms', `/var/lib/tpms/${TPM_ID}`])(
    "in dom0 are not distrusted where %s is a link: that is dom0's own",
    async (path) => {
      expect((await look(isLink(path))).check('dom0-sealed')).toMatchObject({ ok: true })
    },
  )

  it.each([
    [`/var/lib/tpms/${TPM_ID}/aem`, true, false],
    [`/boot/aem/tpms/${TPM_ID}/aem`, false, true],
    ['/boot/aem/tpms', false, true],
  ])('are none where the directory %s is a link', async (path, onDevice, inDom0) => {
    const { check } = await look(isLink(path))
    expect([check('device-sealed')?.ok, check('dom0-sealed')?.ok]).toEqual([onDevice, inDom0])
  })

  it('on a stick are looked at, and it is closed again', async () => {
    const { check, media } = await look(undefined, 'aem.stick')
    expect(check('device-sealed')?.ok).not.toBeNull()
    expect(media.opened).toBeGreaterThan(0)
    expect(media.closed).toBe(media.opened)
    expect(STICK.isInternal).toBe(false)
  })

  it('of a TPM or a device that nobody knows could not be looked at', async () => {
    for (const told of [noTpmId, noDevice]) {
      const { check, plan } = await look(told)
      expect([check('device-sealed')?.ok, check('dom0-sealed')?.ok, plan]).toEqual([null, null, null])
    }
    expect((await look(noDevice)).check('secrets-in-dom0')?.ok).toBe(false)
  })
})

it('without a token that the TPM expects there is no plan, whatever is predicted', async () => {
  const good = await look(undefined, null, 'clean-update')
  expect(good.plan).not.toBeNull()
  const { plan, check } = await look(
    (own, { slots }) => {
      slots.clear()
      return own
    },
    null,
    'clean-update',
  )
  expect([plan, check('prediction')?.ok, check('freshness')?.ok]).toEqual([null, true, false])
})

it('the kernel that an update brought is the newest of its package, which is asked for', async () => {
  const { check } = await look(
    (own) => ({
      readFile: async (path) =>
        path === '/proc/sys/kernel/osrelease' ? seen(Buffer.from('5.0.0\n')) : own.readFile(path),
    }),
    null,
    'clean-update',
  )
  expect(check('kernel')).toMatchObject({ ok: true, detail: expect.stringContaining('it starts /vmlinuz-') })
})

describe('the SRK password on TPM 1.2, where AEM removed it', () => {
  const tpm12 =
    (exit: number, more: Told = () => ({})): Told =>
    (own, machine) => {
      const base: Host = {
        ...own,
        async readFile(path) {
          if (path === '/sys/class/tpm/tpm0/tpm_version_major') return seen(Buffer.from('1\n'))
          return path === '/run/anti-evil-maid/srk-password' ? ABSENT : own.readFile(path)
        },
        async run(call, input) {
          const known = ['unit-show', 'tcsd-start', 'tcsd-stop', 'tpm12-nv-read', 'tpm12-unseal-z']
          if (!known.includes(call.id)) return own.run(call, input)
          return seen({ exit: call.id === 'tpm12-unseal-z' ? exit : 0, stdout: '', stderr: '' })
        },
      }
      return { ...base, ...more(base, machine) }
    }

  it('is not needed where the well-known secret opens the sealed files', async () => {
    const { check, calls } = await look(tpm12(0))
    expect(check('srk-password')).toMatchObject({ ok: true })
    expect(calls).toContain('tpm12-unseal-z')
  })

  it('is needed where it does not', async () => {
    const { check } = await look(tpm12(1))
    expect(check('srk-password')).toMatchObject({
      ok: false,
      detail: expect.stringContaining('the SRK password is needed and not at hand'),
    })
  })

  it.each([
    ['the TPM', noTpmId],
    ['the device', noDevice],
  ])('is not tried where nobody knows %s', async (_, told) => {
    const { check, calls } = await look(tpm12(0, told))
    expect(check('srk-password')).toMatchObject({
      ok: false,
      detail: expect.stringContaining('restart once with the AEM entry'),
    })
    expect(calls).not.toContain('tpm12-unseal-z')
  })
})
