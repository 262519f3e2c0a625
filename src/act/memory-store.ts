import type { Session } from '../core/session/checkpoint.ts'
import type { LedgerLook } from '../core/session/device-ledger.ts'
import type { HeldNote } from '../core/session/held-note.ts'
import type { Versions } from '../core/session/versions.ts'
import { ABSENT, type Seen, seen } from '../host/host.ts'
import { DEFAULT_STATE_DIR } from '../tables/paths.ts'
import { line, type Ui } from '../ui/ui.ts'
import type { SessionStore } from './session-store.ts'

/**
 * Keeps the session in memory; the report is shown where it would be written.
 * @param known the record of confirmed versions to begin with
 * @param ledger the device ledger to begin with, and with it what was approved
 */
export function makeMemoryStore(
  ui: Ui,
  known: Seen<Versions> = ABSENT,
  ledger: LedgerLook = { state: 'absent' },
): SessionStore {
  let versions = known
  let kept: Session | null = null
  let note: HeldNote | null = null
  let devices: LedgerLook = ledger
  return {
    load: async () => kept,
    async save(session) {
      kept = structuredClone(session)
    },
    async close() {
      kept = null
    },
    async writeReport(name) {
      const path = `${DEFAULT_STATE_DIR}/reports/${name}`
      if (ui.isDetailed) ui.say([line(`  would write ${path}`, 'dim')])
      return `(not written: rehearsal) ${path}`
    },
    loadHeldNote: async () => note,
    async saveHeldNote(held) {
      note = held
    },
    async removeHeldNote() {
      note = null
    },
    loadDevices: async () => devices,
    async updateDevices(change, empty) {
      const changed = change(devices.state === 'read' ? devices.ledger : empty)
      devices = { state: 'read', ledger: changed }
      return devices
    },
    loadVersions: async () => versions,
    async saveVersions(confirmed) {
      versions = seen(confirmed)
    },
    lock: async () => ({ release: async () => undefined }),
  }
}
