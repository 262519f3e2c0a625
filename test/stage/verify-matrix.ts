import { describe, expect, test } from 'vitest'
import { createUsedStage } from './kept-stage.ts'
import { leftBehind } from './left-behind.ts'
import { checksOf, GOOD, verify } from './verified.ts'

const DEVICES = [
  ['/boot', {}],
  ['a stick', { suffix: '.stick', external: true }],
  ['a removable stick', { suffix: '.stick', external: true, removable: true }],
] as const

/**
 * A seal that AEM made at one boot, looked at in the next before AEM seals again: on every kind of TPM and device.
 * With AEM_SCRIPTS it is the real AEM's seal.
 */
export function verifyOnEach(srkPassword?: string): void {
  describe.each(['2.0', '1.2'] as const)(
    `verify of what AEM sealed, SRK password ${srkPassword}, on TPM %s`,
    (tpm) => {
      test.each(DEVICES)('on %s', async (_, device) => {
        const stage = await createUsedStage({
          tpm,
          devices: [device],
          ...(srkPassword ? { srkPassword } : {}),
        })
        try {
          expect((await stage.powerOn({ seal: false })).secretShown).toBe(true)
          // The look itself leaves tcsd running on TPM 1.2: what it finds the second time is what is to stay.
          await leftBehind(stage)
          const before = await leftBehind(stage)
          const { exit, devices } = await verify(stage)
          expect(checksOf(devices, stage.devices[0]?.label)).toEqual(GOOD)
          expect(exit).toBe(0)
          // nothing of ours in the TPM, and no try beyond those that AEM's own look at the SRK cost
          expect(await leftBehind(stage)).toBe(before)
        } finally {
          await stage.destroy()
        }
      })
    },
  )
}
