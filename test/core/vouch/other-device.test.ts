import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { ApprovedBoot } from '../../../src/core/session/approved-boot.ts'
import { deriveComponents, deriveRegisters } from '../../../src/core/vouch/other-device.ts'
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

/** An initramfs with a command line, which AEM does not write. */
const quiet = {
  ...{ role: 'initramfs' as const, path: '/initramfs', commandLine: 'quiet', pcr: 19 },
  digests: { sha256: moduleOf('quiet', 'initramfs').toString('hex') },
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

  it('measure the same files with the same command lines, but for the one that names the device', () => {
    const made = { sha256: sha('made here').toString('hex') }
    const { components } = approvedBoot()
    const booted = { ...approvedBoot(), components: components!.map((one, at) => (at === 3 ? quiet : one)) }
    expect(deriveComponents(booted, HERE, THERE, made)).toEqual([
      ...components!.slice(0, 2),
      {
        ...components![2],
        commandLine: lineOf(THERE),
        digests: { sha256: moduleOf(lineOf(THERE), 'kernel').toString('hex') },
      },
      { ...quiet, digests: { sha256: moduleOf('quiet', 'made here').toString('hex') } },
    ])
  })

  it('are computed in the bank of the approved boot', () => {
    const sha1 = (...parts: (Buffer | string)[]) =>
      parts.reduce((hash, part) => hash.update(part), createHash('sha1')).digest()
    const measured = (line: string) => sha1(sha1(line), sha1('kernel'))
    const [, , kernel] = approvedBoot().components!
    const boot = makeApprovedBoot({
      bank: 'sha1',
      files: [{ ...files[1]!, digests: { sha1: sha1('kernel').toString('hex') } }],
      components: [{ ...kernel!, digests: { sha1: measured(lineOf(HERE)).toString('hex') } }],
    })
    expect(deriveRegisters(boot, HERE, THERE, null)).toEqual({
      19: sha1(Buffer.alloc(20), measured(lineOf(THERE))).toString('hex'),
    })
  })

  it('are not computed from a module that was measured in another bank alone', () => {
    const sha1 = 'ab'.repeat(20)
    const boot = approvedBoot()
    const other = {
      ...boot,
      files: files.map((file) => (file.role === 'initramfs' ? { ...file, digests: { sha1 } } : file)),
      components: boot.components!.map((one) =>
        one.role === 'initramfs' ? { ...one, digests: { sha1 } } : one,
      ),
    }
    const made = { sha256: sha('made here').toString('hex') }
    expect(deriveRegisters(other, HERE, THERE, made)).toBeNull()
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
