import type { Command } from './grub-parse.ts'
import { type GrubState, MAX_MENU_ITEMS, type MenuItem } from './grub-state.ts'

/** Options that take a value, and one that takes none: GRUB 2.06, grub-core/commands/menuentry.c; --users with or without (patch 0109). */
const WITH_VALUE = new Set(['--class', '--users', '--hotkey', '--id'])

/** A menuentry or submenu command with expanded arguments, added to the menu. */
export function addMenuItem(
  state: GrubState,
  command: Command & { kind: 'simple' },
  name: 'menuentry' | 'submenu',
  args: readonly string[],
  unknown: readonly string[],
  uncertain: string | null = null,
): boolean | null {
  const { id, title, odd } = readArguments(args)
  const why =
    uncertain ??
    (unknown.length > 0 ? `a title with ${unknown[0]}` : (odd ?? (command.block ? null : 'no block')))
  const kind = name === 'menuentry' ? 'entry' : 'submenu'
  const item: MenuItem = {
    kind,
    title,
    id: id ?? title,
    body: command.block ?? [],
    file: state.file,
    uncertain: why,
    isNamed: unknown.length === 0 && odd === null,
  }
  if (state.menu.length < MAX_MENU_ITEMS) state.menu.push(item)
  else state.problems.push('grub.cfg has too many entries')
  return null
}

/** What is odd about them GRUB may refuse, and then there is no such entry. */
function readArguments(args: readonly string[]): { id: string | null; title: string; odd: string | null } {
  let id: string | null = null
  let odd: string | null = null
  const titles: string[] = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!
    const equals = arg.indexOf('=')
    if (arg === '--unrestricted') continue
    if (!arg.startsWith('-') || arg === '-') titles.push(arg)
    else if (WITH_VALUE.has(arg)) {
      i += 1
      const value = args[i]
      if (value === undefined || value.startsWith('-')) odd = `the option ${arg} without a value`
      else if (arg === '--id') id = value
    } else if (arg.startsWith('--id=')) id = arg.slice(equals + 1)
    else if (equals === -1 || !WITH_VALUE.has(arg.slice(0, equals))) odd = 'an option that no script writes'
  }
  if (titles[0] === undefined) odd ??= 'an entry without a title'
  return { id, title: titles[0] ?? '', odd }
}
