import { listKeyNext } from '../core/package/signers.ts'
import type { UnlistedKey } from '../observe/dom0/unlisted-keys.ts'
import { type Line, line } from '../ui/ui.ts'

/** Measured packages whose signer nobody listed, with the way to list each key; empty where there are none. */
export function unlistedKeyLines(unlisted: readonly UnlistedKey[]): readonly Line[] {
  const keys = [...new Set(unlisted.map(({ keyId }) => keyId))]
  return keys.flatMap((keyId) => {
    const names = unlisted.filter((one) => one.keyId === keyId).map(({ name, evr }) => `${name} ${evr}`)
    const what = `signed by the key ${keyId}, which RPM has and which is not among the known signers (an unlisted key): ${names.join(', ')}. \`aem-reseal start\` confirms nothing that it signed`
    return [line(`▲ ${what}`, 'warn'), line(`  next: ${listKeyNext(keyId)}`)]
  })
}
