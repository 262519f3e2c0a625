import { decideCertified, parseCertifications } from '../../core/bulletin/gpg-certifications.ts'
import { type GpgSignature, parseGpgStatus } from '../../core/bulletin/gpg-status.ts'
import type { Host } from '../../host/host.ts'
import { command } from '../../tables/commands.ts'
import { makeFailure } from '../../tables/failures.ts'

export type CheckedSignatures = {
  /** Of each signature file, in the order given, what gpg found in it. */
  readonly found: readonly (readonly GpgSignature[])[]
  /** Fingerprints of the keys that the Qubes Master Signing Key vouches for. */
  readonly certified: ReadonlySet<string>
}

export type SignatureChecker = {
  /** @throws Failure gpg-missing */
  check(
    text: Uint8Array,
    keys: readonly Uint8Array[],
    signatures: readonly Uint8Array[],
  ): Promise<CheckedSignatures>
  close(): Promise<void>
}

type KeyRing = {
  readonly keys: Buffer
  readonly home: string
  readonly certified: ReadonlySet<string>
}

/**
 * Checks signatures by the system's gpg, in homes of its own.
 *
 * Reading keys takes longer than all the rest, so texts that come with the same keys share a home. With any other
 * keys a text gets another one: a key that lies beside one bulletin vouches for no bulletin elsewhere. Verifying never
 * changes a home (--no-auto-key-retrieve, no configuration).
 */
export function makeSignatureChecker(host: Host): SignatureChecker {
  const rings: KeyRing[] = []
  let work: Awaited<ReturnType<Host['makeWorkDirectory']>> | null = null

  const root = async (): Promise<string> => {
    work ??= await host.makeWorkDirectory()
    return work.root
  }
  const put = async (name: string, bytes: Uint8Array): Promise<string> => {
    const path = `${await root()}/${name}`
    await host.writeFileAtomic(path, bytes, 0o600)
    return path
  }
  const output = async (call: Parameters<Host['run']>[0]): Promise<string> => {
    const run = await host.run(call)
    if (run.state === 'seen') return run.value.stdout
    throw makeFailure('gpg-missing', { reason: run.state === 'absent' ? 'it is not installed' : run.why })
  }
  const makeRing = async (keys: Buffer): Promise<KeyRing> => {
    const home = `${await root()}/gnupg-${rings.length}`
    await host.makePrivateDirectory(home)
    const keyFile = await put(`keys-${rings.length}.asc`, keys)
    await output(command('gpg-import', { home, keys: keyFile }))
    const certifications = parseCertifications(await output(command('gpg-certifications', { home })))
    const certified = decideCertified(certifications, Math.floor(host.now().getTime() / 1000))
    const ring = { keys, home, certified }
    rings.push(ring)
    return ring
  }

  return {
    async check(text, keys, signatures) {
      if (signatures.length === 0) return { found: [], certified: new Set() }
      const newline = Buffer.from('\n')
      const all = Buffer.concat(keys.flatMap((key) => [Buffer.from(key), newline]))
      const ring = rings.find((each) => each.keys.equals(all)) ?? (await makeRing(all))
      // Exactly the bytes that were parsed are copied and checked: no other text can take their place in between.
      const textFile = await put('text', text)
      const found = []
      for (const bytes of signatures) {
        const signature = await put('signature', bytes)
        const call = command('gpg-verify', { home: ring.home, signature, text: textFile })
        found.push(parseGpgStatus(await output(call)))
      }
      return { found, certified: ring.certified }
    },
    async close() {
      await work?.close()
      work = null
      rings.length = 0
    },
  }
}
