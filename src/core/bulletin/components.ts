import type { Component } from './bulletin.ts'

/** Words around the name that say nothing about the package: `New Xen packages`, `Multiple Xen packages`, `qubes-core-dom0 package`. */
export const bareName = (name: string): string =>
  name
    .replace(/^(?:multiple|new|updated|patched) /i, '')
    .replace(/ packages?\b.*$/i, '')
    .trim()

/** First match wins. `qubes-libvchan-xen` and the like are Qubes' own and do not belong to Xen. */
const COMPONENTS: readonly (readonly [RegExp, Component])[] = [
  [/^(?:python3-)?xen(?:-|$)/i, 'xen'],
  [/^(?:dom0 |linux )?kernel(?:-|$)/i, 'kernel'],
  [/^microcode_ctl$/i, 'microcode'],
  // anti-evil-maid-dracut (19, 21) is a dracut module: what it changes is the initramfs.
  [/(?:^|-)dracut(?:-|$)/i, 'initramfs-tool'],
  [/firmware$/i, 'firmware'],
  [/^lvm2(?:-|$)/i, 'lvm'],
]

/** What a package name as printed stands for. */
export const componentOf = (name: string): Component =>
  COMPONENTS.find(([pattern]) => pattern.test(bareName(name)))?.[1] ?? 'other'
