import type { Catalogue } from '../core/bulletin/catalogue.ts'
import type { CommandCall } from '../tables/commands.ts'

/**
 * What a look at the machine gave. `unknown` is not `absent`: a fact that could not be looked up becomes
 * null and never "no" (docs/contract.md, recorded machine).
 */
export type Seen<T> =
  | { readonly state: 'seen'; readonly value: T }
  | { readonly state: 'absent' }
  | { readonly state: 'unknown'; readonly why: string }

/** Text as UTF-8; for a row of the table marked `binary`, stdout is one character a byte (latin1). */
export type RunResult = { readonly exit: number; readonly stdout: string; readonly stderr: string }

export const FILE_KINDS = ['file', 'directory', 'link', 'other'] as const

export type FileStat = {
  readonly kind: (typeof FILE_KINDS)[number]
  readonly sizeBytes: number
  readonly mtimeMs: number
  /** Permission bits only, e.g. 0o600. */
  readonly mode: number
  /** Left out where it is not recorded. */
  readonly ownerUid?: number | undefined
}

/** Digests in lower-case hex; `gunzipped` is there when the file is a gzip file. */
export type FileDigests = {
  readonly sha1: string
  readonly sha256: string
  readonly sizeBytes: number
  readonly gunzipped?: { readonly sha1: string; readonly sha256: string } | undefined
  /** What came out of it where it is gzip, also where that was too much to be of use: the work it made. */
  readonly unpackedBytes?: number | undefined
  /** GNU build id of the ELF image inside, lower-case hex, where it has one. */
  readonly buildId?: string | undefined
}

/** What the superblock of an ext4 file system says of its mounts. */
export type FileSystemState = {
  /** Raised by every mount for writing. */
  readonly mountCount: number
  /** It is mounted for writing, or was not closed cleanly. */
  readonly isJournalDirty: boolean
}

export type MediaRequest = {
  readonly uuid: string
  /** Where it is mounted already. */
  readonly mountPoint: string | null
  readonly write?: boolean
}

export type MountedMedia = {
  /** Where its files are now, without a trailing slash. */
  readonly root: string
  /** Undoes what opening did; safe to call twice. */
  close(): Promise<void>
}

/**
 * The machine as the program may touch it. Three makers: real, recorded (read-only replay), simulated.
 * Reading functions never throw for what is missing; writing functions throw a Failure.
 */
export type Host = {
  readonly kind: 'real' | 'recorded' | 'simulated'
  /** One line for the user: which machine this is. */
  readonly description: string
  /** May this host be changed at all? */
  readonly writable: boolean
  uid(): Promise<number | null>
  now(): Date
  /** The bulletins that are out at the machine's own time; left out where those that the program carries are meant. */
  readonly catalogue?: Catalogue
  /** @param input bytes for standard input: secrets go this way, never on a command line */
  run(call: CommandCall, input?: Uint8Array): Promise<Seen<RunResult>>
  /**
   * Streams bytes through a program of the table that unpacks. The result throws an Error with what the program said where
   * it ends with another code than 0; ending the loop early ends the program. Absent where no program is run.
   * @param onMissing told the program that is not installed, before the result throws
   */
  unpack?(
    call: CommandCall,
    input: AsyncIterable<Uint8Array>,
    onMissing: (program: string) => void,
  ): AsyncIterable<Uint8Array>
  readFile(path: string): Promise<Seen<Uint8Array>>
  readLink(path: string): Promise<Seen<string>>
  listDirectory(path: string): Promise<Seen<readonly string[]>>
  statFile(path: string): Promise<Seen<FileStat>>
  digestFile(path: string): Promise<Seen<FileDigests>>
  /**
   * What stays the same as long as nobody writes to a file; null where nothing says so: it was written a moment ago, or lies on a
   * device that is mounted for one look. Absent where files have no such thing.
   */
  identifyFile?(path: string): Promise<string | null>
  /** The bytes of a file in order, for streaming hashes; a recorded machine may know digests without bytes. */
  openFile(path: string): Promise<Seen<AsyncIterable<Uint8Array>>>
  /** The files of an AEM device: where it is mounted, else mounted for the time of the look, read-only unless `write`. */
  openMedia(media: MediaRequest): Promise<Seen<MountedMedia>>
  /** Of a device that need not be mounted; nothing is written or mounted for it. */
  readFileSystemState(uuid: string): Promise<Seen<FileSystemState>>
  /** Free bytes for root on the file system of a path. */
  freeBytes(path: string): Promise<Seen<number>>
  /** An empty 0700 directory under /run for tools that only write files; gone with `close` of the host at the latest. */
  makeWorkDirectory(): Promise<MountedMedia>
  /** Bytes nobody can guess. */
  randomBytes(sizeBytes: number): Uint8Array
  /**
   * TPM 1.2 only: while `work` runs, tcsd reports these register values (lower-case hex, SHA-1) instead of the TPM's, to
   * every client; afterwards the system's tcsd runs again, whatever happened. Absent where there is no TPM to relay to.
   * @throws Failure when the relay or tcsd cannot be started
   */
  relayTpm?<T>(values: Readonly<Record<number, string>>, work: () => Promise<T>): Promise<T>
  /** Undoes what runs that were killed left behind: mounts, files of tools, a stopped tcsd, a session in the TPM. */
  clearLeftovers?(): Promise<void>
  /** Temporary file, fsync, rename, fsync of the directory. @throws Failure */
  writeFileAtomic(path: string, bytes: Uint8Array, mode: number): Promise<void>
  /**
   * Copies a regular file as `writeFileAtomic` writes one, read once: what is renamed into place is what was hashed.
   * @param sha256 what it must be; another content leaves the target as it was
   * @throws Failure
   */
  copyFile(from: string, to: string, sha256: string): Promise<void>
  /** 0700, parents too. @throws Failure */
  makePrivateDirectory(path: string): Promise<void>
  /** A file, or a directory with all in it; what is absent is no error. */
  removeFile(path: string): Promise<void>
  renameFile(from: string, to: string): Promise<void>
  /** Ends what is open: waits for a running write, unmounts what was mounted for a look. */
  close(): Promise<void>
  /** A lock that dies with the process. @throws Failure when another process holds it */
  lockFile(path: string): Promise<{ release(): Promise<void> }>
}

export function seen<T>(value: T): Seen<T> {
  return { state: 'seen', value }
}

export const ABSENT = { state: 'absent' } as const

export function unknown(why: string): { readonly state: 'unknown'; readonly why: string } {
  return { state: 'unknown', why }
}

/** The value, or null where it is absent or unknown. */
export function valueOrNull<T>(look: Seen<T>): T | null {
  return look.state === 'seen' ? look.value : null
}
