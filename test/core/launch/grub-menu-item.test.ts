import { describe, expect, it } from 'vitest'
import { addMenuItem } from '../../../src/core/launch/grub-menu-item.ts'
import { MAX_MENU_ITEMS, newGrubState } from '../../../src/core/launch/grub-state.ts'
import { deviceWith, runScript } from './grub-world.ts'

/* GRUB 2.06, grub-core/commands/menuentry.c. */

const itemOf = (words: string) => runScript(`menuentry ${words} { true; }`).menu[0]
const ODD = 'an option that no script writes'

describe('a menu item', () => {
  it.each([
    ["'a b'", 'a b', 'a b'],
    ["'a' --class qubes --class gnu-linux", 'a', 'a'],
    ["--class qubes 'a'", 'a', 'a'],
    ["'a' --id b", 'a', 'b'],
    ["'a' --id=b", 'a', 'b'],
    ["'a' --id=b=c", 'a', 'b=c'],
    ["'a' --id ''", 'a', ''],
    ["'a' --unrestricted --id b", 'a', 'b'],
    ["'a' --users root --hotkey=q", 'a', 'a'],
    ["'a' --users=root --hotkey q", 'a', 'a'],
    ["'a' --class=x=y", 'a', 'a'],
    ["'a' 'b'", 'a', 'a'],
    ["'-' --id b", '-', 'b'],
    ['x--id=b', 'x--id=b', 'x--id=b'],
    ["''", '', ''],
  ])('%s has title and id', (words, title, id) => {
    expect(itemOf(words)).toMatchObject({
      kind: 'entry',
      title,
      id,
      uncertain: null,
      isNamed: true,
      file: 'grub.cfg',
    })
    expect(itemOf(words)?.body).toHaveLength(1)
  })

  it.each([
    ["'a' --class", 'the option --class without a value'],
    ["'a' --id --class x", 'the option --id without a value'],
    ["'a' --users -x", 'the option --users without a value'],
    ["'a' --evil", ODD],
    ["'a' --idx", ODD],
    ["'a' --evil=b", ODD],
    ["'a' -x", ODD],
    ["'a' -x--id=b", ODD],
    ["'a' --classes=b", ODD],
    ["'a' --unrestricted=b", ODD],
    ['', 'an entry without a title'],
    ['--class x', 'an entry without a title'],
    ['--evil', ODD],
  ])('%j GRUB may refuse', (words, why) => {
    expect(itemOf(words)).toMatchObject({ uncertain: why, isNamed: false })
  })

  it.each([['"a$cmdpath"', '$cmdpath']])('%s has a name that is not known', (words, what) => {
    expect(itemOf(words)).toMatchObject({ uncertain: `a title with ${what}`, isNamed: false })
  })

  it('without a block is none to GRUB', () => {
    const state = runScript("menuentry 'a'\nsubmenu 'b'")
    expect(state.menu).toMatchObject([
      { kind: 'entry', uncertain: 'no block', isNamed: true, body: [] },
      { kind: 'submenu', uncertain: 'no block', isNamed: true, body: [] },
    ])
    expect(state.value).toBeNull()
  })

  it('beyond the most that a menu can have is a problem', () => {
    const state = newGrubState(deviceWith())
    const add = () => addMenuItem(state, { kind: 'simple', words: [], block: [] }, 'menuentry', ['a'], [])
    for (let i = 0; i < MAX_MENU_ITEMS; i++) add()
    expect([state.menu.length, state.problems]).toEqual([MAX_MENU_ITEMS, []])
    add()
    expect([state.menu.length, state.problems]).toEqual([MAX_MENU_ITEMS, ['grub.cfg has too many entries']])
  })
})
