import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  listTriggerDirectories,
  MAX_MARK_LINES,
  type MarkedFile,
  parseUpdateMark,
  renderUpdateMark,
  UPDATE_MARK_TITLE,
  UPDATE_PREFIXES,
} from '../../../src/core/mark/update-mark.ts'
import { isUpdatedBefore, isUpdatedInBoot, type Updates } from '../../../src/core/mark/updates.ts'

const BOOT = '1b4e28ba-2fa1-41d2-883f-0016d3cca427'
const OTHER = '2c5f39cb-30b2-42e3-994a-1127e4ddb538'
const line = (text: string): string => `${UPDATE_MARK_TITLE}\n${text}\n`

describe('parseUpdateMark', () => {
  it('reads paths, what was removed, and what was counted', () => {
    const text = line(`${BOOT} 1790000000 /boot/xen-4.19.4.gz\n- 1790000001 -\n${BOOT} 1790000002 +12`)
    expect(parseUpdateMark(text)).toEqual([
      { bootId: BOOT, time: 1_790_000_000, path: '/boot/xen-4.19.4.gz' },
      { bootId: null, time: 1_790_000_001, path: '-' },
      { bootId: BOOT, time: 1_790_000_002, path: '+12' },
    ])
  })

  it.each([
    ['nothing', ''],
    ['a title alone', `${UPDATE_MARK_TITLE}\n`],
    ['another version', `aem-reseal update mark 2\n${BOOT} 1 /boot/xen\n`],
    ['a line that does not end', `${UPDATE_MARK_TITLE}\n${BOOT} 1 /boot/xen`],
    ['no boot', line('x 1 /boot/xen')],
    ['no time', line(`${BOOT} x /boot/xen`)],
    ['a path that begins nowhere', line(`${BOOT} 1 boot/xen`)],
    ['a control character', line(`${BOOT} 1 /boot/\u001b[31mxen`)],
    [
      'too many lines',
      line(Array.from({ length: MAX_MARK_LINES + 1 }, () => `${BOOT} 1 /boot/xen`).join('\n')),
    ],
  ])('believes nothing of %s', (_what, text) => {
    expect(parseUpdateMark(text)).toBe(null)
  })

  it('reads back what is written, and never throws', () => {
    const file = fc.record({
      bootId: fc.option(fc.uuid(), { nil: null }),
      time: fc.nat(),
      path: fc.oneof(fc.stringMatching(/^\/[a-z0-9. +-]{1,30}$/), fc.constantFrom('-', '+3')),
    })
    fc.assert(
      fc.property(fc.array(file, { minLength: 1, maxLength: 20 }), (files) => {
        expect(parseUpdateMark(renderUpdateMark(files))).toEqual(files)
      }),
    )
    fc.assert(fc.property(fc.string(), (text) => parseUpdateMark(line(text)) === null || text.includes(' ')))
  })
})

it('tells rpm directories, which end with a slash', () => {
  const directories = listTriggerDirectories(UPDATE_PREFIXES)
  expect(directories).toContain('/boot/')
  expect(directories.every((path) => path.endsWith('/'))).toBe(true)
  expect(UPDATE_PREFIXES.every((prefix) => directories.some((path) => prefix.startsWith(path)))).toBe(true)
})

describe('what is due', () => {
  const of = (...files: readonly MarkedFile[]): Updates => ({
    mark: { state: 'marked', files },
    packages: [],
    newInitramfs: [],
  })
  const file = (bootId: string | null, path = '/boot/xen.gz'): MarkedFile => ({ bootId, time: 1, path })

  it.each([
    ['of this boot', of(file(BOOT)), true, false],
    ['of another boot', of(file(OTHER)), false, true],
    ['of both', of(file(OTHER), file(BOOT)), true, true],
    ['of a boot that rpm could not tell', of(file(null)), true, false],
    ['removed alone', of(file(BOOT, '-'), file(OTHER, '-')), false, false],
    [
      'an initramfs made by hand',
      { mark: { state: 'none' }, packages: [], newInitramfs: ['/boot/initramfs-6.img'] },
      true,
      false,
    ],
    ['none', { mark: { state: 'none' }, packages: [], newInitramfs: [] }, false, false],
    ['ignored', { mark: { state: 'ignored', why: 'x' }, packages: [], newInitramfs: [] }, false, false],
    ['not known', { mark: null, packages: [], newInitramfs: [] }, false, false],
  ] as const)('%s', (_what, updates, now, before) => {
    expect([isUpdatedInBoot(updates, BOOT), isUpdatedBefore(updates, BOOT)]).toEqual([now, before])
  })
})
