import type { Difference, ImpossibleCode, Reproduction } from './reproduction.ts'

/** What is said of an initramfs that is made again. */

type Words = { readonly why: string; readonly next: string }

const REPLACE = 'make it again by `sudo dracut --force`, and run this again'

/** By code: what keeps dom0 from telling whether it would make the same image, and the way on. `what` is the detail. */
const IMPOSSIBLE: Readonly<Record<ImpossibleCode, (what: string) => Words>> = {
  name: (what) => ({
    why: `${what} is no initramfs of the kernel that its entry starts`,
    next: 'look at the entry in grub.cfg; `sudo grub2-mkconfig -o /boot/grub2/grub.cfg` writes the entries of the installed kernels',
  }),
  unreadable: (what) => ({
    why: `the initramfs could not be read: ${what}`,
    next: 'plug the device in and run this again',
  }),
  'too-large': (what) => ({ why: `${what} has more than 1 GiB, as no initramfs does`, next: REPLACE }),
  'not-the-predicted': (what) => ({
    why: `${what} is another file now than a moment ago, when it was predicted`,
    next: 'find out what writes to the boot device (an update that still runs?), then run this again',
  }),
  'unpacker-missing': (what) => ({
    why: `the program that unpacks it is missing: ${what}`,
    next: 'install that program in dom0 with `sudo qubes-dom0-update`, then run this again',
  }),
  'words-unknown': (what) => ({
    why: `it was made by dracut with other options than packages, AEM and this program use: ${what}`,
    next: REPLACE,
  }),
  'kernel-missing': (what) => ({
    why: `dom0 has no modules of its kernel: ${what}`,
    next: 'install the package of that kernel again, or boot another kernel',
  }),
  'no-space': (what) => ({
    why: `there is no room to make it again: ${what}`,
    next: 'free some space, then run this again',
  }),
  'dracut-failed': (what) => ({
    why: `dracut could not make it again: ${what}`,
    next: 'fix what dracut names, then run this again',
  }),
  'own-result-odd': (what) => ({
    why: `what dom0's own dracut makes has ${what}, so it cannot be compared`,
    next: 'look at /etc/dracut.conf.d: an initramfs of the form that Qubes ships can be compared',
  }),
  'not-reproducible': (what) => ({ why: what, next: REPLACE }),
  'read-only-machine': () => ({
    why: 'dracut is not run on a recorded machine, nor in a dry run',
    next: 'run this on the machine itself',
  }),
}

/** @param what the detail in words, e.g. a path or what a program said */
export function impossible(
  code: ImpossibleCode,
  what: string,
  fresh: Extract<Reproduction, { state: 'impossible' }>['fresh'] = null,
): Reproduction {
  return { state: 'impossible', code, ...IMPOSSIBLE[code](what), fresh }
}

const CHANGES: Readonly<Record<Difference['change'], string>> = {
  added: 'only in the image on the device',
  removed: 'missing in the image on the device',
  content: 'other content',
  mode: 'other permissions',
  owner: 'other owner',
  kind: 'of another kind',
}

/** One difference as one line, e.g. `usr/bin/bash: other content; packaged (bash 0:5.2.15-2.fc37)`. */
export function describeDifference({ path, change, origin, package: owner }: Difference): string {
  const where = {
    packaged: `as packaged${owner === null ? '' : ` (${owner})`}`,
    settings: 'a setting of this machine',
    generated: 'made by dracut',
    unknown: 'nobody can say where it comes from',
  }[origin]
  // In what dom0 makes now the origin is that of dom0's own file; of an added entry it is that of the entry.
  const side = change === 'added' ? '' : 'in dom0: '
  return `${path}: ${CHANGES[change]}; ${side}${where}`
}

/** Why an initramfs is not vouched for by making it again, after the restart. */
export function describeUnmade(one: Reproduction & { readonly image: string }): {
  readonly what: string
  readonly next: string
} {
  const { image } = one
  if (one.state === 'impossible')
    return { what: `${image} could not be made again: ${one.why}`, next: one.next }
  if (one.state === 'odd-form')
    return { what: `${image} is not of the form that dracut writes: ${one.form}`, next: 'do not reseal' }
  if (one.state === 'same' || one.state === 'same-with-modules')
    return {
      what: `${image} is what dom0 makes with other kernel modules loaded, and nobody has accepted that`,
      next: 'run `aem-reseal resume` in a terminal: it names the modules and asks',
    }
  const shown = one.differences.slice(0, 3).map(describeDifference).join('; ')
  return {
    what: `${image} is not what dom0 makes now: ${one.total} differences: ${shown}`,
    next: 'do not reseal; look at what differs',
  }
}
