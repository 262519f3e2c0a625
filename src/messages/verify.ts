import type { Outcomes } from '../core/decide/outcomes.ts'
import { CANCEL_AND_START } from '../core/decide/preparedness.ts'
import type { Check } from '../core/decide/verify-copies.ts'
import type { DeviceVerification } from '../observe/verify/verify.ts'
import type { Message } from '../ui/message.ts'
import { line } from '../ui/ui.ts'
import { checkWords } from './check-line.ts'

type Results = readonly DeviceVerification[]

/**
 * What was found of each device's own sealed copy; whatever is not right is said of the device that it is about.
 * @param isDenied the person did not see their sentence in this boot
 */
export function describeVerification(
  outcome: Outcomes['verify'],
  results: Results,
  isDenied = false,
): Message {
  const details = results.flatMap(({ device, checks }) =>
    checks.map(({ id, ok, detail }) =>
      line(checkWords({ id: `${device} ${id}`, ok, detail }), ok === false ? 'bad' : 'dim'),
    ),
  )
  const message = { ...VERIFY[outcome](results), details }
  return isDenied && outcome === 'failed' ? { ...message, next: NOT_SEEN } : message
}

const VERIFY: { readonly [O in Outcomes['verify']]: (results: Results) => Message } = {
  verified: (results) => ({
    tone: 'good',
    what: `${listNames(results)}: the device's own sealed copies fit this boot`,
    brief: `${listNames(results)}: the sealed copies fit this boot`,
    why: 'only the next boot proves that your secret appears',
  }),
  'not-verified': (results) => ({
    tone: 'attention',
    what: results.length === 0 ? 'no AEM device was found' : `${good(results)}${notChecked(results)}`,
    why: 'what was not checked is marked with a question mark and is not vouched for',
    next: adviseNotVerified(results),
  }),
  failed: (results) => ({
    tone: 'alarm',
    what: `${good(results)}${listFaults(bad(results))}`,
    why: 'the check that failed is marked',
    next: adviseFailed(results, 'then `aem-reseal resume`', headerNext(CANCEL_AND_START)),
  }),
}

/** The copy can be another than dom0's, or sealed to others than SEAL's registers, and unseal all the same. */
const STILL_UNSEALS: readonly Check['id'][] = ['media-current', 'selection']

function listFaults(results: Results): string {
  const isSure = ({ checks }: DeviceVerification): boolean =>
    checks.some(
      ({ id, ok, stillUnseals }) => ok === false && !STILL_UNSEALS.includes(id) && stillUnseals !== true,
    )
  return results
    .map((result) =>
      isSure(result)
        ? `${result.device}: no secret would appear at its next boot`
        : `${result.device}: its sealed copy is not as it must be`,
    )
    .join('; ')
}

function notChecked(results: Results): string {
  return `${listNames(results.filter(({ ok }) => ok === null))}: not everything could be checked in this boot`
}

function good(results: Results): string {
  const fine = results.filter(({ ok }) => ok === true)
  return fine.length === 0 ? '' : `${listNames(fine)}: fits this boot. `
}

function headerNext(begin: string): string {
  return `no seal of this boot helps, as it takes the old PCR 13. If you changed a passphrase or a key slot: ${begin}, before you restart; the next boot then shows no secret. If you did not: do not restart before you know who did (\`sudo cryptsetup luksDump\`)`
}

/** The headers are the disks' and not a device's: a seal in this boot takes the register that they gave before. */
function isHeaderChanged(results: Results): boolean {
  return results.some(({ checks }) => checks.some(isHeaderFault))
}

function hasOtherFault({ checks }: DeviceVerification): boolean {
  return checks.some((check) => check.ok === false && !isHeaderFault(check))
}

function isHeaderFault({ id, ok }: Check): boolean {
  return id === 'pcr13' && ok === false
}

/**
 * @param then what comes after the reseal of the device that this boot came from
 * @param header what is to be done where a LUKS header changed
 */
