/** A file of dracut's configuration, in the order in which dracut reads them. */
export type ConfigFile = { readonly path: string; readonly text: string }

/**
 * Why dracut as it is configured makes an image that cannot be compared; null where nothing is seen.
 *
 * The files are shell scripts (dracut.conf(5)); assignments of constants are read, as Fedora and Qubes write them. One that
 * is missed costs a good word and nothing else: bytes that differ are never called equal.
 */
export function findConfigObstacle(files: readonly ConfigFile[]): string | null {
  const reproducible = lastValue(files, 'reproducible')
  const uefi = lastValue(files, 'uefi')
  if (uefi?.value === 'yes') return `${uefi.path} has uefi="yes": dracut writes an EFI program, no initramfs`
  for (const { path, text } of files) {
    const added = [...text.matchAll(/^[ \t]*(?:force_)?(?:add_)?dracutmodules\+?=(.*)$/gm)]
    if (added.some(([, words = '']) => words.split(/[\s"']+/).includes('squash')))
      return `${path} adds the module squash, whose images differ each time`
  }
  if (reproducible?.value === 'no')
    return `${reproducible.path} has reproducible="no": dracut makes another image each time`
  if (reproducible === null && files.length > 0)
    return 'reproducible="yes" is in no file of /etc/dracut.conf.d and /usr/lib/dracut/dracut.conf.d: dracut makes another image each time'
  return null
}

function lastValue(files: readonly ConfigFile[], name: string): { path: string; value: string } | null {
  let found: { path: string; value: string } | null = null
  for (const { path, text } of files)
    for (const [, value = ''] of text.matchAll(new RegExp(`^[ \\t]*${name}=["']?([A-Za-z]*)["']?`, 'gm')))
      found = { path, value }
  return found
}

/** dracut sorts both directories by name, and a file of /etc stands for one of the same name in /usr (057, dracut.sh, dropindirs_sort: `sort -Vu`). */
export function sortDropIns(etc: readonly string[], usr: readonly string[]): readonly string[] {
  const isDropIn = (name: string): boolean => name.endsWith('.conf')
  const own = new Set(etc.filter(isDropIn))
  return [...new Set([...own, ...usr.filter(isDropIn)])]
    .sort(new Intl.Collator('en', { numeric: true }).compare)
    .map((name) => `${own.has(name) ? '/etc/dracut.conf.d' : '/usr/lib/dracut/dracut.conf.d'}/${name}`)
}
