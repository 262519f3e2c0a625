import { expect, test } from 'vitest'
import { ABSENT, type MediaRequest, type MountedMedia, type Seen, seen } from '../../src/host/host.ts'
import { shareMedia } from '../../src/host/share-media.ts'

const STICK: MediaRequest = { uuid: 'aaaa-bbbb', mountPoint: null }

/** A device whose mounting and unmounting ends when the test says so. */
function makeDevice() {
  const told: string[] = []
  let mounts = 0
  const open = async ({ uuid, write }: MediaRequest): Promise<Seen<MountedMedia>> => {
    told.push(`mount ${uuid}${write ? ' rw' : ''}`)
    mounts += 1
    if (mounts > 1 && !write) throw new Error('mounted twice at one place')
    await new Promise((resolve) => setImmediate(resolve))
    return seen({
      root: `/run/${uuid}`,
      async close() {
        await new Promise((resolve) => setImmediate(resolve))
        mounts -= 1
        told.push(`unmount ${uuid}${write ? ' rw' : ''}`)
      },
    })
  }
  return { told, open: shareMedia(open) }
}

async function rootOf(look: Promise<Seen<MountedMedia>>): Promise<MountedMedia> {
  const media = await look
  if (media.state !== 'seen') throw new Error(media.state)
  return media.value
}

test('two looks at one device mount it once, and the last one unmounts it', async () => {
  const { told, open } = makeDevice()
  const [first, second] = await Promise.all([rootOf(open(STICK)), rootOf(open(STICK))])
  expect([first.root, second.root]).toEqual(['/run/aaaa-bbbb', '/run/aaaa-bbbb'])
  await first.close()
  expect(told).toEqual(['mount aaaa-bbbb'])
  await second.close()
  expect(told).toEqual(['mount aaaa-bbbb', 'unmount aaaa-bbbb'])
})

test('a holder that closes twice does not take the device from the other', async () => {
  const { told, open } = makeDevice()
  const [first, second] = await Promise.all([rootOf(open(STICK)), rootOf(open(STICK))])
  await first.close()
  await first.close()
  expect(told).toEqual(['mount aaaa-bbbb'])
  await second.close()
})

test('one that comes while the last holder unmounts waits, and mounts again', async () => {
  const { told, open } = makeDevice()
  const first = await rootOf(open(STICK))
  const closing = first.close()
  const second = await rootOf(open(STICK))
  await closing
  await second.close()
  expect(told).toEqual(['mount aaaa-bbbb', 'unmount aaaa-bbbb', 'mount aaaa-bbbb', 'unmount aaaa-bbbb'])
})

test('a device that is opened for writing is not the one that is open for a look', async () => {
  const { told, open } = makeDevice()
  const look = await rootOf(open(STICK))
  const write = await rootOf(open({ ...STICK, write: true }))
  expect(told).toEqual(['mount aaaa-bbbb', 'mount aaaa-bbbb rw'])
  await write.close()
  await look.close()
})

test.each(['absent', 'thrown'])('a device that could not be opened (%s) is tried again', async (kind) => {
  let tries = 0
  const open = shareMedia(async () => {
    tries += 1
    if (kind === 'thrown') throw new Error('no more memory')
    return ABSENT
  })
  const ended = await Promise.allSettled([open(STICK), open(STICK)])
  expect(ended.map(({ status }) => status)).toEqual(
    kind === 'thrown' ? ['rejected', 'rejected'] : ['fulfilled', 'fulfilled'],
  )
  await open(STICK).catch(() => undefined)
  expect(tries).toBe(2)
})
