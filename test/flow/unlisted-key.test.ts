import { describe, expect, it } from 'vitest'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { TRUSTED_KEYS_FILE } from '../../src/tables/paths.ts'
import { outcomesOf, rehearse } from '../support/built-in.ts'

/** Xen of somebody else's repository, whose key the user gave to RPM (TrenchBoot's documents say how). */
const KEY_ID = '1234567890abcdef'
const FINGERPRINT = `${'0'.repeat(24)}${KEY_ID}`

function foreignXen(): SimMachine {
  const machine = SCENARIOS.find(({ name }) => name === 'clean-update')!.make()
  machine.packages = machine.packages.map((item) =>
    item.name === 'xen-hypervisor' ? { ...item, keyId: KEY_ID } : item,
  )
  return machine
}

describe('a package of a key that RPM has and nobody listed', () => {
  it('is told as that, with the way to list the key, and confirms nothing', async () => {
    const { result, ui } = await rehearse({ machine: foreignXen() })
    expect(result.exit).toBe(1)
    expect(outcomesOf(result).at(-1)).toBe('confirm-update: not-verified')
    const said = ui.said.join(' ').replace(/\s+/g, ' ')
    for (const part of ['unlisted key', KEY_ID, '/etc/aem-reseal/trusted-keys', 'gpg-pubkey-90abcdef'])
      expect(said).toContain(part)
    expect(said).not.toMatch(/CHANGED|who changed the file|not trustworthy/)
  })

  it('is verified once the key is listed', async () => {
    const machine = foreignXen()
    const bytes = Buffer.from(`${FINGERPRINT} TrenchBoot\n`)
    machine.dom0.set(TRUSTED_KEYS_FILE, { bytes, mtimeMs: machine.nowMs })
    const { result } = await rehearse({ machine })
    expect(result.exit).toBe(0)
    expect(outcomesOf(result)).toContain('confirm-update: confirmed')
  })

  it('never hides a file that was changed', async () => {
    const machine = foreignXen()
    machine.packages = machine.packages.map((item) =>
      item.name === 'xen-hypervisor'
        ? { ...item, files: new Map([...item.files].map(([path]) => [path, 'ab'.repeat(32)])) }
        : item,
    )
    const { result, ui } = await rehearse({ machine })
    expect(result.exit).toBe(1)
    expect(ui.said.join(' ')).toContain('CHANGED')
    expect(ui.said.join(' ')).toContain('not trustworthy')
  })

  it('is told after the restart too', async () => {
    const machine = foreignXen()
    const bytes = Buffer.from(`${FINGERPRINT} TrenchBoot\n`)
    machine.dom0.set(TRUSTED_KEYS_FILE, { bytes, mtimeMs: machine.nowMs })
    const { result, ui } = await rehearse({
      machine,
      whileOff: (one) => void one.dom0.delete(TRUSTED_KEYS_FILE),
    })
    expect([1, 4]).toContain(result.exit)
    const said = ui.said.join(' ').replace(/\s+/g, ' ')
    expect(said).toContain(`signed by the key ${KEY_ID}, which RPM has`)
  })
})
