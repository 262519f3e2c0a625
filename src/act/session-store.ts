import { parseSession, type Session } from '../core/session/checkpoint.ts'
import { type DeviceLedger, type LedgerLook, parseDeviceLedger } from '../core/session/device-ledger.ts'
import { type HeldNote, parseHeldNote } from '../core/session/held-note.ts'
import { parseVersions, type Versions } from '../core/session/versions.ts'
import { type Host, type Seen, seen, unknown } from '../host/host.ts'
import { makeFailure } from '../tables/failures.ts'

/** Where sessions are kept: in memory for a rehearsal, in the state directory otherwise. */
export type SessionStore = {
  load(): Promise<Session | null>
  save(session: Session): Promise<void>
  /** Takes the session away; its report stays. */
  close(): Promise<void>
  /** Writes a file beside the session. @returns its path */
  writeReport(name: string, text: string): Promise<string>
  /** The gate's note, when it held AEM's automatic seal; the caller looks whether it is of this boot. */
  loadHeldNote(): Promise<HeldNote | null>
  saveHeldNote(note: HeldNote): Promise<void>
  removeHeldNote(): Promise<void>
  /** What is remembered of the AEM devices across sessions. */
  loadDevices(): Promise<LedgerLook>
  /**
   * Changes that memory. A file that is damaged, foreign or newer is kept as it is and the answer says so.
   * @param empty what there is to begin with where none was written yet
   */
  updateDevices(change: (ledger: DeviceLedger) => DeviceLedger, empty: DeviceLedger): Promise<LedgerLook>
  /** Versions confirmed before, across sessions; unknown where the record cannot be read. */
  loadVersions(): Promise<Seen<Versions>>
  saveVersions(versions: Versions): Promise<void>
  lock(): Promise<{ release(): Promise<void> }>
}

/**
 * Sessions in a directory of the host.
 * @throws Failure when the file there is damaged, foreign or newer: it is kept as it is
 */
export function makeDirectoryStore(host: Host, directory: string): SessionStore {
  const path = `${directory}/session.json`
  const notePath = `${directory}/held.json`
  const devicesPath = `${directory}/devices.json`
  const versionsPath = `${directory}/versions.json`
  const write = (target: string, text: string): Promise<void> =>
    host.writeFileAtomic(target, Buffer.from(text), 0o600)
  const loadDevices = async (): Promise<LedgerLook> => {
    const bytes = await host.readFile(devicesPath)
    if (bytes.state === 'seen') return parseDeviceLedger(Buffer.from(bytes.value).toString('utf8'))
    // As with the session: a recording that holds none has none.
    if (bytes.state === 'absent' || host.kind === 'recorded') return { state: 'absent' }
    return { state: 'unreadable', detail: bytes.why }
  }
  return {
    async load() {
      const bytes = await host.readFile(path)
      if (bytes.state === 'absent') return null
      if (bytes.state === 'unknown') {
        if (host.kind === 'recorded') return null
        throw makeFailure('session-unreadable', { path, reason: bytes.why })
      }
      const read = parseSession(Buffer.from(bytes.value).toString('utf8'))
      if ('session' in read) return read.session
      throw makeFailure(`session-${read.problem}`, { path, reason: read.detail })
    },
    async save(session) {
      await host.makePrivateDirectory(directory)
      await write(path, `${JSON.stringify(session, null, 2)}\n`)
    },
    close: () => host.removeFile(path),
    async writeReport(name, text) {
      const reports = `${directory}/reports`
      await host.makePrivateDirectory(directory)
      await host.makePrivateDirectory(reports)
      await write(`${reports}/${name}`, text)
      return `${reports}/${name}`
    },
    async loadHeldNote() {
      const bytes = await host.readFile(notePath)
      return bytes.state === 'seen' ? parseHeldNote(Buffer.from(bytes.value).toString('utf8')) : null
    },
    async saveHeldNote(note) {
      await host.makePrivateDirectory(directory)
      await write(notePath, `${JSON.stringify(note, null, 2)}\n`)
    },
    removeHeldNote: () => host.removeFile(notePath),
    loadDevices,
    async updateDevices(change, empty) {
      const look = await loadDevices()
      if (look.state !== 'read' && look.state !== 'absent') return look
      const ledger = change(look.state === 'read' ? look.ledger : empty)
      await host.makePrivateDirectory(directory)
      await write(devicesPath, `${JSON.stringify(ledger, null, 2)}\n`)
      return { state: 'read', ledger }
    },
    async loadVersions() {
      const bytes = await host.readFile(versionsPath)
      if (bytes.state !== 'seen') return bytes
      const versions = parseVersions(Buffer.from(bytes.value).toString('utf8'))
      return versions === null ? unknown(`${versionsPath} is not of the form that is known`) : seen(versions)
    },
    async saveVersions(versions) {
      await host.makePrivateDirectory(directory)
      await write(versionsPath, `${JSON.stringify(versions, null, 2)}\n`)
    },
    async lock() {
      await host.makePrivateDirectory(directory)
      return host.lockFile(`${directory}/session.lock`)
    },
  }
}
