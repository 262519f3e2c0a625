import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { build } from 'esbuild'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { makeRealHost } from '../../src/host/real.ts'
import { ROOT } from '../support/sources.ts'
import { temporaryDirectory } from '../support/temporary.ts'

function lockHere(directory: string) {
  return makeRealHost({ stateDir: directory, userDirectories: [] }).lockFile(join(directory, 'session.lock'))
}

/** Another process that holds the lock of a directory until it is ended. */
async function holdElsewhere(directory: string): Promise<ChildProcess> {
  const script = join(temporaryDirectory(), 'hold.mjs')
  await build({
    stdin: {
      contents: `
        import { makeRealHost } from './src/host/real.ts'
        const [directory] = process.argv.slice(2)
        const host = makeRealHost({ stateDir: directory, userDirectories: [] })
        await host.lockFile(directory + '/session.lock')
        process.stdout.write('held')
        setInterval(() => undefined, 1000)
      `,
      resolveDir: ROOT,
      loader: 'ts',
    },
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
  })
  const child = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout as NonNullable<typeof child.stdout>, 'data')
  return child
}

describe('the lock of the session', () => {
  it('is held by one at a time, and free again after release', async () => {
    const directory = temporaryDirectory()
    const lock = await lockHere(directory)
    const refused = await lockHere(directory).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(Failure)
    expect((refused as Failure).text).toMatchObject({
      code: 'session-locked',
      next: expect.stringContaining('pgrep'),
    })
    await lock.release()
    await (await lockHere(directory)).release()
  })

  it('of another directory is another lock', async () => {
    const [one, two] = [await lockHere(temporaryDirectory()), await lockHere(temporaryDirectory())]
    await one.release()
    await two.release()
  })

  it('is the same by another name of the same directory', async () => {
    const directory = temporaryDirectory()
    const lock = await lockHere(directory)
    await expect(lockHere(join(directory, '.'))).rejects.toThrow(/another aem-reseal/)
    await lock.release()
  })

  it('keeps another process out, and is free when its owner is killed', async () => {
    const directory = temporaryDirectory()
    const child = await holdElsewhere(directory)
    await expect(lockHere(directory)).rejects.toThrow(/another aem-reseal/)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await (await lockHere(directory)).release()
  })
})
