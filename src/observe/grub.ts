import { Failure } from '../core/failure.ts'
import { type GrubConfig, parseGrubConfig, parseGrubEnvironment } from '../core/launch/grub-cfg.ts'
import type { Host } from '../host/host.ts'
import { attempt, exists, readText, readTextOrNull } from './read.ts'

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
    const path = beside ?? `${root}/${directory}/grub.cfg`
    const file = await readText(host, path)
    // A link, which GRUB would follow, is no reason to read another file in its place.
    if (file.state === 'unknown' && host.kind === 'real') return makeUnreadable(path, file.why)
    if (file.state !== 'seen') continue
    return parseGrubText(host, root, file.value, directory)
  }
  return null
}

/** A grub.cfg for a boot directory, with what lies beside it there. */
export async function parseGrubText(
  host: Host,
  root: string,
  text: string,
  directory = 'grub2',
): Promise<GrubConfig | Failure> {
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

function makeUnreadable(path: string, why: string): Failure {
  return new Failure({
    code: 'grub-cfg-unreadable',
    what: `${path} cannot be read: ${why}`,
    why: 'GRUB may read it all the same, so nothing is said of what it boots',
    next: 'look at it; generate it anew: sudo grub2-mkconfig -o /boot/grub2/grub.cfg',
  })
}