function adviseFailed(results: Results, then: string, header: string): string {
  const failed = bad(results)
  const here = failed.filter(({ booted }) => booted)
  const elsewhere = failed.filter((result) => !result.booted && hasOtherFault(result))
  // AEM seals to the registers of this boot, whichever device it is given: to another device that is the wrong seal.
  const seal = `with ${listNames(here)} plugged in run \`sudo anti-evil-maid-seal\`, ${then}`
  return [
    isHeaderChanged(failed) ? header : here.length > 0 ? seal : null,
    elsewhere.length > 0 ? `not from here: ${bootFrom(elsewhere)}` : null,
  ]
    .filter((text) => text !== null)
    .join('; ')
}

function adviseNotVerified(results: Results): string {
  const open = results.filter(({ ok }) => ok === null)
  const absent = open.filter(({ present }) => present === false)
  const elsewhere = open.filter(({ booted, present }) => !booted && present !== false)
  const here = open.filter(({ booted, present }) => booted && present !== false)
  const advice = [
    absent.length > 0 ? `plug in ${listNames(absent)} and run \`aem-reseal verify\`` : null,
    elsewhere.length > 0 ? bootFrom(elsewhere) : null,
    here.length > 0 ? 'the next AEM boot shows whether the secret appears' : null,
  ].filter((text) => text !== null)
  return advice.length === 0 ? '`aem-reseal status` says which AEM devices there are' : advice.join('; ')
}

function bootFrom(results: Results): string {
  const names = results.map(({ device }) => device).join(' or ')
  return `boot from ${names} with its AEM entry and run \`aem-reseal verify\` in that boot; where no secret appears there and you do not know why, type no passphrase`
}

function bad(results: Results): Results {
  return results.filter(({ ok }) => ok === false)
}

function listNames(results: Results): string {
  return results.map(({ device }) => device).join(', ')
}

/** A session that is open, as far as it decides what may be sealed. */
export type OpenSession = {
  /** This very boot was accepted in it. */
  readonly isAccepted: boolean
  /** The person did not see their sentence in this boot. */
  readonly isDenied: boolean
}

/** `aem-reseal verify`. @param session the one that `resume` goes on with; null: none is open */
export function describeVerifyLook(
  outcome: Outcomes['verify'],
  results: Results,
  session: OpenSession | null,
): Message {
  const message = describeVerification(outcome, results, session?.isDenied)
  if (outcome === 'verified')
    return { ...message, next: '`aem-reseal devices` says what each device still needs' }
  if (outcome !== 'failed') return message
  const isHere = results.some(({ ok, booted }) => ok === false && booted)
  // In a boot that was accepted it says what `resume` does.
  if (session?.isAccepted || session?.isDenied) return message
  // To seal by hand to a boot that nobody explained is the blind reseal.
  if (session !== null && (isHere || isHeaderChanged(results))) return { ...message, next: FAILED_IN_SESSION }
  const advice = adviseFailed(results, 'then `aem-reseal verify`', headerNext('`aem-reseal start`'))
  return {
    ...message,
    next:
      isHere && !isHeaderChanged(results)
        ? `if your secret appeared at this boot: ${advice}. If it did not: ${NOT_BLINDLY}`
        : advice,
  }
}

/** The same, where the session that may be behind what was found cannot be read. */
export function describeVerifyUnread(outcome: Outcomes['verify'], results: Results): Message {
  const message = describeVerification(outcome, results)
  return outcome === 'verified' ? message : { ...message, next: SESSION_FIRST }
}

const SESSION_FIRST =
  'seal nothing by hand: a forward seal may be in place, which that would spoil. See to the session first, as said above'
const FAILED_IN_SESSION =
  'do not seal by hand before that: `aem-reseal resume` explains first what changed in this boot, and says what the copies need if you accept it'
const NOT_SEEN =
  'do not seal, and type no secret here: you did not see your sentence in this boot. `aem-reseal help alarm` says what to do'
const NOT_BLINDLY = 'do not reseal before you know what changed'
