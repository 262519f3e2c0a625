import { readFile } from 'node:fs/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { beginForward, checksOf, detailOf, leftBehind, readSession, sealForward, verify } from './forward.ts'
import { createStage, type Stage, type StageOptions } from './stage.ts'

let stage: Stage | undefined
afterEach(async () => {
  await stage?.destroy()
  stage = undefined
})

/** A stage sealed to the present state, with the update installed and its session before the forward seal. */
async function updated(options: StageOptions): Promise<Stage> {
  stage = await createStage(options)
  await stage.powerOn()
  await stage.powerOff()
  const boot = await stage.powerOn()
  expect(boot.secretShown).toBe(true)
  await stage.updateXen()
  return stage
}

const listSealed = async (made: Stage): Promise<string> =>
  (await made.run(['sh', '-c', 'cd /var/lib/tpm && sha256sum */*; cd /boot/aem/tpms && sha256sum */*/*']))
    .stdout

describe.each(['2.0'] as const)('forward seal on TPM %s', (tpm) => {
  test('the secret appears at the first boot of the new Xen, and verify confirms', async () => {
    const made = await updated({ tpm })
    await beginForward(made)
    const nv = await made.run(['sha256sum', '/var/lib/anti-evil-maid/aem/secret.fre'])
    const sealed = await sealForward(made)
    expect(sealed.stdout).toContain('sealed to the predicted registers')
    expect(sealed.stdout).toContain('Your secret MUST appear BEFORE')
    expect(sealed.exit).toBe(3)
    expect(await leftBehind(made)).toBe('')
    expect((await made.run(['sha256sum', '/var/lib/anti-evil-maid/aem/secret.fre'])).stdout).toBe(nv.stdout)
    // before the restart nothing is claimed: neither good nor bad
    const before = await verify(made)
    expect(checksOf(before.devices)).toMatchObject({
      'media-current': true,
      policy: null,
      'unseal-txt': null,
      'unseal-fre': null,
    })
    expect(detailOf(before.devices, 'policy')).toContain('sealed forward')
    await made.powerOff()
    const boot = await made.powerOn()
    expect(boot.secretShown).toBe(true)
    expect(boot.journal()).toContain('Freshness token unsealed.')
    expect(boot.journal()).toContain('Freshness token valid, continuing.')
    const resumed = await made.aemReseal(['resume', '--yes'])
    expect(resumed.stdout).toContain('at this boot the TPM released the secret')
    expect(resumed.stdout).toContain("the device's own sealed copies fit this boot")
    expect(resumed.exit).toBe(0)
    const after = await verify(made)
    expect(after.exit).toBe(0)
    expect(await leftBehind(made)).toBe('')
    expect((await made.run(['sh', '-c', 'ls -a /var/lib/tpm/ /boot/aem/tpms/*'])).stdout).not.toContain(
      'aem-reseal',
    )
  })

  test('cancel puts the old files back, and the old state unseals', async () => {
    const made = await updated({ tpm })
    const before = await listSealed(made)
    await beginForward(made)
    expect((await sealForward(made)).exit).toBe(3)
    expect(await listSealed(made)).not.toBe(before)
    const cancelled = await made.aemReseal(['cancel', '--json'])
    expect(JSON.parse(cancelled.stdout)).toMatchObject({ forwardSeal: 'restored' })
    expect(await listSealed(made)).toBe(before)
    expect((await verify(made)).exit).toBe(0)
  })

  test('the session keeps digests and values, never a secret', async () => {
    const made = await updated({ tpm })
    await beginForward(made)
    await sealForward(made)
    const text = await readFile(made.pathOf('/var/lib/aem-reseal/session.json'), 'utf8')
    expect(text).not.toContain(made.devices[0]?.secret)
    const { findings } = await readSession(made)
    expect(Object.keys((findings['forward-seal']?.record ?? {}) as object).sort()).toEqual(
      ['bank', 'label', 'next', 'previous', 'tpmId', 'uuid', 'values'].sort(),
    )
  })
})
