import { describe, expect, it } from 'vitest'
import { ABSENT, type Seen, seen, unknown } from '../../src/host/host.ts'
import { checkGrub } from '../../src/observe/device/check-grub.ts'
import { makeFailure } from '../../src/tables/failures.ts'
import { INTERNAL_UUID, STICK_UUID } from '../support/recorded-machine.ts'
import {
  DEVICE,
  dom0Of,
  KERNEL,
  LATEST,
  LATEST_KERNEL,
  PACKAGES,
  ROOT,
  type Told,
  tbootEntry,
  XEN,
} from './device-world.ts'

/** Does grub.cfg boot what is installed, from this device? */

const PATH = `${ROOT}/grub2/grub.cfg`
const base = { role: 'grub.cfg', path: PATH, sha256: null, expected: null }
const both = { ...PACKAGES, 'kernel-latest': LATEST_KERNEL }
const other = tbootEntry({ release: LATEST })
const ODD = '\tacpi\t/evil.aml\n'

async function check(told: Told, uuid: string | null = INTERNAL_UUID) {
  const { state, against } = await checkGrub(dom0Of(told).dom0, ROOT, { ...DEVICE, uuid })
  return [state, against]
}
const current = ['current', `an AEM entry with ${XEN}`]
const stale = (...names: readonly string[]) => ['stale', `an AEM entry with ${names.join(' and ')}`]

describe('is not known', () => {
  it.each([
    ['insmod /evil.mod', 'insmod'],
    ['acpi /evil.aml', 'acpi'],
  ])('while the file does more than AEM and Qubes write before the menu: %s', async (line, word) => {
    expect(await check({ grub: `${line}\n${tbootEntry()}` })).toEqual([
      'unknown',
      expect.stringContaining(word),
    ])
  })
})

describe('is current', () => {
  it('with an entry of the installed Xen and kernel that names this device', async () => {
    expect(await checkGrub(dom0Of({}).dom0, ROOT, DEVICE)).toEqual({
      ...base,
      state: 'current',
      against: `an AEM entry with ${XEN}`,
    })
  })

  it.each<[string, string]>([
    ['an entry of each kernel', `${other}${tbootEntry()}`],
    ['an old entry beside them', `${tbootEntry({ xen: 'xen-4.17.3.gz' })}${tbootEntry()}${other}`],
    ['one with a problem beside them', `${tbootEntry({ more: ODD })}${other}${tbootEntry()}`],
    [
      'one that names the device twice',
      `${tbootEntry({ line: `aem.uuid=${INTERNAL_UUID} aem.uuid=${INTERNAL_UUID}` })}${other}`,
    ],
  ])('with %s', async (_, grub) => {
    expect(await check({ packages: both, grub })).toEqual(current)
  })

  it('with an entry of TrenchBoot, in which GRUB starts Xen itself', async () => {
    const grub = `menuentry 'AEM Qubes' {
	slaunch
	multiboot2	/${XEN} placeholder
	module2	/${KERNEL} placeholder aem.uuid=${INTERNAL_UUID}
	slaunch_module	/SKL.BIN
}
`
    expect(await check({ grub })).toEqual(current)
    expect(await check({ grub: `${grub.replace(/multiboot2|module2/g, 'chainloader')}${grub}` })).toEqual(
      current,
    )
  })

  it('whatever kernel it is of, where no package says which one is installed', async () => {
    const { kernel, ...none } = PACKAGES
    const untold = { ...PACKAGES, kernel: { ...kernel!, files: null } }
    for (const packages of [none, untold]) {
      expect(await check({ packages, grub: other })).toEqual(current)
      expect(await check({ packages, grub: tbootEntry({ xen: 'xen-4.17.3.gz' }) })).toEqual(stale(XEN))
    }
  })
})

