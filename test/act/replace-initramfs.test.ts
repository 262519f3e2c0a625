import { expect, it } from 'vitest'
import { replaceInitramfs } from '../../src/act/replace-initramfs.ts'
import type { Failure } from '../../src/core/failure.ts'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import type { AemDevice } from '../../src/observe/device/devices.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { STICK_UUID } from '../support/recorded-machine.ts'

/* The image that dom0 made, in the place of the one on a stick. */

const NAME = '/initramfs-6.6.36-1.qubes.fc37.x86_64.img'
const DEVICE = { label: 'aem.stick', uuid: STICK_UUID, mountPoint: null } as AemDevice
const FRESH = { path: '/run/aem-reseal/1-1/work-0/image', sha256: 'a'.repeat(64) }

async function replace(told: Partial<Host> = {}) {
  const did: unknown[] = []
  const host = makeFakeHost({
    async openMedia(request) {
      did.push(request)
      return seen({ root: '/media', close: async () => void did.push('close') })
    },
    copyFile: async (from, to, sha256) => void did.push([from, to, sha256]),
    async run(call) {
      did.push(call.argv.join(' '))
      return seen({ exit: 0, stdout: '', stderr: '' })
    },
    ...told,
  })
  const failure = await replaceInitramfs(host, DEVICE, NAME, FRESH).then(
    () => null,
    (error: Failure) => error,
  )
  return { did, failure }
}

const OPEN = { uuid: STICK_UUID, mountPoint: null, write: true }
const COPY = [FRESH.path, `/media${NAME}`, FRESH.sha256]

it('is copied by its digest, and on the disk before the stick is closed', async () => {
  const { did, failure } = await replace()
  expect(failure).toBeNull()
  expect(did).toEqual([OPEN, COPY, '/usr/bin/sync -f /media', 'close'])
})

it.each([
  ['is not there', ABSENT],
  ['cannot be opened', unknown('no such device')],
])('is copied nowhere where the stick %s', async (_, answer) => {
  const { did, failure } = await replace({ openMedia: async () => answer })
  expect(failure?.text).toMatchObject({
    code: 'refresh-failed',
    what: expect.stringContaining('aem.stick could not be opened for writing'),
  })
  expect(did).toEqual([])
})

it('is not called copied where it could not be, and the stick is closed', async () => {
  const full = new Error('no space left')
  const { did, failure } = await replace({
    async copyFile() {
      throw full
    },
  })
  expect(failure).toBe(full)
  expect(did).toEqual([OPEN, 'close'])
})

it.each<[string, Awaited<ReturnType<Host['run']>>]>([
  ['fails', seen({ exit: 1, stdout: '', stderr: '' })],
  ['is not installed', ABSENT],
  ['took too long', unknown('timeout')],
])('may not be on the disk where sync %s: that is told, and the stick is closed', async (_, run) => {
  const { did, failure } = await replace({ run: async () => run })
  expect(failure?.text).toMatchObject({
    code: 'refresh-failed',
    what: expect.stringContaining(`${NAME} was copied, but the device could not be synced`),
  })
  expect(did).toEqual([OPEN, COPY, 'close'])
})
