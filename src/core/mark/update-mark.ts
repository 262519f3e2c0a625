/*
 * The mark that the package's file triggers leave when files are updated that a measured launch depends on. RPM's Lua writes
 * it (packaging/scriptlets), the program and the shells' snippet read it; docs/contract.md has its form.
 */

/**
 * Where packages put what is measured, or what an initramfs is made of: prefixes of paths as packages spell them.
 * The program dracut itself comes with the files of its package below /usr/lib/dracut.
 */
export const UPDATE_PREFIXES: readonly string[] = [
  '/boot/xen',
  '/boot/vmlinuz',
  '/boot/initramfs',
  '/boot/tboot',
  '/usr/lib/dracut/',
  '/etc/dracut.conf.d/',
  '/usr/share/microcode_ctl/',
  '/usr/lib/firmware/',
  '/lib/firmware/',
]

/**
 * What %transfiletriggerin is told: rpm looks its prefixes up in the index of directory names (rpm 4.18, lib/rpmtriggers.c,
 * matchFilesInTran), so a prefix that ends inside a file's name never fires.
 */
export function listTriggerDirectories(prefixes: readonly string[]): readonly string[] {
  return [...new Set(prefixes.map((prefix) => prefix.slice(0, prefix.lastIndexOf('/') + 1)))]
}

/** First line of the mark. */
export const UPDATE_MARK_TITLE = 'update mark of aem-reseal, 1'

/** Instead of a path: files were removed, and rpm does not say which (a postun trigger gets no paths). */
export const REMOVED = '-'

/** Paths that one transaction leaves in the mark; a line `+N` counts the others. */
export const MAX_PATHS_OF_TRANSACTION = 32

/** Lines kept in all; the oldest go first. */
export const MAX_MARK_LINES = 256

/** One line of the mark. */
export type MarkedFile = {
  /** Of the boot in which it was updated; null where rpm could not read it. */
  readonly bootId: string | null
  /** Seconds since 1970, UTC. */
  readonly time: number
  /** An absolute path, `-` (removed) or `+N` (N further paths). */
  readonly path: string
}

const LINE =
  /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|-) ([0-9]{1,11}) (\/[^\0-\x1f\x7f]{1,4095}|-|\+[0-9]{1,6})$/

/**
 * Reads the mark.
 *
 * Sample: `update mark of aem-reseal, 1\n1b4e28ba-2fa1-41d2-883f-0016d3cca427 1790000000 /boot/xen-4.19.4.gz\n`
 *
 * @returns null when it is of another form: nothing of it is believed
 */
export function parseUpdateMark(text: string): readonly MarkedFile[] | null {
  const [title, ...lines] = text.split('\n')
  if (title !== UPDATE_MARK_TITLE || lines.pop() !== '' || lines.length > MAX_MARK_LINES) return null
  const files: MarkedFile[] = []
  for (const line of lines) {
    const [, bootId, time, path] = LINE.exec(line) ?? []
    if (bootId === undefined || time === undefined || path === undefined) return null
    files.push({ bootId: bootId === '-' ? null : bootId, time: Number(time), path })
  }
  return files.length === 0 ? null : files
}

/** The mark as it is written. */
export function renderUpdateMark(files: readonly MarkedFile[]): string {
  const lines = files.map(({ bootId, time, path }) => `${bootId ?? '-'} ${time} ${path}`)
  return [UPDATE_MARK_TITLE, ...lines, ''].join('\n')
}
