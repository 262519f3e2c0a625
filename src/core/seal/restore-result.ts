/** What became of one copy of the sealed files when a forward seal was taken back. */
export type Restored = 'restored' | 'was-old' | 'superseded' | 'absent' | 'stuck'

export type RestoreResult = { readonly device: Restored; readonly dom0: Restored }

/** What was put away of a forward seal that did not come to its end, in both homes. */
export type Cleared = {
  readonly dom0: boolean
  readonly device: boolean
  /** The device's exchange was done: nothing was removed. null: it cannot be told, and all stays as it is. */
  readonly isInForce: boolean | null
}
