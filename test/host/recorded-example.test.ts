import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeStatus } from '../../src/observe/dom0/status.ts'
import { ROOT } from '../support/sources.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** The files of the example in docs/contract.md: a name in backquotes alone on its line, then a block. */
function writeExample(): { directory: string; lines: number } {
  const contract = readFileSync(join(ROOT, 'docs/contract.md'), 'utf8')
  const directory = temporaryDirectory()
  let lines = 0
  for (const [, name, content] of contract.matchAll(/^`([\w./-]+)`\n\n```(?:json|text)\n(.*?)^```$/gms)) {
    const path = join(directory, name!)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content!)
    lines += 1 + content!.trimEnd().split('\n').length
  }
  return { directory, lines }
}

describe('the recorded machine that the contract makes by hand', () => {
  it('is short', () => {
    expect(writeExample().lines).toBeGreaterThan(10)
    expect(writeExample().lines).toBeLessThanOrEqual(20)
  })

  it('answers as the contract says', async () => {
    const host = await makeRecordedHost(writeExample().directory)
    const status = await observeStatus(observeDom0(host))
    expect(status).toMatchObject({
      measured: true,
      aem: { selectedPcrs: [13, 17, 18, 19] },
      machine: { release: '4.2', bootedWithAem: true, xen: { version: '4.17.4' } },
      tpm: { version: '2.0' },
    })
    expect(status.tpm.pcrs.sha256?.[17]).toMatch(/^68f6912b/)
    expect(await observeDom0(host).log()).toMatchObject({
      text: { what: expect.stringMatching(/txt-stat ended with 1.*xl dmesg names no event log/) },
    })
  })
})
