import { describe, expect, it } from 'vitest'
import { compareImages } from '../../../src/core/initramfs/compare-images.ts'
import { readImage } from '../../../src/core/initramfs/read-image.ts'
import { entry, imageWith, link } from './image-writer.ts'

async function changesOf(checked: Uint8Array, fresh: Uint8Array) {
  const read = (added: Uint8Array) => {
    async function* bytes(): AsyncGenerator<Uint8Array> {
      yield imageWith(added)
    }
    return readImage(bytes(), () => {
      throw new Error('no program is run here')
    })
  }
  const differences = compareImages(await read(checked), await read(fresh))
  return differences.map(({ path, change }) => `${path}: ${change}`)
}

describe('two images', () => {
  /** cpio(5): fields 9 and 10 are the major and minor number of a device node. */
  const node = (mode: number, major: number, minor: number) =>
    entry('etc/node', '', { mode, fields: { 9: major, 10: minor } })
  const [NULL, SDA] = [node(0o20660, 1, 3), node(0o60660, 8, 0)]
  const file = (options = {}, data = 'words') => entry('etc/x', data, options)

  it('are alike where nothing differs', async () => {
    expect(await changesOf(NULL, NULL)).toEqual([])
  })

  it.each([
    ['a device node of another device', node(0o60660, 8, 16), SDA, 'etc/node: kind'],
    ['a character device for a block device', node(0o20660, 8, 0), SDA, 'etc/node: kind'],
    ['a link for a file with the same bytes', link('etc/x', 'words'), file(), 'etc/x: kind'],
    ['other bytes, whoever owns them', file({ uid: 1 }, 'WORDS'), file(), 'etc/x: content'],
    ['another owner', file({ uid: 1 }), file(), 'etc/x: owner'],
    ['a file that became setuid', file({ mode: 0o104644 }), file(), 'etc/x: mode'],
  ])('differ by %s', async (_, checked, fresh, change) => {
    expect(await changesOf(checked, fresh)).toEqual([change])
  })
})
