import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ANSWERS } from '../support/answers.ts'
import { type BootedFacts, bootedDom0, grubConfigOfDom0 } from '../support/grub/booted-dom0.ts'
import { writeGrubEnvironment } from '../support/grub/qubes-grub-writer.ts'
import { SNIPPETS, type Snippet } from '../support/grub/snippets.ts'
import { runMain } from '../support/io.ts'
import type { RecordedDom0 } from '../support/recorded-machine.ts'

/*
 * The grub.cfg of a real Qubes dom0, from the launch log to the answer of predict: each construct that once made it refuse,
 * and the files beside grub.cfg, harmless and not.
 */

const AEM = 'AEM Qubes, with Xen hypervisor'
const PLAIN = 'Qubes, with Xen hypervisor'

async function predict(machine: RecordedDom0) {
  const run = await runMain(['predict', '--json', '--machine', machine.write()])
  const answer = ANSWERS.predict.parse(run.json)
  const launch = answer.pcrs.filter(({ index }) => index !== 13)
  return { exit: run.exit, answer, launch, codes: [...new Set(launch.map(({ code }) => code))] }
}

/** Every launch register is predicted, to what it holds now. */
function expectComplete({ exit, answer, launch }: Awaited<ReturnType<typeof predict>>): void {
  expect(answer).toMatchObject({ calibrated: true, refusal: null, unvouched: [], entry: { title: AEM } })
  expect(launch.length).toBeGreaterThanOrEqual(2)
  for (const { now, predicted, vouched } of launch) {
    expect(predicted).toBe(now)
    expect(vouched).toBe(true)
  }
  expect(exit).toBe(0)
}

/** The three constructs of Qubes's grub.cfg that a simplified one lacks. */
const CONSTRUCTS = ['qubesEnvironment', 'users', 'custom'] as const satisfies readonly Snippet[]
const OTHERS = (Object.keys(SNIPPETS) as Snippet[]).filter((name) => name !== 'functions')

const MACHINES: readonly BootedFacts[] = [
  { platform: 'pc', tpm: '1.2' },
  { platform: 'efi', tpm: '1.2' },
  { platform: 'pc', tpm: '2.0' },
  { platform: 'efi', tpm: '2.0' },
]

describe.each(MACHINES)('predict with the true grub.cfg, on $platform with TPM $tpm', (facts) => {
  /** Files put beside grub.cfg after this boot. */
  const withFiles = (files: { user?: string; custom?: string; grubenv?: Record<string, string> }) => {
    const machine = bootedDom0(facts)
    for (const name of ['user', 'custom'] as const) {
      const text = files[name]
      if (text !== undefined) machine.nowHolding(`/boot/grub2/${name}.cfg`, text)
    }
    if (files.grubenv) machine.withFile('/boot/grub2/grubenv', writeGrubEnvironment(files.grubenv))
    return machine
  }

  it('predicts every launch register', async () => {
    expectComplete(await predict(bootedDom0(facts)))
  })

  it.each(CONSTRUCTS)('with %s alone', async (name) => {
    const without = OTHERS.filter((one) => one !== name)
    expectComplete(await predict(bootedDom0({ ...facts, grub: { without } })))
  })

  it.each([
    ['a harmless custom.cfg', { custom: 'set timeout=10\n# of mine\necho hello\n' }],
    ['an entry of the user in custom.cfg', { custom: "menuentry 'Rescue' {\n  linux /vmlinuz-rescue\n}\n" }],
    ['a password in user.cfg', { user: 'GRUB2_PASSWORD=grub.pbkdf2.sha512.10000.AA.BB\n' }],
    ['both', { user: '# nothing\n', custom: 'set timeout=3\n' }],
    ['a saved default', { grubenv: { saved_entry: AEM, boot_success: '1', menu_show_once: '1' } }],
  ])('with %s', async (_, files) => {
    expectComplete(await predict(withFiles(files)))
  })

  it.each([
    ['custom.cfg', { custom: `set default='${PLAIN}'\n` }],
    ['saved_entry', { grubenv: { saved_entry: PLAIN } }],
    ['next_entry', { grubenv: { saved_entry: AEM, next_entry: PLAIN } }],
  ])('names the entry that %s makes the default, and refuses', async (_, files) => {
    const { exit, answer, codes } = await predict(withFiles(files))
    expect([exit, codes]).toEqual([1, ['other-flavour']])
    expect(answer.entry?.title).toBe(PLAIN)
    expect(answer.refusal?.why).toContain(`"${PLAIN}", is not an AEM entry`)
  })

  it.each([
    ['custom.cfg with a command of its own', { custom: 'acpi /evil.aml\n' }, 'grub.cfg runs "acpi"'],
    [
      'user.cfg with a function in place of a command',
      { user: 'function module {\n  true\n}\n' },
      'function has the name of the command module',
    ],
    [
      'custom.cfg that reads another file',
      { custom: 'source (hd1)/more.cfg\n' },
      'more.cfg is read by grub.cfg',
    ],
    ['custom.cfg that cannot be parsed', { custom: 'if true\n' }, 'custom.cfg: "its end" is out of place'],
    ['grubenv with a fallback', { grubenv: { fallback: '1' } }, 'fallback'],
    [
      'an entry like that of AEM with one command more',
      {
        custom: `menuentry 'Evil' {\n  multiboot /tboot.gz\n  acpi /evil.aml\n  module /xen-4.17.4.gz\n}\nset default=Evil\n`,
      },
      '"Evil": it runs "acpi"',
    ],
  ])('refuses %s by its name', async (_, files, why) => {
    const { exit, answer, codes } = await predict(withFiles(files))
    expect([exit, codes]).toEqual([1, ['entry-undetermined']])
    expect(answer.refusal?.why).toContain(why)
  })

  it('an entry of a stranger before that of AEM, with its title: every changed word is named, nothing vouches', async () => {
    const own = grubConfigOfDom0()
    const from = own.indexOf('### BEGIN /etc/grub.d/19_')
    const entry = own.slice(from, own.indexOf('submenu', from)).split('\n').slice(2).join('\n')
    const user = entry.replace(/smt=off/g, 'smt=off iommu=no').replace(/\$menuentry_id_option '/, "--id 'x")
    const { exit, answer } = await predict(withFiles({ user, grubenv: { saved_entry: AEM } }))
    expect(user).toContain('iommu=no')
    expect([exit, answer.entry?.title]).toEqual([1, AEM])
    expect((answer.unvouched as string[]).join('\n')).toContain('+ iommu=no')
  })
})

it('the form that is written is the form that was read in the field: each construct stands in it as patch or script writes it', () => {
  const text = grubConfigOfDom0()
  for (const name of CONSTRUCTS) expect(text).toContain(SNIPPETS[name].join('\n'))
  expect(readFileSync(join(bootedDom0(MACHINES[0]!).write(), 'root/boot/grub2/grub.cfg'), 'utf8')).toBe(text)
})
