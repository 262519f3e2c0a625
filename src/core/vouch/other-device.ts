import type { Digests } from '../launch/launch-log.ts'
import { launchDigests } from '../launch/match-module.ts'
import { COMMAND_LINE_RULES, type CommandLineRule } from '../launch/module-digest.ts'
import { extendAll } from '../launch/replay.ts'
import type { ApprovedBoot } from '../session/approved-boot.ts'

/*
 * A device that no boot was approved from, while one from another device was. What both load is the same but for the kernel's
 * `aem.uuid`, which names the device, and for the initramfs, where this program made another one. So the registers of an
 * approved boot from it can be computed.
 */

type Component = NonNullable<ApprovedBoot['components']>[number]

/**
 * The registers of a boot from the other device that loads the same.
 *
 * @param boot the approved boot
 * @param from aem.uuid of the device that it came from
 * @param to aem.uuid of the other one
 * @param initramfs digests, as loaded, of the initramfs on the other one; null: it is the same
 * @returns lower-case hex by register, of the bank of the approved boot; null where they cannot be computed: without a log, by
 *   a launch that measures command lines elsewhere (TrenchBoot), or where the approved line does not name the device
 */
export function deriveRegisters(
  boot: ApprovedBoot,
  from: string,
  to: string,
  initramfs: Digests | null,
): Readonly<Record<number, string>> | null {
  const components = deriveComponents(boot, from, to, initramfs)
  if (components === null) return null
  const indices = [...new Set(components.map(({ pcr }) => pcr))]
  return Object.fromEntries(
    indices.map((index) => {
      const digests = components.flatMap((one) => (one.pcr === index ? [one.digests[boot.bank] ?? ''] : []))
      return [index, extendAll(boot.bank, digests)]
    }),
  )
}

/** What such a boot measures, one extend after the other, with the digests of the boot's bank; null as above. */
export function deriveComponents(
  boot: ApprovedBoot,
  from: string,
  to: string,
  initramfs: Digests | null,
): readonly Component[] | null {
  const { components, bank } = boot
  if (components === null || components.some(({ role }) => role === 'command-line')) return null
  const derived: Component[] = []
  for (const one of components) {
    const line = one.role === 'kernel' ? exchangeUuid(one.commandLine, from, to) : one.commandLine
    const image = one.role === 'initramfs' ? initramfs : null
    const isSame = one.role !== 'kernel' && image === null
    const found = isSame ? null : findRule(boot, one)
    if (one.role === 'kernel' && line === null) return null
    const digest = isSame
      ? one.digests[bank]
      : found && launchDigests(line ?? '', found.rule, image ?? found.image)[bank]
    if (!digest) return null
    derived.push({ ...one, commandLine: line, digests: { [bank]: digest } })
  }
  return derived
}

/** null where the line does not name the device once. */
function exchangeUuid(line: string | null, from: string, to: string): string | null {
  const words = line?.split(' ') ?? []
  if (words.filter((word) => word === `aem.uuid=${from}`).length !== 1) return null
  return words.map((word) => (word === `aem.uuid=${from}` ? `aem.uuid=${to}` : word)).join(' ')
}

/** How the launch hashed a module whose file is known: by the rule that gives its digest. */
function findRule(
  { files, bank }: ApprovedBoot,
  { path, commandLine, digests }: Component,
): { readonly rule: CommandLineRule; readonly image: Digests } | null {
  const file = files.find((one) => one.path === path)
  if (file === undefined || digests[bank] === undefined) return null
  const { sha1, sha256 } = file.digests
  const image: Digests = {
    ...(sha1 === undefined ? {} : { sha1 }),
    ...(sha256 === undefined ? {} : { sha256 }),
  }
  const rule = COMMAND_LINE_RULES.find(
    (each) => launchDigests(commandLine ?? '', each, image)[bank] === digests[bank],
  )
  return rule === undefined ? null : { rule, image }
}
