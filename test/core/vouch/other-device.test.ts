import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { ApprovedBoot } from '../../../src/core/session/approved-boot.ts'
import { deriveRegisters } from '../../../src/core/vouch/other-device.ts'
import { makeApprovedBoot } from '../../support/approved-boot.ts'

/* The registers that an approved boot has from another device, by tboot's own formulas (policy.c, hash_module; extend). */

const sha = (...parts: (Buffer | string)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()
const moduleOf = (line: string, image: string) => sha(sha(line), sha(image))
const extend = (...digests: Buffer[]) =>
  digests.reduce((value, digest) => sha(value, digest), Buffer.alloc(32)).toString('hex')

const [HERE, THERE] = ['11111111-0000-4000-8000-000000000001', '22222222-0000-4000-8000-000000000002']
const lineOf = (uuid: string) => `placeholder root=/dev/mapper/root ro aem.uuid=${uuid} rhgb`
const files = (['xen', 'kernel', 'initramfs'] as const).map((role) => ({
  role,
  path: `/${role}`,
  sha256: null,
  digests: { sha256: sha(role).toString('hex') },
  isMeasured: true,
  package: null,
}))

function approvedBoot(line = lineOf(HERE)): ApprovedBoot {
  const one = (
    role: 'mle' | 'xen' | 'kernel' | 'initramfs',
    pcr: number,
    commandLine: string | null,
    digest: Buffer,
  ) => ({
    role,
    path: role === 'mle' ? null : `/${role}`,
    commandLine,
    pcr,
    digests: { sha256: digest.toString('hex') },
  })
  return makeApprovedBoot({
    files,
    components: [
      one('mle', 18, null, sha('mle')),
      one('xen', 18, 'placeholder', moduleOf('placeholder', 'xen')),
      one('kernel', 19, line, moduleOf(line, 'kernel')),
      one('initramfs', 19, null, moduleOf('', 'initramfs')),
    ],
  })
}

describe('the registers of the same boot from another device', () => {
  it("have the other device's UUID in the kernel's command line, and nothing else of their own", () => {
    expect(deriveRegisters(approvedBoot(), HERE, THERE, null)).toEqual({
      18: extend(sha('mle'), moduleOf('placeholder', 'xen')),
      19: extend(moduleOf(lineOf(THERE), 'kernel'), moduleOf('', 'initramfs')),
    })
  })

  it('take another initramfs where this program made one', () => {
    const made = { sha256: sha('made here').toString('hex') }
    expect(deriveRegisters(approvedBoot(), HERE, THERE, made)).toMatchObject({
      19: extend(moduleOf(lineOf(THERE), 'kernel'), moduleOf('', 'made here')),
    })
  })

  const without = (change: (boot: ApprovedBoot) => ApprovedBoot) =>
    deriveRegisters(change(approvedBoot()), HERE, THERE, null)
  it.each<[string, (boot: ApprovedBoot) => ApprovedBoot]>([
    ['no log', (boot) => ({ ...boot, components: null })],
    ['a line that does not name the device', () => approvedBoot('placeholder root=/dev/mapper/root')],
    ['a line that names it twice', () => approvedBoot(`${lineOf(HERE)} aem.uuid=${HERE}`)],
    ['no file of what was measured', (boot) => ({ ...boot, files: files.slice(0, 1) })],
    [
      'a file that is another one than what was measured',
      (boot) => ({
        ...boot,
        files: files.map((file) => ({ ...file, digests: { sha256: sha('another').toString('hex') } })),
      }),
    ],
    [
      'command lines that are measured by themselves (TrenchBoot)',
      (boot) => ({
        ...boot,
        components: [
          ...boot.components!,
          { role: 'command-line', path: null, commandLine: lineOf(HERE), pcr: 18, digests: { sha256: 'aa' } },
        ],
      }),
    ],
  ])('cannot be computed with %s', (_what, change) => {
    expect(without(change)).toBeNull()
  })
})
