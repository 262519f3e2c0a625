import { type Host, type MountedMedia, type Seen, seen, unknown } from '../../src/host/host.ts'

/** One look at the machine, e.g. `read /proc/cmdline`. */
export type Look = string

export type Blind = {
  readonly host: Host
  /** Each look once, in the order in which they were first taken. */
  readonly looks: ReadonlySet<Look>
  /** What was opened and not closed. */
  readonly open: ReadonlySet<string>
}

/**
 * A host on which one look fails, each time it is taken; all others tell what there is.
 * @param failing null: all can be taken
 */
export function blindHost(host: Host, failing: Look | null): Blind {
  const looks = new Set<Look>()
  const open = new Set<string>()
  let opened = 0
  const take = async <T>(what: Look, work: () => Promise<Seen<T>>): Promise<Seen<T>> => {
    looks.add(what)
    return what === failing ? unknown('input/output error') : work()
  }
  const hold = (what: string, media: MountedMedia): MountedMedia => {
    const name = `${what} (${opened++})`
    open.add(name)
    return {
      root: media.root,
      async close() {
        open.delete(name)
        await media.close()
      },
    }
  }
  const blind: Host = {
    ...host,
    async run(call, input) {
      if (call.effect === 'write') return host.run(call, input)
      return take(`run ${[call.id, ...Object.values(call.params)].join(' ')}`, () => host.run(call, input))
    },
    readFile: (path) => take(`read ${path}`, () => host.readFile(path)),
    readLink: (path) => take(`link ${path}`, () => host.readLink(path)),
    listDirectory: (path) => take(`list ${path}`, () => host.listDirectory(path)),
    statFile: (path) => take(`stat ${path}`, () => host.statFile(path)),
    digestFile: (path) => take(`digest ${path}`, () => host.digestFile(path)),
    openFile: (path) => take(`open ${path}`, () => host.openFile(path)),
    freeBytes: (path) => take(`free ${path}`, () => host.freeBytes(path)),
    async openMedia(media) {
      const look = await take(`device ${media.uuid}`, () => host.openMedia(media))
      return look.state === 'seen' ? seen(hold(`device ${media.uuid}`, look.value)) : look
    },
    async makeWorkDirectory() {
      return hold('work directory', await host.makeWorkDirectory())
    },
  }
  return { host: blind, looks, open }
}
