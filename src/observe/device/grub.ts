import { Failure } from '../../core/failure.ts'
import { coreFailure } from '../../core/failures.ts'
import { MAX_SOURCED_LENGTH } from '../../core/launch/grub-builtins.ts'
import { type GrubConfig, parseGrubConfig } from '../../core/launch/grub-cfg.ts'
import type { GrubFile } from '../../core/launch/grub-state.ts'
import type { Host } from '../../host/host.ts'
import { attempt, exists } from '../read-text.ts'

/** Files beside grub.cfg that are looked for; Qubes's asks for grubenv, user.cfg and custom.cfg. */
const MAX_FILES = 16

/**
 * grub.cfg of a boot directory as GRUB would read it, with the files beside it that it asks for; its own refusal; or null
 * when there is none.
 * @param beside another file of the directory grub2 that is to become grub.cfg
 * @param uuid of the file system there, where it is known
 */
export async function observeGrub(
  host: Host,
  root: string,
  beside: string | null = null,
  uuid: string | null = null,
): Promise<GrubConfig | Failure | null> {
  for (const directory of ['/grub2', '/grub']) {
    const path = beside ?? `${root}${directory}/grub.cfg`
    const file = await host.readFile(path)
    // A link, which GRUB would follow, is no reason to read another file in its place.
    if (file.state === 'unknown' && host.kind === 'real') return makeUnreadable(path, file.why)
    if (file.state !== 'seen') continue
    // GRUB knows bytes and no characters.
    const text = Buffer.from(file.value).toString('latin1')
    return parseGrubText(host, root, text, { directory, uuid })
  }
  return null
}

/**
 * The text of a grub.cfg for a boot directory, with the files beside it there.
 * @param text one character a byte (latin1)
 */
export async function parseGrubText(
  host: Host,
  root: string,
  text: string,
  { directory = '/grub2', uuid = null }: { readonly directory?: string; readonly uuid?: string | null } = {},
): Promise<GrubConfig | Failure> {
  const platform = (await exists(host, '/sys/firmware/efi')) === true ? 'efi' : 'pc'
  const files = new Map<string, GrubFile>()
  for (;;) {
    const config = attempt(() => parseGrubConfig(text, { platform, directory, files, uuid }))
    if (config instanceof Failure) return config
    const wanted = config.wanted.slice(0, MAX_FILES - files.size)
    if (wanted.length === 0) return config
    for (const one of wanted) files.set(one, await lookFor(host, root, one))
  }
}

/** @param path on the device, of a file in one of its directories */
async function lookFor(host: Host, root: string, path: string): Promise<GrubFile> {
  const slash = path.lastIndexOf('/')
  const name = path.slice(slash + 1)
  const names = await host.listDirectory(`${root}${path.slice(0, slash)}`)
  // grubenv comes with GRUB's package (qubes-grub2 2.06-7, grub2.spec.in): a recording without it is not whole.
  const isWhole = host.kind !== 'recorded' || name !== 'grubenv'
  if (isWhole && names.state === 'seen' && !names.value.includes(name)) return { state: 'absent' }
  const stat = await host.statFile(`${root}${path}`)
  if (stat.state === 'absent') return stat
  if (stat.state === 'unknown') return { state: 'unknown', why: `it cannot be read: ${stat.why}` }
  const { kind, sizeBytes } = stat.value
  if (kind === 'directory') return { state: 'directory' }
  if (kind !== 'file') return { state: 'unknown', why: 'it is no regular file' }
  if (sizeBytes > MAX_SOURCED_LENGTH) return { state: 'unknown', why: `it has ${sizeBytes} bytes` }
  const bytes = await host.readFile(`${root}${path}`)
  if (bytes.state === 'absent') return bytes
  if (bytes.state === 'unknown') return { state: 'unknown', why: `it cannot be read: ${bytes.why}` }
  return { state: 'file', text: Buffer.from(bytes.value).toString('latin1') }
}

function makeUnreadable(path: string, why: string): Failure {
  return coreFailure('grub-cfg-unreadable', {
    what: `${path} cannot be read: ${why}`,
    why: 'GRUB may read it all the same, so nothing is said of what it boots',
    isStrange: 'yes',
  })
}
