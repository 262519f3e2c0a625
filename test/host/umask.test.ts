import { mkdtemp, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { runProgram } from '../../src/host/run-program.ts'
import { type CommandCall, command } from '../../src/tables/commands.ts'

/* The program's own umask is 077 (src/bin.ts); dracut gives the files of an image modes by the one it finds. */

let own = 0
beforeEach(() => {
  own = process.umask(0o077)
})
afterEach(() => {
  process.umask(own)
})

async function modeOf(umask: number | null): Promise<number> {
  const folder = join(await mkdtemp(join(tmpdir(), 'umask-')), 'made')
  const call: CommandCall = {
    ...command('sync-filesystem', { path: '/' }),
    argv: ['/usr/bin/mkdir', folder],
    umask,
  }
  const run = await runProgram(call)
  // Before anything else happens: what this program writes itself keeps its own.
  expect(process.umask()).toBe(0o077)
  expect(run).toMatchObject({ state: 'seen', value: { exit: 0 } })
  return (await stat(folder)).mode & 0o777
}

it('a program of a row with a umask begins with it, and this one keeps its own', async () => {
  expect(await modeOf(0o022)).toBe(0o755)
  expect(await modeOf(null)).toBe(0o700)
})

it('keeps its own where the program cannot be started', async () => {
  const call: CommandCall = {
    ...command('sync-filesystem', { path: '/' }),
    argv: ['/usr/bin/no-such-program'],
    umask: 0o022,
  }
  expect(await runProgram(call)).toEqual({ state: 'absent' })
  expect(process.umask()).toBe(0o077)
})

it.each(['make-initramfs', 'reproduce-initramfs-f'] as const)('%s has that of a package manager', (id) => {
  const params = {
    file: '/run/a',
    kernel: '6.6.36',
    ...(id === 'make-initramfs' ? {} : { modules: '/run/m' }),
  }
  expect(command(id, params as never).umask).toBe(0o022)
})
