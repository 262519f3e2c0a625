import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { RunResult, Seen } from '../../src/host/host.ts'
import { clearTraces, makeTraces } from '../../src/host/leftovers.ts'
import type { CommandCall } from '../../src/tables/commands.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** Remembers what was run; each answer is an exit code, the last one again and again. */
function makeRun(...exits: number[]) {
  const ran: string[] = []
  const run = async ({ id }: CommandCall): Promise<Seen<RunResult>> => {
    ran.push(id)
    const exit = exits.length > 1 ? exits.shift() : exits[0]
    return { state: 'seen', value: { exit: exit ?? 0, stdout: '', stderr: '' } }
  }
  return { ran, run }
}

/** What a process that has ended left: a name that no process has now. */
function leave(root: string, name: string): string {
  const pid = Number(execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }))
  const directory = join(root, `${pid}-1`)
  mkdirSync(join(directory, 'work-a'), { recursive: true })
  writeFileSync(join(directory, name), 'hunter2')
  return directory
}

describe('what a killed run left', () => {
  it('is removed, files with a password first of all', async () => {
    const root = temporaryDirectory()
    const directory = leave(root, 'work-a/srk')
    await clearTraces(root, makeRun().run)
    expect(existsSync(directory)).toBe(false)
  })

  it('a stopped tcsd is started again, and asked again while ours keeps its port', async () => {
    const root = temporaryDirectory()
    const directory = leave(root, 'tcsd-stopped')
    const { ran, run } = makeRun(1, 1, 0)
    await clearTraces(root, run)
    expect(ran.filter((id) => id === 'tcsd-start')).toHaveLength(3)
    expect(existsSync(directory)).toBe(false)
  })

  it('stays noted while it cannot be undone', async () => {
    const root = temporaryDirectory()
    const directory = leave(root, 'tcsd-stopped')
    const run = async (): Promise<Seen<RunResult>> => ({ state: 'absent' })
    await clearTraces(root, run)
    expect(readdirSync(directory)).toEqual(['tcsd-stopped'])
  })

  it('a session is taken out of the TPM by its file', async () => {
    const root = temporaryDirectory()
    leave(root, 'work-a/session')
    const { ran, run } = makeRun(0)
    await clearTraces(root, run)
    expect(ran).toContain('tpm2-flush-session')
  })

  it('a name of another form is none of ours', async () => {
    const root = temporaryDirectory()
    mkdirSync(join(root, 'media'))
    writeFileSync(join(root, '1-1 '), '')
    const { ran, run } = makeRun(0)
    await clearTraces(root, run)
    expect(readdirSync(root)).toEqual(['1-1 ', 'media'])
    expect(ran).toEqual([])
  })
})

describe('a run that lives', () => {
  it('is left alone, and names itself by pid and start time', async () => {
    const root = temporaryDirectory()
    const traces = makeTraces(root)
    const work = await traces.makeWorkDirectory()
    const forget = await traces.note('tcsd-stopped')
    const { ran, run } = makeRun(0)
    await clearTraces(root, run)
    expect(ran).toEqual([])
    const [name = ''] = readdirSync(root)
    const started = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ')[19]
    expect(name).toBe(`${process.pid}-${started}`)
    expect(work.startsWith(join(root, name, 'work-'))).toBe(true)
    await forget()
    expect(readdirSync(join(root, name))).toHaveLength(1)
  })

  it('removes its directory at the end, unless something is noted still', async () => {
    const root = join(temporaryDirectory(), 'run')
    const traces = makeTraces(root)
    const forget = await traces.note('tcsd-stopped')
    await traces.close()
    expect(readdirSync(root)).toHaveLength(1)
    await forget()
    await traces.close()
    expect(existsSync(root)).toBe(false)
  })
})
