import { SECRET } from '../image/names.ts'
import type { Boot } from '../machine/boot.ts'

/* What stories do and see in a running guest. */

/** Installs the packages of QSB-103, as qubes-dom0-update does in the end. */
export const UPDATE_XEN = 'rpm -U /var/lib/lab/rpms/xen*-4.17.4-4.fc37*.rpm'

/** Updates dracut, which changes nothing that boots. */
export const UPDATE_DRACUT = 'rpm -U /var/lib/lab/rpms/dracut-*-5.fc37*.rpm'

/** As a kernel package of Fedora calls dracut (50-dracut.install). */
export const NEW_INITRAMFS = 'umask 022; dracut -f /boot/initramfs-$(uname -r).img $(uname -r) && sync'

/** Runs in the guest what takes minutes there. @throws Error with its words when it fails */
export async function runLong(boot: Boot, command: string): Promise<void> {
  await boot.must(['sh', '-c', command], { timeoutS: 900 })
}

/** Cursor down (ECMA-48, 8.3.19), ENTER. */
const DOWN_AND_ENTER = '\u001b[B\r'

/** The initramfs has shown the user's own sentence: it stands on the console, before dom0 itself begins. */
export function secretShown(boot: Pick<Boot, 'serial'>): boolean {
  const console = boot.serial()
  const at = console.indexOf(SECRET)
  const dom0 = console.search(/Switching root|Reached target.*Multi-User|dom0 login:/)
  return at >= 0 && (dom0 < 0 || at < dom0)
}

/** PCR 17, 18 and 19 as the guest's kernel reads them, lower-case hex. */
export async function readRegisters(
  boot: Boot,
  bank: 'sha1' | 'sha256',
): Promise<{ 17: string; 18: string; 19: string }> {
  const files = [17, 18, 19].map((pcr) => `/sys/class/tpm/tpm0/pcr-${bank}/${pcr}`)
  const { stdout } = await boot.must(['cat', ...files])
  const [first = '', second = '', third = ''] = stdout.toLowerCase().trim().split('\n')
  return { 17: first, 18: second, 19: third }
}

/** Digests of every sealed file, on the device and in dom0: equal before and after means that nobody sealed. */
export async function sealedFiles(boot: Boot): Promise<string> {
  const list = 'find /boot/aem /var/lib/tpms -type f -exec sha256sum {} + | sort -k 2'
  return (await boot.must(['sh', '-c', list])).stdout
}

/** How AEM's seal came through this boot: `success`, or `exec-condition` where its gate said no (systemd.service(5)). */
export async function sealResult(boot: Boot): Promise<string> {
  const argv = ['systemctl', 'show', '--value', '-p', 'Result', 'anti-evil-maid-seal.service']
  return (await boot.must(argv)).stdout.trim()
}

/** A person takes the second of the two answers, `yes`, to the only question of a command that `--yes` does not answer. */
export async function sayYes(boot: Boot, args: readonly string[]): Promise<void> {
  const { exit, screen } = await boot.program(args, DOWN_AND_ENTER)
  if (exit !== 0) throw new Error(`${args.join(' ')} ended with ${exit}:\n${screen}`)
}
