import { describe, expect, it } from 'vitest'
import { listComponents } from '../../../src/core/launch/components.ts'
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
