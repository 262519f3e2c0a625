import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createUsedStage } from './kept-stage.ts'
import { signerFingerprint } from './rpm.ts'
import type { Stage } from './stage.ts'

/*
 * Somebody took PCR 13 out of SEAL, as AEM's README allows. Its package does not mark anti-evil-maid.conf as configuration
 * (anti-evil-maid 4.2.0, anti-evil-maid.spec.in; the stage's package has it the same way), so `rpm -V` names the file.
 */

describe.each(['1.2', '2.0'] as const)('SEAL without PCR 13, TPM %s', (tpm) => {
  let stage: Stage

  beforeAll(async () => {
    stage = await createUsedStage({ tpm })
    await stage.powerOn()
    const keys = stage.pathOf('/etc/aem-reseal/trusted-keys')
    mkdirSync(path.dirname(keys), { recursive: true })
    writeFileSync(keys, `${await signerFingerprint()} the stage's own key\n`)
    const file = stage.pathOf('/etc/anti-evil-maid.conf')
    const edited = readFileSync(file, 'utf8').replace(/^SEAL=.*$/m, 'SEAL="--pcr 17 --pcr 18 --pcr 19"')
    writeFileSync(file, edited)
    for (let time = 0; time < 2; time++) {
      await stage.powerOff()
      await stage.powerOn()
    }
  })

  afterAll(() => stage.destroy())

  it('is named by rpm as changed, and not marked as configuration', async () => {
    const { stdout } = await stage.run(['rpm', '-V', '--nodeps', 'anti-evil-maid'])
    expect(stdout).toMatch(/^S\.5\S+ {4}\/etc\/anti-evil-maid\.conf$/m)
  })

  it('lets a LUKS header change: no register of it is sealed to', async () => {
    await stage.holder.must(['cryptsetup', 'config', '--label', 'changed', `/dev/${stage.luks.name}`])
    const { exit, stdout } = await stage.aemReseal(['verify'])
    expect(exit, stdout).toBe(0)
    expect(stdout).toContain('AEM does not seal to PCR 13 here')
    await stage.powerOff()
    expect((await stage.powerOn()).secretShown).toBe(true)
  })

  it('goes through an update', async () => {
    await stage.updateXen()
    const { exit, stdout } = await stage.aemReseal(['start', '--yes', '--restart', 'manual'])
    expect(exit, stdout).toBe(3)
    await stage.powerOff()
    expect((await stage.powerOn()).secretShown).toBe(true)
    expect((await stage.aemReseal(['resume', '--yes'])).exit).toBe(0)
  })
})
