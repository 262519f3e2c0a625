import type { Host } from './host.ts'
import { seen } from './host.ts'

/**
 * A host that reads for real and only tells what it would write.
 *
 * @param tell gets "run ..." or "write ..." for each
 * @returns the host, and what makes the next boot id another one, as a restart would
 */
export function makeDryRunHost(
  host: Host,
  tell: (text: string) => void,
): { readonly host: Host; restart(bootId: string): void } {
  let bootId: string | null = null
  const told = async (path: string): Promise<void> => tell(`write ${path}`)
  return {
    restart(id) {
      bootId = id
    },
    host: {
      ...host,
      writable: false,
      async run(call, input) {
        if (call.effect === 'read') return host.run(call, input)
        tell(`run ${call.argv.join(' ')}`)
        return seen({ exit: 0, stdout: '', stderr: '' })
      },
      async readFile(path) {
        if (bootId !== null && path === '/proc/sys/kernel/random/boot_id')
          return seen(Buffer.from(`${bootId}\n`))
        return host.readFile(path)
      },
      writeFileAtomic: told,
      copyFile: async (from, to) => tell(`copy ${from} to ${to}`),
      makePrivateDirectory: told,
      removeFile: told,
      renameFile: told,
      lockFile: async () => ({ release: async () => undefined }),
    },
  }
}
