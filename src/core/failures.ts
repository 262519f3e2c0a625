import { type FailureRow, failureMaker } from './failure.ts'

/*
 * The failures of parsers and of what the core computes. They are part of the audit table (src/tables/failures.ts), which is a
 * layer above and takes them in.
 */

const MAKE_GRUB_CFG = 'make it again: sudo grub2-mkconfig -o /boot/grub2/grub.cfg'

/** What a bulletin cannot be read for, each `bulletin-` and this. */
const BULLETIN_FAULTS = [
  'too-large',
  'encoding',
  'control-character',
  'line-too-long',
  'no-header',
  'no-number',
  'no-date',
  'no-sections',
  'no-action',
  'no-packages',
  'package-line',
  'package-list',
  'pcr',
  'xsa-range',
] as const

export type BulletinFault = (typeof BULLETIN_FAULTS)[number]

const UNREADABLE_BULLETIN: FailureRow = {
  text: ({ line, reason }) => ({
    what: `This is not a bulletin that can be read${line === undefined ? '' : ` (line ${line})`}: ${reason}.`,
    why: null,
    next: 'Copy the bulletin from the Qubes security pack (qubes-secpack, directory QSBs) once more, unchanged, and give its path again.',
  }),
}

const bulletinRows = Object.fromEntries(
  BULLETIN_FAULTS.map((fault) => [`bulletin-${fault}`, UNREADABLE_BULLETIN]),
) as Record<`bulletin-${BulletinFault}`, FailureRow>

const GIVE_FILE =
  'Copy the bulletin with its .sig files and their keys into dom0, and give its path instead of the number: aem-reseal bulletin show FILE'

export const CORE_FAILURES = {
  'log-unreadable': {
    text: ({ what, why, next }) => ({
      what: what ?? 'the launch log could not be read',
      why: why ?? null,
      next:
        next ??
        'check that the TrenchBoot AEM entry was booted; nothing is predicted or explained without a log',
    }),
  },
  'log-truncated': {
    text: ({ what, detail }) => ({
      what: `${what} is cut off or damaged: ${detail}`,
      why: 'a size or count in it does not fit into what was read',
      next: 'read the whole range that `xl dmesg` names; nothing is predicted or explained from this log',
    }),
  },
  'grub-cfg-unreadable': {
    text: ({ what, why, isStrange }) => ({
      what: what ?? 'grub.cfg cannot be read',
      why: why ?? null,
      next: isStrange ? `look at it; ${MAKE_GRUB_CFG}` : MAKE_GRUB_CFG,
    }),
  },
  'mle-unreadable': {
    text: ({ hash, why, package: name }) => ({
      what: `the ${hash} cannot be computed: ${why}`,
      why: null,
      next: `check the file with: rpm -V ${name}`,
    }),
  },
  'hash-unavailable': {
    text: ({ bank }) => ({
      what: `the ${bank} bank cannot be computed here`,
      why: 'the OpenSSL in use was built without SM3',
      next: 'use the sha256 bank; values in other banks are not affected',
    }),
  },
  'bad-digest': {
    text: ({ bank, given }) => ({
      what: `not a ${bank} value: ${given}`,
      why: null,
      next: 'report this as a defect of aem-reseal, with the launch log',
    }),
  },
  'pcrs-unreadable': {
    text: ({ source }) => ({
      what: `${source} does not hold PCR values`,
      why: null,
      next: 'look at the file; without a TPM driver it is missing or empty',
    }),
  },
  'bulletin-newer-than-catalogue': {
    text: ({ id, newest, date }) => ({
      what: `QSB-${id} is newer than the built-in catalogue, which ends with QSB-${newest} of ${date}.`,
      why: 'A bulletin that has just been published is not part of an older program.',
      next: GIVE_FILE,
    }),
  },
  'bulletin-not-in-catalogue': {
    text: ({ id }) => ({
      what: `QSB-${id} is not in the built-in catalogue.`,
      why: 'The catalogue holds the bulletins that change what Anti Evil Maid measures; this one does not.',
      next: GIVE_FILE,
    }),
  },
  ...bulletinRows,
} as const satisfies Record<string, FailureRow>

/** A failure of the core. */
export const coreFailure = failureMaker<keyof typeof CORE_FAILURES>(CORE_FAILURES)
