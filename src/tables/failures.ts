/* Long: a table, a row a failure. */

/*
 * The audit table of what the program says when it refuses or fails: what happened, why, what to do next. What
 * the steps of a flow say stands in src/messages/, in the same form.
 */
import { EXIT, type FailureRow, failureMaker } from '../core/failure.ts'
import { CORE_FAILURES } from '../core/failures.ts'

/** Where no verb is known that could have help of its own. */
const HELP = 'aem-reseal --help'

export const FAILURES = {
  'machine-is-read-only': {
    text: ({ path }) => ({
      what: `a recorded machine is read-only: ${path} was not written or run`,
      why: 'a recorded machine is a copy to look at; nothing in it is ever changed',
      next: 'run the command without --machine on the machine itself, or `aem-reseal rehearse`',
    }),
  },
  'machine-invalid': {
    text: ({ directory, file, reason }) => ({
      what: `${directory} is not a recorded machine: ${file}: ${reason}`,
      why: null,
      next: 'make one with `aem-reseal record --out DIR`, or see docs/contract.md for its format',
    }),
  },
  'write-failed': {
    text: ({ path, reason }) => ({
      what: `${path} could not be written: ${reason}`,
      why: null,
      next: 'nothing was lost; fix the cause and run the same command again',
    }),
  },
  'disk-full': {
    text: ({ path }) => ({
      what: `${path} could not be written: no space left`,
      why: null,
      next: 'free some space in dom0 (`df -h`), then run the same command again; nothing was lost',
    }),
  },
  'session-locked': {
    text: ({ path }) => ({
      what: `another aem-reseal is working with the session in ${path}`,
      why: 'two at once could restart or reseal behind each other’s back',
      next: 'finish or end the other one (`pgrep -af aem-reseal`), then run this again',
    }),
  },
  'session-damaged': {
    text: ({ path, reason }) => ({
      what: `the session file ${path} is damaged: ${reason}`,
      why: 'it is kept as it is; without it the change after the restart cannot be explained',
      next: `look at it, then move it away (\`mv ${path} ${path}.damaged\`) and start over with \`aem-reseal start\``,
    }),
  },
  'session-foreign': {
    text: ({ path, reason }) => ({
      what: `${path} is not a session of aem-reseal: ${reason}`,
      why: 'it is kept as it is',
      next: 'name another directory with --state-dir, or move the file away',
    }),
  },
  'session-newer': {
    text: ({ path, reason }) => ({
      what: `the session file ${path} was written by a newer aem-reseal: ${reason}`,
      why: 'this version could misread it; it is kept as it is',
      next: 'go on with the newer aem-reseal that wrote it',
    }),
  },
  'session-unreadable': {
    text: ({ path, reason }) => ({
      what: `the session file ${path} cannot be read: ${reason}`,
      why: null,
      next: 'run as root: `sudo aem-reseal resume`; where others could write it, see what they wrote, then `chown -R root:` and `chmod -R go-w` its directory',
    }),
  },
  'session-open': {
    text: ({ since, step }) => ({
      what: `a session is open since ${since}, at the step ${step}`,
      why: 'its record of the old measurements is needed to explain the change',
      next: '`aem-reseal resume` goes on with it, `aem-reseal cancel` gives it up',
    }),
  },
  'no-session': {
    text: () => ({
      what: 'nothing to resume: no session is open',
      why: null,
      next: '`aem-reseal start` after an update, before the restart',
    }),
  },
  'held-without-session': {
    text: ({ why }) => ({
      what: `AEM's automatic seal was held in this boot: ${why}`,
      why: 'no session was open before the restart, so nothing was recorded that the change could be compared with',
      next: 'decide by hand whether this change is yours (AEM README, "Xen/kernel/BIOS/firmware upgrades"); if it is, `sudo anti-evil-maid-seal` seals; next time run `aem-reseal start` before the restart; before you boot another AEM device than the one that was approved, `aem-reseal devices forward-seal LABEL`',
    }),
  },
  'drop-in-needs-person': {
    text: ({ act, how }) => ({
      what: `\`aem-reseal gate ${act}\` changes how AEM seals at every boot, and is done only when a person says so`,
      why: '--yes answers no to drop-ins; nothing was changed',
      next: `run \`aem-reseal gate ${act}\` in a terminal without --yes, or by hand: ${how}`,
    }),
  },
  'nothing-to-cancel': {
    text: () => ({
      what: 'nothing to cancel: no session is open',
      why: null,
      next: '`aem-reseal` says where things stand',
    }),
  },
  'question-needs-terminal': {
    exit: EXIT.usage,
    text: ({ options, isRefusal }) => ({
      what: 'this command asks questions, and there is no terminal to ask on',
      why: 'the end of input is never taken for an answer',
      next: isRefusal
        ? 'run it in a terminal, without --json; --yes answers no to what it asks'
        : `run it in a terminal, or with --yes${options ? `, or with ${options}` : ''}`,
    }),
  },
  usage: {
    exit: EXIT.usage,
    text: ({ reason, help, meant }) => ({
      what: reason ?? 'usage',
      why: null,
      next: `${meant ? `did you mean ${meant}? ` : ''}\`${help ?? HELP}\` lists ${(help ?? HELP) === HELP ? 'commands and options' : 'what it takes'}`,
    }),
  },
  'unknown-scenario': {
    exit: EXIT.usage,
    text: ({ name, names, meant }) => ({
      what: `there is no scenario ${name}`,
      why: null,
      next: `${meant ? `did you mean ${meant}? ` : ''}one of: ${names}`,
    }),
  },
  'unknown-report': {
    text: ({ what, isEmpty }) => ({
      what: what ?? 'there is no such report',
      why: null,
      next: isEmpty
        ? 'a report is written where `aem-reseal resume` comes to its end'
        : '`aem-reseal report` lists them; name one by its ID, or by a beginning that no other one has',
    }),
  },
  'reports-unreadable': {
    text: ({ directory, reason, isRecorded }) => ({
      what: `${directory} cannot be read: ${reason ?? 'not known why'}`,
      why: null,
      next: isRecorded
        ? 'a recording holds no reports: run `aem-reseal report` in the dom0 that was recorded'
        : `see what \`sudo ls -la ${directory}\` says, and whether its file system is in order`,
    }),
  },
  'unknown-topic': {
    exit: EXIT.usage,
    text: ({ name, meant }) => ({
      what: `there is no help on ${name}: it is neither a topic nor a command`,
      why: null,
      next: `${meant ? `did you mean ${meant}? ` : ''}\`aem-reseal help\` lists topics and commands`,
    }),
  },
  'sudo-failed': {
    text: ({ command, reason }) => ({
      what: `\`${command}\` needs root, and sudo did not give it: ${reason}`,
      why: 'it reads the TPM, /var/lib/tpm and the journal',
      next: 'in dom0, run it as a user who may use sudo without a password, or in a root shell',
    }),
  },
  'bulletin-unreadable': {
    text: ({ path, reason }) => ({
      what: `${path} cannot be read: ${reason}`,
      why: null,
      next: 'give the path of a bulletin (qsb-103-2024.txt with its .sig files beside it), or a number such as 103',
    }),
  },
  'bulletin-not-verified': {
    text: ({ id }) => ({
      what: `QSB-${id} does not verify: a signature is bad, missing, or by a key nobody vouches for`,
      why: 'a bulletin that does not verify is never used to decide anything',
      next: `\`aem-reseal bulletin show FILE\` names each signature; give the keys with --keys`,
    }),
  },
  'gpg-missing': {
    text: ({ reason }) => ({
      what: `/usr/bin/gpg could not be used: ${reason}`,
      why: 'signatures are checked by the system’s gpg',
      next: 'install gnupg, or name the bulletin by its number: the built-in catalogue needs no gpg',
    }),
  },
  'release-unknown': {
    text: () => ({
      what: 'the Qubes release could not be determined: /etc/qubes-release cannot be read',
      why: 'a bulletin asks for other versions in each release',
      next: 'run this in dom0, or look at a bulletin with `aem-reseal bulletin show ID`',
    }),
  },
  'forward-seal-failed': {
    text: ({ what, why }) => ({
      what: `forward seal: ${what}`,
      why: why ?? null,
      next: 'fix the cause and run `aem-reseal resume`, or give it up with `aem-reseal cancel`',
    }),
  },
  'refresh-failed': {
    text: ({ what }) => ({
      what: `bringing the device up to date: ${what}`,
      why: null,
      next: 'fix the cause and run `aem-reseal devices refresh` again',
    }),
  },
  'forward-restore-failed': {
    text: ({ what, why }) => ({
      what: `the forward seal could not be taken back: ${what}`,
      why: why ?? null,
      next: 'plug the device in and run `aem-reseal cancel` again; or leave it as it is, restart with the AEM entry and run `aem-reseal resume`: in the predicted state the secret appears. Where the device is lost for good: `sudo rm /var/lib/aem-reseal/session.json` ends the session',
    }),
  },
  'output-directory': {
    text: ({ path }) => ({
      what: `${path} exists and is not empty`,
      why: 'a recorded machine is written into a directory of its own, nothing is overwritten',
      next: 'name a new directory with --out',
    }),
  },
  'output-not-own': {
    text: ({ path }) => ({
      what: `${path} belongs to another user, or others can write to it`,
      why: 'whoever can change it could lead what is written there to other files',
      next: 'name a new directory with --out; it is made for you alone',
    }),
  },
  interrupted: {
    exit: EXIT.interrupted,
    text: ({ isRehearsal }) => ({
      what: 'interrupted',
      ...(isRehearsal
        ? {
            why: 'it was a rehearsal: nothing was changed, and nothing of it is kept',
            next: '`aem-reseal rehearse` starts over',
          }
        : {
            why: 'what was recorded so far is kept',
            next: '`aem-reseal resume` goes on where it stopped; where it says that no session is open, start over',
          }),
    }),
  },
  internal: {
    exit: EXIT.internal,
    text: ({ reason }) => ({
      what: `a defect in aem-reseal: ${reason}`,
      why: 'this is not your mistake; nothing was approved or sealed because of it',
      next: 'please report it with the words below; the state is kept',
    }),
  },
  ...CORE_FAILURES,
} as const satisfies Record<string, FailureRow>

export type FailureCode = keyof typeof FAILURES

/** The failure of a row of the table. */
export const makeFailure = failureMaker<FailureCode>(FAILURES)
