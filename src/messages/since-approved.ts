import type { BootCheck } from '../observe/launch/boot-check.ts'
import { stateWords } from './known-state.ts'

/** What `status` and `verify` say of a boot without a session, compared with the last approved one. */

const MAX_SHOWN = 3

/** @returns no text where there is nothing to say */
export function describeBootCheck({ at, isBelieved, state, registers, unseal, what }: BootCheck): {
  readonly text: string | null
  readonly isBad: boolean
} {
  const numbers = registers.join(', ')
  const shown = what.slice(0, MAX_SHOWN).join('; ')
  const more = what.length > MAX_SHOWN ? `; and ${what.length - MAX_SHOWN} more` : ''
  const moved =
    registers.length === 0 ? '' : `PCR ${numbers} not as in the boot ${stateWords(at, isBelieved)}: `
  if (state === 'unexplained')
    return {
      text: `UNEXPLAINED: ${moved}${shown}${more}. \`aem-reseal explain\` shows all of it`,
      isBad: true,
    }
  if (state === 'explained')
    return {
      text: `updated without this program, by a blind boot: PCR ${numbers} changed since the boot ${stateWords(at, isBelieved)}, consistent with signed packages installed since. The next \`aem-reseal start\` asks whether you go on`,
      isBad: false,
    }
  if (state === 'not-known')
    return { text: `${shown}; compared with the boot ${stateWords(at, isBelieved)}`, isBad: false }
  const refused =
    unseal === 'mismatch'
      ? `the TPM refused your secret in this boot, though its registers are the ${isBelieved ? 'believed' : 'approved'} ones: what is sealed is damaged, or sealed for another state`
      : unseal === 'wrong-token'
        ? 'the token released in this boot is not the current one: an old copy of the device, or a seal for another device took its slot'
        : null
  return { text: refused, isBad: false }
}
