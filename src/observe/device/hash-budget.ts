import type { FileDigests } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import type { Dom0 } from '../dom0/dom0.ts'

const GIB = 1024 * 1024 * 1024

/**
 * How much of a device is hashed in one look. A dom0 with six kernels has some twenty boot files of 700 MB together; a stick
 * can carry any number of sparse files of a GiB, and of small gzip files that unpack to one.
 */
export const HASH_LIMITS = { files: 64, bytes: 4 * GIB } as const

export type HashBudget = {
  /** @returns null where the file cannot be read, or was left out */
  digest(path: string): Promise<FileDigests | null>
  /** Files that were not looked at, as the device holds more than is hashed; in the order they were asked for. */
  readonly leftOut: readonly string[]
}

/** Hashes files until as many, or as many bytes, were read and unpacked as one look may take. */
export function makeHashBudget(
  { host, digest }: Pick<Dom0, 'host' | 'digest'>,
  limits: { readonly files: number; readonly bytes: number } = HASH_LIMITS,
): HashBudget {
  const leftOut: string[] = []
  let [files, bytes] = [0, 0]
  return {
    leftOut,
    async digest(path) {
      const sizeBytes = valueOrNull(await host.statFile(path))?.sizeBytes ?? 0
      if (files >= limits.files || bytes + sizeBytes > limits.bytes) {
        leftOut.push(path)
        return null
      }
      const digests = valueOrNull(await digest(path))
      files += 1
      bytes += (digests?.sizeBytes ?? 0) + (digests?.unpackedBytes ?? 0)
      return digests
    },
  }
}

/** What is said of files that were left out; null where there are none. */
export function describeLeftOut({ leftOut }: HashBudget): string | null {
  if (leftOut.length === 0) return null
  const [first] = leftOut
  const more = leftOut.length > 1 ? ` and ${leftOut.length - 1} more` : ''
  return `${first}${more} left out: more boot files than are hashed (${HASH_LIMITS.files} files, ${HASH_LIMITS.bytes / GIB} GiB with what they unpack to)`
}
