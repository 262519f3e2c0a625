import { runCommands } from '../../../src/core/launch/grub-eval.ts'
import { parseGrubScript } from '../../../src/core/launch/grub-parse.ts'
import {
  type GrubFile,
  type GrubState,
  type GrubWorld,
  nestedState,
  newGrubState,
} from '../../../src/core/launch/grub-state.ts'
import { QUBES_GRUB, writeGrubEnvironment } from '../../support/grub/qubes-grub-writer.ts'

export type DeviceFacts = {
  readonly platform?: 'pc' | 'efi'
  /** Variables of grubenv; its text; `absent`; `unreadable`. */
  readonly grubenv?: Readonly<Record<string, string>> | string
  /** Text of the file; left out: it is not there; null: it cannot be read. */
  readonly user?: string | null
  readonly custom?: string | null
  /** Is there a directory /aem? null: nobody can say. */
  readonly aem?: boolean | null
  readonly uuid?: string | null
}

const UNREADABLE: GrubFile = { state: 'unknown', why: 'it cannot be read: input/output error' }

/** A device as the program would have found it. */
export function deviceWith(facts: DeviceFacts = {}): GrubWorld {
  const { platform = 'pc', grubenv = {}, aem = true, uuid = QUBES_GRUB.uuid } = facts
  const file = (text: string | null | undefined): GrubFile =>
    text === undefined ? { state: 'absent' } : text === null ? UNREADABLE : { state: 'file', text }
  const environment = typeof grubenv === 'string' ? grubenv : writeGrubEnvironment(grubenv)
  return {
    platform,
    directory: '/grub2',
    uuid,
    files: new Map<string, GrubFile>([
      ['/aem', aem === null ? UNREADABLE : { state: aem ? 'directory' : 'absent' }],
      [
        '/grub2/grubenv',
        environment === 'unreadable' ? UNREADABLE : file(environment === 'absent' ? undefined : environment),
      ],
      ['/grub2/user.cfg', file(facts.user)],
      ['/grub2/custom.cfg', file(facts.custom)],
    ]),
  }
}

/** What a script leaves behind, at the top of grub.cfg or in an entry, and its value as a condition. */
export function runScript(
  script: string,
  facts: DeviceFacts = {},
  place: 'file' | 'entry' | 'submenu' = 'file',
): GrubState & { readonly value: boolean | null } {
  const top = newGrubState(deviceWith(facts))
  const state = place === 'file' ? top : nestedState(top, place)
  const value = runCommands(state, parseGrubScript(script))
  return { ...state, value }
}
