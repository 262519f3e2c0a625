import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  checkMediaCurrent,
  checkSelection,
  combineChecks,
  computePolicyPcr,
} from '../../../src/core/decide/verify-copies.ts'
import { parsePcrRead } from '../../../src/core/launch/tpm2-pcrread.ts'
import { runTool } from '../../support/process.ts'
import { temporaryDirectory } from '../../support/temporary.ts'

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** A software TPM of its own. @returns what runs tpm2-tools against it */
async function startTpm(): Promise<(tool: string, ...args: string[]) => Promise<string>> {
  if (!existsSync('/usr/bin/swtpm')) throw new Error('/usr/bin/swtpm is missing: apt-get install swtpm')
  const state = temporaryDirectory()
  // The TCTI takes the control channel at the next port.
  let port = await freePort()
  while (port > 65_000) port = await freePort()
  const swtpm = spawn(
    '/usr/bin/swtpm',
    [
      'socket',
      '--tpm2',
      '--tpmstate',
      `dir=${state}`,
      '--server',
      `type=tcp,port=${port}`,
      '--ctrl',
      `type=tcp,port=${port + 1}`,
      '--flags',
      'not-need-init,startup-clear',
    ],
    { stdio: 'ignore' },
  )
  onTestFinished(async () => {
    swtpm.kill('SIGKILL')
    await once(swtpm, 'exit').catch(() => undefined)
  })
  const run = (tool: string, ...args: string[]): Promise<string> =>
    runTool(`/usr/bin/${tool}`, ['-T', `swtpm:host=127.0.0.1,port=${port}`, ...args], 'tpm2-tools')
  for (let attempt = 0; ; attempt++) {
    try {
      await run('tpm2_getcap', 'properties-fixed')
      return run
    } catch (error) {
      if (attempt >= 50) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

describe('computePolicyPcr', () => {
  it('is what a TPM computes in a trial session', async () => {
    const tpm = await startTpm()
    const directory = temporaryDirectory()
    await tpm('tpm2_pcrextend', `13:sha256=${'1'.repeat(64)}`, `16:sha256=${'2'.repeat(64)}`)
    const selections = [[13], [13, 16], [0, 7, 13, 16, 23], [13, 17, 18, 19]]
    const values = parsePcrRead(await tpm('tpm2_pcrread', 'sha1:all+sha256:all')).sha256 ?? {}
    expect(Object.keys(values)).toHaveLength(24)
    for (const [index, pcrs] of selections.entries()) {
      const [session, policy] = [join(directory, `session${index}`), join(directory, `policy${index}`)]
      await tpm('tpm2_startauthsession', '-S', session)
      await tpm('tpm2_policypcr', '-S', session, '-l', `sha256:${pcrs.join(',')}`, '-L', policy)
      await tpm('tpm2_flushcontext', session)
      expect(computePolicyPcr(pcrs, values), pcrs.join()).toBe(readFileSync(policy).toString('hex'))
    }
  })

  it('does not depend on the order of the selection, and gives none with a value missing', () => {
    const values = { 13: 'aa'.repeat(32), 17: 'bb'.repeat(32) }
    expect(computePolicyPcr([17, 13], values)).toBe(computePolicyPcr([13, 17], values))
    expect(computePolicyPcr([13, 17, 18], values)).toBeNull()
  })

  it('differs with every bit of every register and with the selection', () => {
    const hex = fc.stringMatching(/^[0-9a-f]{64}$/)
    fc.assert(
      fc.property(hex, hex, (one, two) => {
        fc.pre(one !== two)
        expect(computePolicyPcr([17], { 17: one })).not.toBe(computePolicyPcr([17], { 17: two }))
        expect(computePolicyPcr([17], { 17: one })).not.toBe(computePolicyPcr([18], { 18: one }))
      }),
    )
  })
})

describe('the checks of a sealed copy', () => {
  const files = [
    { name: 'key.pub', sha256: 'a' },
    { name: 'secret.fre.sealed2', sha256: 'b' },
  ]

  it('media-current', () => {
    expect(checkMediaCurrent(files, files).ok).toBe(true)
    expect(checkMediaCurrent([{ ...files[0]!, sha256: 'x' }, files[1]!], files)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('key.pub'),
    })
    expect(checkMediaCurrent(files.slice(1), files).ok).toBe(false)
    expect(checkMediaCurrent(files, files.slice(1)).ok).toBe(false)
    expect(checkMediaCurrent([], []).ok).toBe(false)
    expect(checkMediaCurrent(null, files).ok).toBeNull()
    expect(checkMediaCurrent(files, null).ok).toBeNull()
    const unread = files.map((file) => ({ ...file, sha256: null }))
    for (const [device, dom0] of [
      [unread, unread],
      [unread, files],
      [files, unread],
    ] as const)
      expect(checkMediaCurrent(device, dom0).ok).toBeNull()
  })

  it('selection', () => {
    const key = { bank: 'sha256', pcrs: [13, 17, 18, 19] }
    expect(checkSelection(key, [19, 18, 17, 13]).ok).toBe(true)
    expect(checkSelection(key, [13, 17, 18]).ok).toBe(false)
    expect(checkSelection({ ...key, bank: 'sha1' }, key.pcrs).ok).toBe(false)
    expect(checkSelection(null, key.pcrs).ok).toBeNull()
    expect(checkSelection(key, null).ok).toBeNull()
  })

  it('together are as good as the worst of them', () => {
    const check = (ok: boolean | null) => ({ id: 'policy', ok, detail: '' }) as const
    expect(combineChecks([check(true), check(true)])).toBe(true)
    expect(combineChecks([check(true), check(null)])).toBeNull()
    expect(combineChecks([check(null), check(false)])).toBe(false)
    expect(combineChecks([])).toBeNull()
  })
})
