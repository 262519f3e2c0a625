import { expect, it } from 'vitest'
import { describeOddEntry } from '../../src/core/decide/explain-change.ts'
import { INTERNAL } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import type { BootCheck } from '../../src/observe/launch/boot-check.ts'
import { considerOddEntries } from '../../src/observe/launch/odd-boot.ts'
import { edit, GRUB_CFG, putOnBoot } from '../support/attack.ts'
import { machineOf } from '../support/built-in.ts'

/* An entry that hands over AEM's own command lines and does more, which no register tells, on the built-in machine. */

const [FIRST, SECOND] = ['once', 'twice'].map(
  (title) => `"${title}" of custom.cfg: it runs "acpi", which AEM's scripts do not write`,
) as [string, string]

/** AEM's own entry once more in custom.cfg, under each title, with a table for the kernel. */
function addEntries(machine: SimMachine, titles: readonly string[]): void {
  let entry = ''
  edit(machine, INTERNAL.uuid, GRUB_CFG, (text) => {
    entry = /menuentry 'AEM [\s\S]*?\n[ \t]*\}\n/.exec(text)?.[0] ?? ''
    return text.includes('custom.cfg') ? `${text}\n` : `${text}\nsource $config_directory/custom.cfg\n`
  })
  const copies = titles.map((title) =>
    entry
      .replace(/^menuentry [^\n]*\{/, `menuentry '${title}' {`)
      .replace(/\n[ \t]*\}\n$/, '\n\tacpi /evil.aml\n}\n'),
  )
  putOnBoot(machine, '/grub2/custom.cfg', Buffer.from(copies.join('')))
}

const CHECK: BootCheck = {
  ...{ label: 'aem', at: '2024-07-16T08:00:00.000Z', isBelieved: false, registers: [18], unseal: 'unsealed' },
  state: 'same',
  what: [],
}

/** @returns what becomes of the check, and whether the device was looked at */
async function consider(check: BootCheck | null, titles: readonly string[]) {
  const machine = machineOf('clean-update')
  restartMachine(machine)
  if (titles.length > 0) addEntries(machine, titles)
  const own = makeSimulatedHost(machine)
  let looks = 0
  const openMedia: typeof own.openMedia = async (media) => {
    looks += 1
    return own.openMedia(media)
  }
  return { found: await considerOddEntries(observeDom0({ ...own, openMedia }), check), looks }
}

it.each(['same', 'explained', 'not-known'] as const)(
  'a boot that is %s is so where there is none',
  async (state) => {
    const check = { ...CHECK, state, what: ['as it is said'] }
    expect(await consider(check, [])).toEqual({ found: check, looks: 1 })
  },
)

it.each(['same', 'explained', 'not-known'] as const)(
  'a boot that is %s may have come from one, and is an alarm that names each, before what was said',
  async (state) => {
    const check = { ...CHECK, state, what: ['as it is said'] }
    const { found } = await consider(check, ['once', 'twice'])
    expect(found).toEqual({
      ...check,
      state: 'unexplained',
      what: [describeOddEntry(FIRST), describeOddEntry(SECOND), 'as it is said'],
    })
  },
)

it('none is looked for in a boot that is an alarm already', async () => {
  const check = { ...CHECK, state: 'unexplained', what: ['as it is said'] } as const
  expect(await consider(check, ['once'])).toEqual({ found: check, looks: 0 })
})

it('a boot before any was approved may have come from one too', async () => {
  expect(await consider(null, [])).toEqual({ found: null, looks: 1 })
  const { found } = await consider(null, ['once'])
  expect(found).toMatchObject({ at: null, state: 'unexplained', what: [describeOddEntry(FIRST)] })
})
