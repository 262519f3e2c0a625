import { describe, expect, it } from 'vitest'
import { listComponents } from '../../../src/core/launch/components.ts'
import type { EventOrigin } from '../../../src/core/launch/launch-log.ts'
import { parseTbootLog } from '../../../src/core/launch/tboot-log.ts'
import { componentSchema } from '../../../src/core/session/approved-boot.ts'
import { eventsOf, KINDS } from '../../support/trenchboot-launch.ts'
import { disk, entryOf, machineOf } from './launch-world.ts'
import { writeTxtStat } from './tboot-writer.ts'
import { entry, launch, parse } from './trenchboot-world.ts'

const extra = [{ path: '/extra', content: 'x', commandLine: '' }]
const tboot = disk({ extra })
const LAUNCHES = [
  ['tboot', listComponents(parseTbootLog(writeTxtStat(machineOf(tboot))), entryOf(tboot))] as const,
  ...KINDS.map((kind) => [kind, listComponents(parse(eventsOf(launch(kind))), entry(launch(kind)))] as const),
]

describe('what a launch extended', () => {
  it.each(LAUNCHES)('can be kept for the next look, whatever it stands for: %s', (_, components) => {
    expect(components.map((one) => componentSchema().parse(one))).toEqual(components)
  })

  it('has every module by its role, and what TrenchBoot measures beside them', () => {
    const rolesOf = (name: string) => LAUNCHES.find(([kind]) => kind === name)![1].map(({ role }) => role)
    expect(rolesOf('tboot')).toEqual(expect.arrayContaining(['mle', 'xen', 'kernel', 'initramfs', 'module']))
    expect(rolesOf('amd-bios')).toEqual(expect.arrayContaining(['xen-entry', 'initramfs', 'boot-info']))
    expect(rolesOf('amd-uefi')).toEqual(expect.arrayContaining(['command-line', 'launch-info']))
  })
})

describe('an extend stands for', () => {
  const origins: EventOrigin[] = [
    { kind: 'platform' },
    { kind: 'policy' },
    { kind: 'boot-info' },
    { kind: 'launch-info' },
    { kind: 'other' },
    { kind: 'mle' },
    { kind: 'mle-entry' },
    { kind: 'command-line', moduleIndex: null },
    { kind: 'command-line', moduleIndex: 0 },
    { kind: 'command-line', moduleIndex: 1 },
    ...[0, 1, 2, 3].map((moduleIndex) => ({ kind: 'module' as const, moduleIndex })),
  ]
  const events = origins.map((origin) => ({ pcr: 17, type: 0x502, digests: {}, origin, data: null }))
  const bios = launch('intel-bios')
  const log = { ...parse(eventsOf(bios)), events, modules: [{ commandLine: 'logged', digests: {} }] }

  it('a role, and a file of the entry', () => {
    expect(listComponents(log, entry(bios)).map(({ role, path }) => [role, path])).toEqual([
      ...['platform', 'policy', 'boot-info', 'launch-info', 'other'].map((role) => [role, null]),
      ['xen', '/xen-4.17.4.gz'],
      ['xen-entry', '/xen-4.17.4.gz'],
      ['command-line', '/xen-4.17.4.gz'],
      ['command-line', '/vmlinuz-6.6'],
      ['command-line', '/initramfs-6.6.img'],
      ['kernel', '/vmlinuz-6.6'],
      ['initramfs', '/initramfs-6.6.img'],
      ['module', null],
      ['module', null],
    ])
  })

  it('the line that was logged, else the one of the entry; a digest alone for none', () => {
    const modules = [
      { commandLine: 'logged', digests: {} },
      { commandLine: null, digests: {} },
    ]
    const lines = listComponents(
      { ...log, modules },
      {
        ...entry(bios),
        modules: entry(bios).modules.map((one) => ({ ...one, commandLine: 'of the entry' })),
      },
    )
    expect(lines.slice(5, 13).map(({ commandLine }) => commandLine)).toEqual([
      bios.xenOptions,
      null,
      null,
      null,
      null,
      'logged',
      'of the entry',
      null,
    ])
  })

  it('a role by the order of loading where no entry is known', () => {
    const roles = (kind: 'tboot' | 'trenchboot') =>
      listComponents({ ...log, kind }, null)
        .slice(10)
        .map(({ role }) => role)
    expect(roles('tboot')).toEqual(['xen', 'kernel', 'initramfs', 'module'])
    expect(roles('trenchboot')).toEqual(['kernel', 'initramfs', 'module', 'module'])
    expect(listComponents({ ...log, kind: 'tboot' }, null)[5]).toMatchObject({
      role: 'mle',
      path: null,
      commandLine: null,
    })
  })

  it('the role that the entry gives it', () => {
    const modules = entry(bios).modules.map((one) => ({ ...one, role: 'module' as const }))
    expect(listComponents(log, { ...entry(bios), modules })[10]).toMatchObject({
      role: 'module',
      path: '/vmlinuz-6.6',
    })
  })
})
