import type { Digests } from './launch-log.ts'
import { BANK_NAMES, type Bank, hashInBank, isBankComputable } from './pcr.ts'

/** Which part of a module's command line tboot hashes: all of it, or what follows the first word. */
export const COMMAND_LINE_RULES = ['whole', 'first-word-stripped'] as const
export type CommandLineRule = (typeof COMMAND_LINE_RULES)[number]

/**
 * The hashed part of a command line. tboot 1.9.4 and later take all of it, earlier ones drop leading spaces, the first
 * word and the spaces after it (CHANGELOG of 1.9.4; policy.c, hash_module).
 */
export function hashedCommandLine(commandLine: string, rule: CommandLineRule): string {
  return rule === 'whole' ? commandLine : commandLine.replace(/^ *[^ ]* */, '')
}

/**
 * tboot's digest of a module: H(H(command line) || H(image)), tboot 1.10.5, tboot/common/policy.c, hash_module.
 * @param imageDigest hex of H(image) in the same bank
 * @returns hex
 */
export function moduleDigest(
  bank: Bank,
  commandLine: string,
  rule: CommandLineRule,
  imageDigest: string,
): string {
  const line = hashInBank(bank, Buffer.from(hashedCommandLine(commandLine, rule), 'utf8'))
  return hashInBank(bank, Buffer.from(line, 'hex'), Buffer.from(imageDigest, 'hex'))
}

/** The module's digests in every bank the image has one in; a bank that cannot be computed here is left out. */
export function moduleDigests(commandLine: string, rule: CommandLineRule, image: Digests): Digests {
  const found: Digests = {}
  for (const bank of BANK_NAMES.filter(isBankComputable)) {
    const digest = image[bank]
    if (digest !== undefined) found[bank] = moduleDigest(bank, commandLine, rule, digest)
  }
  return found
}
