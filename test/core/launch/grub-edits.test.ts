import { expect, it } from 'vitest'
import { Failure } from '../../../src/core/failure.ts'
import type { BootEntry } from '../../../src/core/launch/boot-entry.ts'
import { joinGrubArguments } from '../../../src/core/launch/boot-entry.ts'
import { parseGrubConfig } from '../../../src/core/launch/grub-cfg.ts'
import { decideNextEntry } from '../../../src/core/launch/grub-choose.ts'
import { bootConcretely, type ConcreteBoot, NotModelled } from '../../support/grub/concrete-grub.ts'
import {
  QUBES_GRUB,
  type QubesGrub,
  writeGrubEnvironment,
  writeQubesGrub,
} from '../../support/grub/qubes-grub-writer.ts'
import { anEdit, asBytes, type Edit } from './grub-edits.ts'
import { deviceWith } from './grub-world.ts'
import { fc } from './property.ts'

const AEM = 'AEM Qubes, with Xen hypervisor'

/** What the program would predict from: path and command line of all that is loaded, or the refusal. */
function readLoads(text: string): string[] | { refused: string } {
  try {
    const world = deviceWith({ grubenv: { saved_entry: AEM } })
    const { entry, why } = decideNextEntry(parseGrubConfig(text, world))
    return entry === null ? { refused: why } : describe(entry)
  } catch (error) {
    if (error instanceof Failure) return { refused: error.text.what }
    throw error
  }
}

function describe(entry: BootEntry): string[] {
  const files = [entry.launcher, ...entry.modules, ...entry.sinit].filter((file) => file !== null)
  const sorted = files.sort((a, b) => a.order - b.order)
  return [entry.flavour, ...sorted.map((file) => `${file.path} ${file.commandLine}`)]
}

/** The same of the second reader. */
function bootLoads(text: string): string[] | { unknown: string } {
  try {
    const files = { '/aem/': '', '/grub2/grubenv': writeGrubEnvironment({ saved_entry: AEM }) }
    return describeConcrete(bootConcretely(text, { uuid: QUBES_GRUB.uuid, platform: 'pc', files }))
  } catch (error) {
    if (error instanceof NotModelled) return { unknown: error.message }
    throw error
  }
}

function describeConcrete({ loads, odd }: ConcreteBoot): string[] {
  const launches = loads.filter((load) => load.words[0] !== 'slaunch')
  const lines = launches.map(({ root, words: [, ...args] }) => {
    const at = args.findIndex((arg) => !/^--(?:nounzip|quirk-)/.test(arg))
    const [path = '', ...rest] = args.slice(Math.max(at, 0))
    const clean = path.replace(/^\(BOOT\)/, '').replace(/\/+/g, '/')
    return `${root === 'BOOT' ? '' : `(${root})`}${clean} ${joinGrubArguments(rest)}`
  })
  const isTboot = loads.some(
    ({ words }) => /^multiboot2?$/.test(words[0]!) && /\/tboot[^/]*$/.test(words[1] ?? ''),
  )
  const flavour = loads.some(({ words }) => words[0]!.startsWith('slaunch'))
    ? 'trenchboot'
    : isTboot
      ? 'tboot'
      : 'other'
  return [...(odd === null ? [] : [`runs ${odd}`]), flavour, ...lines]
}

const FORMS: readonly Partial<QubesGrub>[] = [
  { xenVersions: ['4.17.4'] },
  { flavour: 'trenchboot', xenVersions: ['4.17.4'], kernels: ['6.6.36-1.qubes.fc37.x86_64'] },
  { savesDefault: true, xenVersions: ['4.17.4'], kernels: ['6.6.36-1.qubes.fc37.x86_64'] },
]

it.each(FORMS)('both readers say the same of the unedited file: %j', (form) => {
  const text = writeQubesGrub(form)
  const read = readLoads(text)
  expect(read).toHaveLength(form.flavour === 'trenchboot' ? 5 : 6)
  expect(bootLoads(text)).toEqual(read)
})

/** Edits that were read: of how many the second reader knew what boots. */
const counted = { same: 0, other: 0, refused: 0, unknown: 0 }

it.each(FORMS)(
  'whatever single edit is made, what is read is what boots, or it is refused: %j',
  { timeout: 240_000 },
  (form) => {
    const text = writeQubesGrub(form)
    const good = JSON.stringify(readLoads(text))
    fc.assert(
      fc.property(anEdit(text), (edit: Edit) => {
        const bytes = asBytes(edit.make())
        const read = readLoads(bytes)
        if (!Array.isArray(read)) {
          counted.refused += 1
          return
        }
        // An entry that does not launch measured is no entry to seal to.
        if (read[0] === 'other') return
        const boots = bootLoads(bytes)
        if (!Array.isArray(boots)) {
          counted.unknown += 1
          return
        }
        counted[JSON.stringify(read) === good ? 'same' : 'other'] += 1
        expect(read, edit.what).toEqual(boots)
      }),
      { numRuns: 2_000 },
    )
  },
)

it('the second reader knew nearly all of them', () => {
  const { same, other, refused, unknown } = counted
  expect(same + other + refused + unknown).toBeGreaterThan(5_000)
  expect(other).toBeGreaterThan(100)
  expect(refused).toBeGreaterThan(1_000)
  expect(unknown).toBeLessThan(0.02 * (same + other))
})
