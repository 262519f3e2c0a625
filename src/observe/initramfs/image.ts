import { type InitramfsImage, readImage, type Unpack, UnpackError } from '../../core/initramfs/read-image.ts'
import type { Host } from '../../host/host.ts'
import { command } from '../../tables/commands.ts'

const UNPACK = { zstd: 'unpack-zstd', xz: 'unpack-xz', lz4: 'unpack-lz4' } as const

/** @returns the image, or in words why it could not be read; `missing`: the unpacker that is not installed */
export async function readInitramfs(
  host: Host,
  path: string,
): Promise<(InitramfsImage & { readonly missing: string | null }) | string> {
  const file = await host.openFile(path)
  if (file.state !== 'seen') return file.state === 'absent' ? `${path} is not there` : file.why
  let missing: string | null = null
  const unpack: Unpack = (packing, packed) => {
    if (host.unpack === undefined) throw new UnpackError('no program is run here')
    return host.unpack(command(UNPACK[packing], {}), packed, (program) => {
      missing = program
    })
  }
  try {
    return { ...(await readImage(file.value, unpack)), missing }
  } catch (error) {
    // What a stick says that was pulled out.
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    return (error as Error).message
  }
}
