import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readExt4State } from '../../src/host/ext4.ts'
import { openWanted } from '../../src/host/open-path.ts'
import { digestGuarded, readWhole } from '../../src/host/real-look.ts'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { command } from '../../src/tables/commands.ts'
import { runTool } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** A writer waits in open(2) until somebody opens the pipe for reading: then it says so and ends. */
async function watchPipe(path: string, look: () => Promise<unknown>): Promise<boolean> {
  await runTool('/usr/bin/mkfifo', [path], 'coreutils')
  const writer = spawn('/bin/sh', ['-c', 'exec 3>"$1"; echo opened', 'sh', path])
  const ended = once(writer, 'close')
  let isOpened = false
  writer.stdout.on('data', () => {
    isOpened = true
  })
  await new Promise((resolve) => setTimeout(resolve, 200))
  await look()
  await new Promise((resolve) => setTimeout(resolve, 200))
  writer.kill('SIGKILL')
  await ended
  return isOpened
}

const place = (): string => join(temporaryDirectory(), 'pipe')

describe('what is no regular file is refused before it is opened', () => {
  it('a plain open would be seen', async () => {
    const path = place()
    const look = async (): Promise<void> => {
      const { open } = await import('node:fs/promises')
      await (await open(path, constants.O_RDONLY | constants.O_NONBLOCK)).close()
    }
    expect(await watchPipe(path, look)).toBe(true)
  })

  it.each([true, false])('read and hashed, guarded: %s', async (isGuarded) => {
    const digest = (path: string, guarded: boolean) => digestGuarded(path, guarded, null)
    for (const look of [readWhole, digest]) {
      const path = place()
      let answer: unknown = null
      const isOpened = await watchPipe(path, async () => {
        answer = await look(path, isGuarded)
      })
      expect(answer).toMatchObject({ state: 'unknown', why: expect.stringContaining('not a regular file') })
      expect(isOpened).toBe(false)
    }
  })

  it('of a recorded machine', async () => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, 'root/etc'), { recursive: true })
    writeFileSync(join(directory, 'machine.json'), '{"format": 1}')
    const host = await makeRecordedHost(directory)
    let answer: unknown = null
    const isOpened = await watchPipe(join(directory, 'root/etc/qubes-release'), async () => {
      answer = await host.readFile('/etc/qubes-release')
    })
    expect(answer).toMatchObject({ state: 'unknown', why: expect.stringContaining('not a regular file') })
    expect(isOpened).toBe(false)
  })

  it('as the file system of a stick', async () => {
    const path = place()
    expect(
      await watchPipe(path, async () => {
        expect(await readExt4State(path)).toBeNull()
      }),
    ).toBe(false)
  })
})

describe('openWanted', () => {
  it('reads the file, and names it in the words of the system', async () => {
    const directory = temporaryDirectory()
    const file = join(directory, 'file')
    writeFileSync(file, 'text', { mode: 0o600 })
    const handle = await openWanted(file, constants.O_NOFOLLOW, (stat) => stat.isFile())
    expect((await handle.readFile()).toString()).toBe('text')
    await handle.close()
    await expect(openWanted(join(directory, 'none'), 0, () => true)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('follows a link only where it may, and tells where it led', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'file'), 'text')
    symlinkSync('file', join(directory, 'link'))
    const link = join(directory, 'link')
    await expect(openWanted(link, constants.O_NOFOLLOW, (stat) => stat.isFile())).rejects.toMatchObject({
      code: 'ELOOP',
    })
    const places: string[] = []
    const handle = await openWanted(link, 0, (_, real) => places.push(real) > 0)
    await handle.close()
    expect(places).toEqual([join(directory, 'file')])
  })
})

it('a stick is mounted so that its errors neither halt the machine nor change how it is mounted', () => {
  for (const id of ['mount-media', 'mount-media-writable'] as const) {
    const { argv } = command(id, { uuid: 'abcd-ef01', mountPoint: '/run/aem-reseal/media/abcd-ef01' })
    const options = argv[argv.indexOf('-o') + 1]?.split(',')
    expect(options).toEqual(expect.arrayContaining(['nosuid', 'nodev', 'noexec', 'errors=continue']))
  }
})
