import type { Host } from '../../src/host/host.ts'

/** A host that throws on everything it was not told. */
export function makeFakeHost(told: Partial<Host>): Host {
  const refuse = (name: string) => async (): Promise<never> => {
    throw new Error(`the fake host was not told about ${name}`)
  }
  return {
    kind: 'simulated',
    description: 'a fake host',
    writable: true,
    uid: async () => 0,
    now: () => new Date('2024-07-17T09:00:00Z'),
    run: (call) => refuse(call.argv.join(' '))(),
    readFile: (path) => refuse(`readFile ${path}`)(),
    readLink: (path) => refuse(`readLink ${path}`)(),
    openFile: (path) => refuse(`openFile ${path}`)(),
    listDirectory: (path) => refuse(`listDirectory ${path}`)(),
    statFile: (path) => refuse(`statFile ${path}`)(),
    digestFile: (path) => refuse(`digestFile ${path}`)(),
    openMedia: ({ uuid }) => refuse(`openMedia ${uuid}`)(),
    readFileSystemState: (uuid) => refuse(`readFileSystemState ${uuid}`)(),
    freeBytes: (path) => refuse(`freeBytes ${path}`)(),
    makeWorkDirectory: refuse('makeWorkDirectory'),
    randomBytes: () => {
      throw new Error('the fake host was not told about randomBytes')
    },
    writeFileAtomic: (path) => refuse(`writeFileAtomic ${path}`)(),
    copyFile: (from) => refuse(`copyFile ${from}`)(),
    makePrivateDirectory: (path) => refuse(`makePrivateDirectory ${path}`)(),
    removeFile: (path) => refuse(`removeFile ${path}`)(),
    renameFile: (from) => refuse(`renameFile ${from}`)(),
    close: refuse('close'),
    lockFile: (path) => refuse(`lockFile ${path}`)(),
    ...told,
  }
}
