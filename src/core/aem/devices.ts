import * as z from '../form.ts'
import { onFirstUse } from '../on-first-use.ts'

/** One block device of `lsblk --json --list`. */
export type BlockDevice = {
  readonly name: string
  readonly fileSystem: string | null
  readonly label: string | null
  readonly uuid: string | null
  readonly mountPoint: string | null
  readonly isRemovable: boolean | null
  readonly isReadOnly: boolean | null
  readonly sizeBytes: number | null
}

// util-linux before 2.33 printed booleans and sizes as strings.
const flag = () =>
  z.nullish(
    z.union([
      z.boolean(),
      z.pipe(
        z.enum(['0', '1']),
        z.transform((text) => text === '1'),
      ),
    ]),
  )
const size = () =>
  z.nullish(z.union([z.number(), z.pipe(z.string().check(z.regex(/^[0-9]+$/)), z.transform(Number))]))
const lsblkSchema = onFirstUse(() =>
  z.object({
    blockdevices: z.array(
      z.object({
        name: z.string(),
        fstype: z.nullish(z.string()),
        label: z.nullish(z.string()),
        uuid: z.nullish(z.string()),
        mountpoint: z.nullish(z.string()),
        rm: flag(),
        ro: flag(),
        size: size(),
      }),
    ),
  }),
)

/** Reads lsblk's JSON. @returns null when it is of another form */
export function parseLsblk(stdout: string): readonly BlockDevice[] | null {
  let json: unknown
  try {
    json = JSON.parse(stdout)
  } catch {
    return null
  }
  const parsed = lsblkSchema().safeParse(json)
  if (!parsed.success) return null
  return parsed.data.blockdevices.map((device) => ({
    name: device.name,
    fileSystem: device.fstype ?? null,
    label: device.label ?? null,
    uuid: device.uuid ?? null,
    mountPoint: device.mountpoint ?? null,
    isRemovable: removableByLabel(device.label ?? '') ?? device.rm ?? null,
    isReadOnly: device.ro ?? null,
    sizeBytes: device.size ?? null,
  }))
}

/** A label that ends with `.rm=0` or `.rm=1` overrules what the kernel says (anti-evil-maid-lib 4.2.0, removable). */
function removableByLabel(label: string): boolean | null {
  if (label.endsWith('.rm=1')) return true
  return label.endsWith('.rm=0') ? false : null
}

/** What a label of an AEM device begins with (anti-evil-maid-lib, LABEL_PREFIX). */
const LABEL_PREFIX = 'aem'
/** anti-evil-maid-install, LABEL_SUFFIX_CHARS: 0-13 characters. */
const SUFFIX = /^[0-9a-zA-Z=.-]{0,13}$/

/** The suffix of an AEM label or directory name, or null when it is none: `aem.sd` -> `.sd`. */
export function parseAemLabel(label: string): string | null {
  if (!label.startsWith(LABEL_PREFIX)) return null
  const suffix = label.slice(LABEL_PREFIX.length)
  return SUFFIX.test(suffix) ? suffix : null
}

export function labelOf(suffix: string): string {
  return `${LABEL_PREFIX}${suffix}`
}

/**
 * AEM devices of this dom0: those plugged in (by label) and those dom0 keeps files for, each once.
 * Two plugged-in devices with one label both appear: which is which is for the user to say.
 */
export function listAemDevices(
  blockDevices: readonly BlockDevice[] | null,
  directories: readonly string[] | null,
): readonly { readonly suffix: string; readonly block: BlockDevice | null }[] {
  const plugged = (blockDevices ?? []).flatMap((block) => {
    const suffix = block.label === null || block.uuid === null ? null : parseAemLabel(block.label)
    return suffix === null ? [] : [{ suffix, block }]
  })
  const known = (directories ?? []).flatMap((name) => {
    const suffix = parseAemLabel(name)
    return suffix === null || plugged.some((device) => device.suffix === suffix)
      ? []
      : [{ suffix, block: null }]
  })
  return [...plugged, ...known].sort((a, b) => (a.suffix < b.suffix ? -1 : a.suffix > b.suffix ? 1 : 0))
}
