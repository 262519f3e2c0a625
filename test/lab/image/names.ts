/* The names and versions that the guest's packages have: those of Qubes 4.2, QSB-103 being the update of Xen. */

export const XEN_VERSION = '4.17.4'
export const XEN_RELEASES = { old: '3.fc37', new: '4.fc37' }
export const DRACUT_VERSION = '059'
export const DRACUT_RELEASES = { old: '4.fc37', new: '5.fc37' }
export const AEM_VERSION = '4.2.0'

/** What the user must see before the disk's passphrase is asked for. */
export const SECRET = 'The orchard gate is painted green.'

/** In the guest: the packages that an update brings. */
export const GUEST_RPMS = '/var/lib/lab/rpms'

/** Release of the guest's kernel, as Qubes' kernel package forms it, from the version of the source that Debian built. */
export function kernelRelease(version: string): string {
  return `${version}-1.qubes.fc37.x86_64`
}

/** Fixed identities, so that an image made again is the same machine. */
export const UUIDS = {
  boot: '5a0c1f3e-7d2b-4c68-9f41-a1e0b7c4d215',
  luks: '0c6a3b14-9df2-4a35-8e0a-7a1f0f9c5b21',
  root: '9e1d4b7a-3c52-4f0e-b6a8-2d7f5c9e8041',
}
