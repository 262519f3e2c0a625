import { describe, expect, it } from 'vitest'
import { COMMANDS } from '../../src/tables/commands.ts'
import { readSources } from '../support/sources.ts'

/*
 * What changes a machine stands in src/act, so that a reader finds all power in one folder. Whoever else writes, or runs what
 * the table marks as writing, is named here with the reason.
 */

const WRITES = ['writeFileAtomic', 'copyFile', 'renameFile', 'removeFile', 'makePrivateDirectory']
const PROGRAMS = Object.entries(COMMANDS)
  .filter(([, row]) => row.effect === 'write')
  .map(([id]) => id)

/** Own files in a work directory below /run, gone with the run. */
const OWN_WORK = 'its own work directory'
/** The TPM is as it was when the trial is over. */
const TRIAL = 'a trial unseal, undone at its end'
const KNOWN: Readonly<Record<string, string>> = {
  'src/observe/initramfs/reproduction.ts removeFile': OWN_WORK,
  'src/observe/initramfs/reproduction.ts writeFileAtomic': OWN_WORK,
  'src/observe/bulletin/signature-checker.ts makePrivateDirectory': OWN_WORK,
  'src/observe/bulletin/signature-checker.ts writeFileAtomic': OWN_WORK,
  'src/observe/device/luks-headers.ts removeFile': OWN_WORK,
  'src/observe/verify/trial-unseal-tpm2.ts flush-transient': TRIAL,
  'src/observe/verify/trial-unseal-tpm12.ts tcsd-start': TRIAL,
  'src/observe/verify/trial-unseal-tpm12.ts tcsd-stop': TRIAL,
  'src/observe/seal/hold-drop-in.ts gate-asked': 'the line of the drop-in, compared and not run',
  'src/flow/steps/install-hold.ts gate-asked': 'the line of the drop-in, shown in a rehearsal',
  'src/messages/hold.ts gate-asked': 'the line of the drop-in, shown',
}

/** `file act` for each act on the machine outside of src/act and src/host. */
function listActs(): readonly string[] {
  return readSources('src')
    .filter(({ path }) => !path.startsWith('src/act/') && !path.startsWith('src/host/'))
    .flatMap(({ path, text }) => [
      ...WRITES.filter((name) => text.includes(`.${name}(`)).map((name) => `${path} ${name}`),
      ...PROGRAMS.filter((id) => text.includes(`command('${id}'`)).map((id) => `${path} ${id}`),
    ])
}

describe('acts on the machine', () => {
  it('stand in src/act, or are named with the reason', () => {
    expect(listActs().filter((act) => KNOWN[act] === undefined)).toEqual([])
  })

  it('that are named are still there', () => {
    const acts = listActs()
    expect(Object.keys(KNOWN).filter((act) => !acts.includes(act))).toEqual([])
  })
})
