import type { MediaRequest, MountedMedia, Seen } from './host.ts'
import { seen } from './host.ts'

type Held = {
  readonly opening: Promise<Seen<MountedMedia>>
  holders: number
  /** Set by the last holder: until it is done, nobody else may mount at that place. */
  closing: Promise<void> | null
}

/**
 * Opens a device once for all looks that overlap: the first one mounts it, the last one unmounts it.
 * @param open mounts; two calls for one device never overlap
 */
export function shareMedia(
  open: (media: MediaRequest) => Promise<Seen<MountedMedia>>,
): (media: MediaRequest) => Promise<Seen<MountedMedia>> {
  const held = new Map<string, Held>()
  return async (media) => {
    const key = `${media.uuid} ${media.mountPoint} ${media.write === true}`
    for (let ending = held.get(key)?.closing; ending; ending = held.get(key)?.closing) await ending
    const entry = held.get(key) ?? { opening: open(media), holders: 0, closing: null }
    held.set(key, entry)
    entry.holders += 1
    const look = await entry.opening.catch((error: unknown) => {
      held.delete(key)
      throw error
    })
    const leave = async (): Promise<void> => {
      entry.holders -= 1
      if (entry.holders > 0) return
      entry.closing = look.state === 'seen' ? look.value.close() : Promise.resolve()
      await entry.closing.finally(() => held.delete(key))
    }
    if (look.state !== 'seen') {
      await leave()
      return look
    }
    let isOpen = true
    return seen({
      root: look.value.root,
      async close() {
        if (!isOpen) return
        isOpen = false
        await leave()
      },
    })
  }
}