describe('is stale', () => {
  it.each<[string, string, readonly string[]]>([
    ['without any entry', '', [XEN]],
    ['without one of AEM', `menuentry 'Qubes' { multiboot2 /${XEN} }`, [XEN]],
    ['with one of another Xen', tbootEntry({ xen: 'xen-4.17.3.gz' }), [XEN]],
    ['with one of a Xen of a longer name', tbootEntry({ xen: `${XEN}.old` }), [XEN]],
    [
      'with one that starts no Xen at all',
      `menuentry 'AEM' { slaunch ; module2 /${KERNEL} placeholder aem.uuid=${INTERNAL_UUID} }\n`,
      [XEN],
    ],
    ['with one of another device', tbootEntry({ line: `aem.uuid=${STICK_UUID}` }), [XEN]],
    [
      'with one of another device too',
      tbootEntry({ line: `aem.uuid=${INTERNAL_UUID} aem.uuid=${STICK_UUID}` }),
      [XEN],
    ],
    ['with one of another kernel alone', other, [XEN, KERNEL]],
    [
      'with one of this kernel that loads another Xen',
      `${other}${tbootEntry({ xen: 'xen-4.17.3.gz' })}`,
      [XEN, KERNEL],
    ],
    [
      'with one of this kernel that names another device',
      `${other}${tbootEntry({ line: `aem.uuid=${STICK_UUID}` })}`,
      [XEN, KERNEL],
    ],
  ])('%s', async (_, grub, names) => {
    expect(await check({ grub })).toEqual(stale(...names))
  })

  it('with an entry of one of two kernels, whichever', async () => {
    expect(await check({ packages: both, grub: tbootEntry() })).toEqual(stale(XEN, `vmlinuz-${LATEST}`))
    expect(await check({ packages: both, grub: other })).toEqual(stale(XEN, KERNEL))
  })

  it('for a device of which the UUID is not known: no entry can be told to be its own', async () => {
    expect(await check({}, null)).toEqual(stale(XEN))
    expect(await check({ grub: tbootEntry({ line: 'aem.uuid=' }) }, null)).toEqual(stale(XEN))
  })
})

describe('is not known', () => {
  it('where an entry has a problem and none is good: the problem is named', async () => {
    const [state, against] = await check({
      grub: `${tbootEntry({ xen: 'xen-4.17.3.gz' })}${tbootEntry({ more: ODD })}`,
    })
    expect([state, against]).toEqual(['unknown', expect.stringContaining('"acpi"')])
  })

  it('where the entry of one of two kernels has a problem', async () => {
    const grub = `${tbootEntry()}${tbootEntry({ release: LATEST, more: ODD })}`
    expect(await check({ packages: both, grub })).toEqual(['unknown', expect.stringContaining('"acpi"')])
  })

  it('where it is refused, or the installed Xen is not known', async () => {
    const { 'xen-hypervisor': _xen, ...packages } = PACKAGES
    expect(await check({ grub: makeFailure('refresh-failed', { what: 'x' }) })).toEqual([
      'unknown',
      'installed Xen',
    ])
    expect(await check({ packages })).toEqual(['unknown', 'installed Xen'])
  })

  it.each<[string, Seen<never>, string]>([
    ['cannot be looked at', unknown('input/output error'), 'unknown'],
    ['is there and no file', seen({}) as Seen<never>, 'unknown'],
    ['is not there', ABSENT, 'absent'],
  ])('or absent, where there is none that was read: it %s', async (_, stat, state) => {
    const asked: string[] = []
    const host = {
      async statFile(path: string) {
        asked.push(path)
        return stat
      },
    }
    expect(await check({ grub: null, host })).toEqual([state, 'AEM entry'])
    expect(asked).toEqual([PATH])
  })
})

describe('a file that is to become grub.cfg', () => {
  const beside = `${ROOT}/grub2/new.cfg`
  const look = (text: string | null) => {
    const { dom0 } = dom0Of({
      // What lies there now is good.
      grub: tbootEntry(),
      host: {
        readFile: async (path) =>
          path === beside && text !== null ? seen(Buffer.from(text, 'latin1')) : ABSENT,
        statFile: async () => ABSENT,
      },
    })
    return checkGrub(dom0, ROOT, DEVICE, beside)
  }

  it('is read in place of the one that is there, under its own name', async () => {
    expect(await look(tbootEntry())).toMatchObject({ state: 'current', path: beside })
    expect(await look(tbootEntry({ xen: 'xen-4.17.3.gz' }))).toMatchObject({ state: 'stale', path: beside })
    expect(await look(null)).toMatchObject({ state: 'absent', path: beside })
  })

  it('is read with the UUID of the device: what is searched on another one is none of its files', async () => {
    const searching = (uuid: string) =>
      tbootEntry().replace(
        '\n\tmultiboot',
        `\n\tsearch --no-floppy --fs-uuid --set=root ${uuid}\n\tmultiboot`,
      )
    expect((await look(searching(INTERNAL_UUID))).state).toBe('current')
    expect((await look(searching(STICK_UUID))).state).toBe('stale')
  })
})
