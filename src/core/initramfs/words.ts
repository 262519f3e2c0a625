/**
 * The ways dracut is called in a Qubes dom0: how it stores its words, and which row of the command table says them again.
 * Stored in lib/dracut/build-parameter.txt by `echo "$PARMS_TO_STORE"`: options in the order given, `--kver` with its value
 * in quotes, file and kernel as bare arguments left out (dracut 057, dracut.sh, lines 552-570 and 2319; 103 alike).
 */
export type DracutCall = 'force' | 'f' | 'f-kver' | 'kver-force'

const CALLS: Readonly<Record<DracutCall, (release: string) => string>> = {
  /** anti-evil-maid 4.2.0, sbin/anti-evil-maid-install, line 334; `devices refresh` of this program. */
  force: () => ' --force\n',
  /** The kernel's own installation (50-dracut.install and new-kernel-pkg, `dracut -f FILE RELEASE`). */
  f: () => ' -f\n',
  /** %posttrans of microcode_ctl and linux-firmware in Fedora: `dracut -f --kver RELEASE`. */
  'f-kver': (release) => ` -f --kver '${release}'\n`,
  /** anti-evil-maid.spec, %post: `dracut --regenerate-all --force`, which calls `dracut --kver=RELEASE --force`. */
  'kver-force': (release) => ` --kver '${release}' --force\n`,
}

/**
 * Which of the ways made an image.
 * @param stored the bytes of build-parameter.txt as text
 * @param release the kernel of the image
 * @returns null for any other words: such an image cannot be made again
 */
export function findDracutCall(stored: string, release: string): DracutCall | null {
  for (const [call, words] of Object.entries(CALLS) as [DracutCall, (release: string) => string][])
    if (words(release) === stored) return call
  return null
}

/** The same words for a person, without the blank before and the line end behind. */
export function describeDracutCall(call: DracutCall, release: string): string {
  return CALLS[call](release).trim()
}
