// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of GRUB
import { describe, expect, it } from 'vitest'
import { decideBootedEntry, listOddEntries } from '../../../src/core/launch/booted-entry.ts'
import { isAemEntry, parseGrubConfig } from '../../../src/core/launch/grub-cfg.ts'
import { type QubesGrub, writeQubesGrub } from '../../support/grub/qubes-grub-writer.ts'
import { type DeviceFacts, deviceWith } from './grub-world.ts'

/* Which entry this boot came from, where another one may have started in its stead. */

const ONE = { kernels: ['6.6.36-1.qubes.fc37.x86_64'], xenVersions: ['4.17.4'] }

function look(facts: DeviceFacts, form: Partial<QubesGrub> = ONE) {
  const { entries } = parseGrubConfig(writeQubesGrub(form), deviceWith(facts))
  const aem = entries.filter(isAemEntry)
  const kernel = aem.flatMap(({ modules }) => modules).find(({ role }) => role === 'kernel')
  const kernelCommandLine = kernel?.commandLine.replace('placeholder ', '') ?? ''
  const running = { kernelCommandLine, kernelRelease: ONE.kernels[0]!, xenVersion: '4.17.4' }
  return {
    entries,
    booted: decideBootedEntry(aem, running),
    odd: listOddEntries(entries, running),
    withoutAem: listOddEntries(entries, { kernelCommandLine: kernelCommandLine.replace(/aem\S+/, '') }),
  }
}

/** AEM's own entry once more, as somebody puts it into custom.cfg. */
function copyOf(change: (body: string) => string): string {
  const [entry = ''] = /menuentry 'AEM Qubes, with Xen[\s\S]*?\n}\n/.exec(writeQubesGrub(ONE)) ?? []
  return change(entry.replace(/menuentry [^\n]*/, "menuentry 'once' --id once {"))
}
const adding = (line: string) => copyOf((body) => body.replace(/\n}\n$/, `\n\t${line}\n}\n`))

describe('an entry beside that of AEM, with the same files and command lines', () => {
  it.each([
    ['acpi /evil.aml', adding('acpi /evil.aml'), '"once" of custom.cfg: it runs "acpi"'],
    ['a second kernel', adding('chainloader /evil.efi'), 'it runs "chainloader"'],
    [
      'under other names',
      adding('acpi /evil.aml').replace('/vmlinuz-', '/v-').replace('/xen-', '/x-'),
      'it runs "acpi"',
    ],
    [
      'with tboot under another name',
      adding('acpi /evil.aml').replace('/tboot.gz', '/t.gz'),
      'it is not written as AEM writes its own',
    ],
    ['from another device', copyOf((body) => body.replace('/vmlinuz-', '(hd1,gpt1)/vmlinuz-')), 'hd1,gpt1'],
    ['with a word that cannot be known', copyOf((body) => body.replace('rhgb', '${cmdpath}')), 'cmdpath'],
  ])('is told where it could have started: %s', (_what, custom, words) => {
    const { odd, withoutAem } = look({ custom })
    expect(odd).toEqual([expect.stringContaining(words)])
    expect(odd[0]).toContain('"once" of custom.cfg')
    expect(withoutAem).toEqual([])
  })

  it('is not told where it is AEM’s own once more, or starts another kernel', () => {
    const { booted, odd } = look({ custom: copyOf((body) => body) })
    expect(booted.entry?.title).toBe('AEM Qubes, with Xen hypervisor')
    expect(odd).toEqual([])
    expect(look({ custom: adding('acpi /a.aml').replace('rhgb', 'single') }).odd).toEqual([])
  })

  it('takes the place of AEM’s own nowhere, whichever comes first', () => {
    const evil = adding('acpi /evil.aml')
    const { entries } = look({ custom: evil })
    const aem = entries.filter(isAemEntry)
    const kernelCommandLine = aem[0]!.modules[1]!.commandLine.replace('placeholder ', '')
    for (const list of [aem, aem.toReversed()])
      expect(decideBootedEntry(list, { kernelCommandLine, xenVersion: '4.17.4' }).entry?.problems).toEqual([])
  })

  it.each([
    ['other systems', "menuentry 'Windows' {\n chainloader (hd1,gpt1)/EFI/Microsoft/Boot/bootmgfw.efi\n}\n"],
    ['a memory test', "menuentry 'memtest' {\n linux16 /memtest\n}\n"],
    ['settings', 'set timeout=3\n'],
  ])('is none of %s', (_what, custom) => {
    expect(look({ custom }).odd).toEqual([])
  })
})

describe('the UEFI form of AEM, with its submenus', () => {
  // TrenchBoot/qubes-antievilmaid 18a0a74, etc/grub.d/19_linux_xen_trenchboot: `esp_dev` is not exported, so a submenu has none.
  const form = { ...ONE, flavour: 'trenchboot-uefi', sinit: ['SKL.BIN'], default: '0' } as const
  const read = (custom?: string, changes: Partial<QubesGrub> = {}) =>
    parseGrubConfig(
      writeQubesGrub({ ...form, ...changes }),
      deviceWith({ platform: 'efi', ...(custom === undefined ? {} : { custom }) }),
    ).entries.filter(isAemEntry)
  const starts = (entries: ReturnType<typeof read>) =>
    entries.map(({ startsNothing }) => startsNothing !== true)

  it('has one entry that GRUB can start, the first', () => {
    expect(starts(read())).toEqual([true, false])
    expect(starts(read(undefined, { kernels: ['6.6.36-1', '6.1.75-1'] }))).toEqual([true, false, false])
  })

  it('has more where a file beside it lends them the device, and none is left out where that cannot be known', () => {
    expect(starts(read('export esp_dev\n'))).toEqual([true, true])
    expect(starts(read('evil_command\n'))).toEqual([true, true])
  })

  it('is told from an entry that takes Xen from another disk', () => {
    const evil =
      'menuentry \'once\' {\n slaunch\n set root="hd1,gpt1"\n chainloader /EFI/qubes/xen-4.17.4.efi vmlinuz-6.6.36-1.qubes.fc37.x86_64\n slaunch_module ($root_dev)/SKL.BIN\n}\n'
    const odd = listOddEntries(read(evil), { kernelCommandLine: 'root=/dev/x aem.uuid=1' })
    expect(odd).toContainEqual(expect.stringContaining('chainloader takes Xen from another device'))
  })

  it('leaves only entries that start nothing out of those that could have been booted', () => {
    const entries = read(undefined, { kernels: ['6.6.36-1'] }).map((entry) => ({
      ...entry,
      modules: [
        {
          role: 'kernel',
          path: '/k',
          commandLine: 'placeholder aem.uuid=1',
          nounzip: true,
          order: 1,
        } as const,
      ],
    }))
    const running = { kernelCommandLine: 'aem.uuid=1' }
    expect(decideBootedEntry(entries, running).entry?.titlePath).toEqual(['AEM Qubes, with Xen hypervisor'])
    expect(listOddEntries(entries, running)).toEqual([])
    const alive = entries.map(({ startsNothing: _, ...entry }) => entry)
    expect(listOddEntries(alive, running)).toHaveLength(1)
  })
})
