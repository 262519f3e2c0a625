import { describe, expect, it } from 'vitest'
import { parseGrubConfig } from '../../../src/core/launch/grub-cfg.ts'
import { decideNextEntry } from '../../../src/core/launch/grub-choose.ts'
import { findLoaderFault } from '../../../src/core/launch/launch-module.ts'
import { makeFailure } from '../../../src/tables/failures.ts'
import { type QubesGrub, writeQubesGrub } from '../../support/grub/qubes-grub-writer.ts'
import { deviceWith } from './grub-world.ts'

/* What an entry of TrenchBoot hands to the launch: SINIT modules, or AMD's loader. */

const next = (sinit: readonly string[], more: Partial<QubesGrub> = {}, change = (text: string) => text) =>
  decideNextEntry(
    parseGrubConfig(
      change(writeQubesGrub({ flavour: 'trenchboot', default: '0', sinit, ...more })),
      deviceWith({ platform: more.flavour === 'trenchboot-uefi' ? 'efi' : 'pc' }),
    ),
  )

describe.each(['trenchboot', 'trenchboot-uefi'] as const)('%s', (flavour) => {
  it.each([
    [['SKL.BIN']],
    [['skl.bin']],
    [['SNB_IVB_SINIT_20190708_PW.BIN']],
    [['SKL.BIN', '5th_gen_i5_i7_SINIT_79.BIN', 'SNB_IVB_SINIT_20190708_PW.BIN']],
    [[]],
  ])("AEM's script writes %j", (sinit) => {
    expect(next(sinit, { flavour }).why).toBeNull()
  })

  it.each([
    ['x.bin', 'slaunch_module loads /x.bin'],
    ['my-skl.bin', 'slaunch_module loads /my-skl.bin'],
    ['SINIT.BIN.old', 'slaunch_module loads /SINIT.BIN.old'],
    ['grub2/SKL.BIN', 'slaunch_module loads /grub2/SKL.BIN'],
    ['SKL.BIN /x.bin', 'slaunch_module is given more than a file'],
  ])('it does not write %s, alone or beside the SKL', (name, words) => {
    expect(next([name], { flavour }).why).toContain(words)
    expect(next(['SKL.BIN', name], { flavour }).why).toContain(words)
    expect(next([name, 'SKL.BIN'], { flavour }).why).toContain(words)
  })

  it.each([
    [['SKL.BIN', 'A_SINIT.BIN'], null],
    [['skl.bin'], null],
    [[], 'no slaunch_module of it loads SKL.BIN'],
    [['A_SINIT.BIN'], 'no slaunch_module of it loads SKL.BIN'],
  ])('on AMD %j launches, or does not', (sinit, words) => {
    const { entry } = next(sinit, { flavour })
    const log = (cpu: string) => ({ launch: { cpu } }) as never
    const found = findLoaderFault(entry!, log('amd'))
    if (words === null) expect(found).toBeNull()
    else expect(found).toContain(words)
    // The firmware of an Intel may bring its own.
    expect(findLoaderFault(entry!, log('intel'))).toBeNull()
    for (const none of [null, makeFailure('forward-seal-failed', { what: 'x' })])
      expect(findLoaderFault(entry!, none)).toBeNull()
  })
})

it('an entry of tboot needs none', () => {
  const { entry } = next([], { flavour: 'tboot' })
  expect(findLoaderFault(entry!, { launch: { cpu: 'amd' } } as never)).toBeNull()
})
