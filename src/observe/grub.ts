import type { Failure } from '../core/failure.ts'
import { type GrubConfig, parseGrubConfig, parseGrubEnvironment } from '../core/launch/grub-cfg.ts'
import type { Host } from '../host/host.ts'
import { attempt, exists, readTextOrNull } from './read.ts'

/**
 * grub.cfg of a boot directory as GRUB would read it; its own refusal; or null when there is none.
 * @param beside another file of the directory grub2 that is to become grub.cfg
 */
export async function observeGrub(
  host: Host,
  root: string,
  beside: string | null = null,
): Promise<GrubConfig | Failure | null> {
  for (const directory of ['grub2', 'grub']) {
    const text = await readTextOrNull(host, beside ?? `${root}/${directory}/grub.cfg`)
    if (text === null) continue
    const grubenv = await readTextOrNull(host, `${root}/${directory}/grubenv`)
    const isEfi = await exists(host, '/sys/firmware/efi')
    const hasAemDirectory = await exists(host, `${root}/aem`)
    return attempt(() =>
      parseGrubConfig(text, {
        platform: isEfi === true ? 'efi' : 'pc',
        grubenv: grubenv === null ? null : parseGrubEnvironment(grubenv),
        existingPaths: hasAemDirectory === null ? {} : { '/aem/': hasAemDirectory },
      }),
    )
  }
  return null
}
