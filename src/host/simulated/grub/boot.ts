import { BOOTS, type MenuEntry, STOPS } from './commands.ts'
import type { LoadedSystem } from './loader.ts'
import { GRUB_DIRECTORY, type GrubDisk, makeRun, type Run } from './run.ts'

export type GrubBoot = LoadedSystem & {
  readonly title: string
  readonly touched: readonly (readonly string[])[]
  /** Files that GRUB changed on the device: its environment block. */
  readonly written: ReadonlyMap<string, Buffer>
}

/** What the person at the menu takes: null leaves it to the default, else titles from the outermost menu inwards. */
export type MenuChoice = readonly string[] | null

/**
 * What a machine boots from this device, by its /grub2/grub.cfg.
 * @throws Error when nothing boots
 */
export function bootFromGrub(
  disk: GrubDisk,
  choice: MenuChoice = null,
  platform: 'pc' | 'efi' = 'pc',
): GrubBoot {
  const run = makeRun(disk, platform)
  let title = 'no entry'
  try {
    if (run.sourceFile(`${GRUB_DIRECTORY}/grub.cfg`) !== 0) throw new Error('no grub.cfg on the boot device')
    title = startEntry(run, choice)
  } catch (error) {
    if (!(error instanceof Error) || error.cause !== BOOTS) throw error
  }
  const loaded = run.loaded()
  if (!loaded) throw new Error('GRUB loaded nothing', { cause: STOPS })
  return { ...loaded, title, touched: run.touched, written: run.written }
}

/** grub_menu_execute_entry (GRUB 2.06, normal/menu.c). */
function startEntry(run: Run, choice: MenuChoice): string {
  const entries = run.menu()
  const entry =
    choice === null ? defaultEntry(entries, run.variables.get('default')) : pick(entries, choice[0])
  if (!entry) throw new Error(`the menu has no entry ${choice?.[0] ?? ''}`, { cause: STOPS })
  if (entry.isSubmenu) {
    const rest = /^(?:[^>]|>>)*>([\s\S]+)$/.exec(run.variables.get('default'))?.[1]
    const close = run.openMenu()
    if (rest !== undefined) run.variables.set('default', rest)
    run.runBody(entry.body, entry.args)
    const title = startEntry(run, choice === null ? null : choice.slice(1))
    close()
    return title
  }
  const error = runToBoot(run, entry)
  if (error !== 0) throw new Error(`${entry.title} ends with an error of GRUB`, { cause: STOPS })
  return entry.title
}

function runToBoot(run: Run, entry: MenuEntry): number {
  try {
    return run.runBody(entry.body, entry.args)
  } catch (error) {
    if (error instanceof Error && error.cause === BOOTS) return 0
    throw error
  }
}

function pick(entries: readonly MenuEntry[], title: string | undefined): MenuEntry | undefined {
  return entries.find((entry) => entry.title === title)
}

/**
 * get_entry_number with Fedora's change (QubesOS/qubes-grub2, patch 0108): an id, which ends at a blank; else a title;
 * else a number, which stands alone. Whatever fits none is the first entry.
 */
function defaultEntry(entries: readonly MenuEntry[], wanted: string): MenuEntry | undefined {
  const [word = ''] = wanted.split(/[\n\r \t]/)
  const byId = entries.find(({ id }) => id !== '' && id === outermost(word))
  if (byId) return word === wanted ? byId : entries[0]
  const isNumber = /^(0x[0-9a-f]+|[0-9]+)$/i.test(wanted)
  return pick(entries, outermost(wanted)) ?? (isNumber ? entries[Number(wanted)] : undefined) ?? entries[0]
}

/** The part of a path through submenus before its first `>`; `>>` is the character itself. */
function outermost(path: string): string {
  return (/^(?:[^>]|>>)*/.exec(path)?.[0] ?? '').replaceAll('>>', '>')
}
