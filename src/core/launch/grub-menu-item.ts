import type { Command } from './grub-parse.ts'
import { type GrubState, MAX_MENU_ITEMS, type MenuItem } from './grub-state.ts'

/** Commands that load a file to be booted. */
export const LOADERS = new Set([
  ...['multiboot', 'multiboot2', 'module', 'module2', 'slaunch', 'slaunch_module', 'skl_module'],
  ...['linux', 'linux16', 'linuxefi', 'initrd', 'initrd16', 'initrdefi', 'chainloader', 'xen_hypervisor'],
])
/** Commands that bring in entries from elsewhere. */
export const READERS = new Set(['source', '.', 'configfile', 'normal', 'blscfg', 'legacy_configfile', 'eval'])
/** Menu options that take a value: GRUB 2.06, grub-core/commands/menuentry.c. */
const MENU_OPTIONS = new Set(['--class', '--users', '--hotkey', '--source', '--id'])

/** A menuentry or submenu command with expanded arguments, added to the menu. */
export function addMenuItem(
  state: GrubState,
  command: Command & { kind: 'simple' },
  name: 'menuentry' | 'submenu',
  args: readonly string[],
  unknown: readonly string[],
  uncertain: string | null = null,
): boolean {
  let id: string | null = null
  const titles: string[] = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!
    if (MENU_OPTIONS.has(arg)) {
      if (arg === '--id') id = args[i + 1] ?? null
      i += 1
    } else if (arg.startsWith('--id=')) id = arg.slice(5)
    else if (!arg.startsWith('--')) titles.push(arg)
  }
  const title = titles[0] ?? ''
  const why = uncertain ?? (unknown.length > 0 ? `a title with $${unknown[0]}` : null)
  const kind = name === 'menuentry' ? 'entry' : 'submenu'
  const item: MenuItem = { kind, title, id: id ?? title, body: command.block ?? [], uncertain: why }
  if (state.menu.length < MAX_MENU_ITEMS) state.menu.push(item)
  else state.problems.push('grub.cfg has too many entries')
  return true
}
