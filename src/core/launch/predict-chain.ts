/* Long: one chain: each extend is decided with those before it. */

import type { BootEntry, BootFile, ModuleRole } from './boot-entry.ts'
import { EVENT_TYPE, type EventOrigin, type LaunchLog } from './launch-log.ts'
import type { MeasuredModule } from './match-module.ts'
import type { CommandLineRule } from './module-digest.ts'
import type { NextModule } from './next-modules.ts'
import { type Bank, isUnset, PCR, type PcrBanks } from './pcr.ts'
import { predictData, predictXen, UEFI_WHY, type XenFacts } from './predict-trenchboot.ts'
import type { PredictedComponent } from './prediction.ts'
import { type Refusal, refuse } from './refusal.ts'
import type { ReplayStatus } from './replay.ts'

export type PredictionContext = {
  readonly log: LaunchLog
  readonly bank: Bank
  readonly rule: CommandLineRule | null
  /** Modules of the current boot. */
  readonly booted: readonly MeasuredModule[]
  readonly entry: BootEntry
  readonly bootedEntry: BootEntry | null
  readonly next: readonly NextModule[]
  readonly mleNow: string | null
  /** TrenchBoot only. */
  readonly xen: XenFacts
  readonly launcherUnchanged: boolean | null
  readonly sameCapabilities: boolean | null
  readonly sinitUnchanged: boolean | null
  readonly policyUnchanged: boolean | null
  readonly pcrsNow: PcrBanks
}

/** One extend of the next boot. */
export type PredictedLink = {
  readonly digest: string
  readonly component: PredictedComponent | null
  /** The register held more modules in the current boot. */
  readonly isShortened: boolean
}

type Links = PredictedLink[] | Refusal

/** The extends of one register in the next boot, or why they cannot be known. */
export function chainOf(context: PredictionContext, index: number, status: ReplayStatus): Links {
  if (context.log.kind === 'trenchboot' && index === PCR.launched) return chainOfData(context, status)
  const isUefi = context.log.launch?.firmware === 'uefi' || context.entry.form === 'uefi'
  if (isUefi && index === PCR.drtm) return refuse('trenchboot-mle', UEFI_WHY)
  if (status === 'unknown')
    return refuse('pcrs-unreadable', `the TPM's value of PCR ${index} could not be read`)
  if (status === 'unfaithful') return refuse('log-unfaithful', `the log does not lead to PCR ${index}`)
  if (status === 'not-in-log') return chainOutsideLog(context, index)
  const policy = laterModulesPcr(context)
  if (policy === null && context.next.length !== context.booted.length)
    return refuse(
      'policy-unknown',
      'the number of modules changes, and the policy does not tell where new ones go',
    )
  return joinLinks(context, index, policy)
}

/** Under TrenchBoot PCR 18 holds no module: command lines on UEFI, all that GRUB hands over on BIOS. */
function chainOfData(context: PredictionContext, status: ReplayStatus): Links {
  const data = predictData(context.log, context.bank, context.bootedEntry, context.entry)
  if ('code' in data) return data
  if (status !== 'faithful') return refuse('log-unfaithful', `the log does not lead to PCR ${PCR.launched}`)
  const refusal = data.some(({ isPlatform }) => isPlatform) ? checkPlatform(context) : null
  if (refusal !== null) return refusal
  return data.map(({ digest, file, isChanged: changed }): PredictedLink => {
    const component = file === null ? null : { ...pick(file), digest, changed, package: null }
    return { digest, component, isShortened: false }
  })
}

function pick({ role, path, commandLine }: BootFile) {
  return { role, path, commandLine }
}

/** A register without log entries stays as it is only if nothing that fills it can have changed. */
function chainOutsideLog(context: PredictionContext, index: number): Links {
  const now = context.pcrsNow[context.bank]?.[index]
  if (now === undefined) return refuse('pcrs-unreadable', `the TPM's value of PCR ${index} could not be read`)
  if (index !== PCR.drtm || context.log.kind === 'trenchboot')
    return isUnset(now)
      ? []
      : refuse('not-measured-by-launch', `the launch did not fill PCR ${index}, something else did`)
  return checkPlatform(context) ?? checkPolicy(context) ?? []
}

/** Where tboot's policy sends module 1 and later ones; null when the log shows no single place. */
function laterModulesPcr(context: PredictionContext): number | null {
  const places = new Set(
    context.log.events.flatMap(({ origin, pcr }) =>
      origin.kind === 'module' && (origin.moduleIndex > 0 || context.rule === null) ? [pcr] : [],
    ),
  )
  if (context.rule !== null && context.log.defaultPolicy !== true) return null
  const [place] = places
  return places.size === 1 && place !== undefined ? place : null
}

function joinLinks(context: PredictionContext, index: number, policyPcr: number | null): Links {
  const events = context.log.events.filter(
    (event) => event.pcr === index && event.digests[context.bank] !== undefined,
  )
  const links: PredictedLink[] = []
  const isShortened = events.some((event) => moduleIndexOf(event.origin) >= context.next.length)
  let lastModule = -1
  for (const event of events) {
    const position = moduleIndexOf(event.origin)
    if (position >= context.next.length) continue
    const link =
      event.type === EVENT_TYPE.sinitCapabilities && event.origin.kind === 'platform'
        ? (checkCapabilities(context) ??
          linkOf(context, event.origin, event.digests[context.bank]!, isShortened))
        : linkOf(context, event.origin, event.digests[context.bank]!, isShortened)
    if ('code' in link) return link
    links.push(link)
    if (position !== -1) lastModule = links.length
  }
  if (index !== policyPcr) return links
  const added = context.next
    .slice(context.booted.length)
    .map((module) => moduleLink(context, module, undefined, false))
  const refused = added.find((link) => 'code' in link)
  if (refused !== undefined && 'code' in refused) return refused
  links.splice(lastModule === -1 ? links.length : lastModule, 0, ...(added as PredictedLink[]))
  return links
}

function moduleIndexOf(origin: EventOrigin): number {
  return origin.kind === 'module' ? origin.moduleIndex : -1
}

function linkOf(
  context: PredictionContext,
  origin: EventOrigin,
  logged: string,
  isShortened: boolean,
): PredictedLink | Refusal {
  const same: PredictedLink = { digest: logged, component: null, isShortened }
  if (origin.kind === 'platform') return checkPlatform(context) ?? same
  if (origin.kind === 'policy') return checkPolicy(context) ?? same
  if (origin.kind === 'mle' || origin.kind === 'mle-entry')
    return context.rule === null
      ? xenLink(context, origin.kind, logged, isShortened)
      : mleLink(context, logged, isShortened)
  if (origin.kind !== 'module')
    return refuse(
      'unknown-module',
      'the log has an entry here that belongs to no module, as of a TPM NV index',
    )
  return moduleLink(context, context.next[origin.moduleIndex]!, logged, isShortened)
}

/** Another tboot may ask SINIT for other capabilities, which are measured apart from it. */
function checkCapabilities(context: PredictionContext): Refusal | null {
  // Under TrenchBoot GRUB chooses them, not Xen's header (TrenchBoot/grub 90ce968a5, i386/txt/txt.c 765-834).
  if (context.rule === null) return null
  if (context.launcherUnchanged !== false || context.sameCapabilities === true) return null
  return refuse(
    'tboot-changed',
    context.sameCapabilities === false
      ? 'tboot has changed since this boot and asks SINIT for other capabilities, which are measured too'
      : 'tboot has changed since this boot, and what it asks SINIT for could not be compared',
  )
}

function checkPlatform(context: PredictionContext): Refusal | null {
  if (context.sinitUnchanged === true) return null
  return context.sinitUnchanged === false
    ? refuse(
        'sinit-changed',
        'the SINIT module has changed since this boot; what it measures is known after the next one',
      )
    : refuse('sinit-unknown', 'it could not be told whether the SINIT module is still the one of this boot')
}

/** The built-in policy is part of tboot; one in TPM NV needs a witness of its own. */
function checkPolicy(context: PredictionContext): Refusal | null {
  const unchanged =
    context.policyUnchanged ?? (context.log.defaultPolicy === true ? context.launcherUnchanged : null)
  if (unchanged === true) return null
  if (context.launcherUnchanged === false)
    return refuse('tboot-changed', 'tboot has changed since this boot, and its built-in policy may have')
  return context.launcherUnchanged === null
    ? refuse('tboot-unknown', 'it could not be told whether tboot is still the one of this boot')
    : refuse(
        'policy-unknown',
        "it could not be told whether tboot's policy in the TPM is still that of this boot",
      )
}

/** Xen under TrenchBoot, and on AMD the place where it is entered, which changes with it. */
function xenLink(
  context: PredictionContext,
  kind: 'mle' | 'mle-entry',
  logged: string,
  isShortened: boolean,
): PredictedLink | Refusal {
  const { log, bank, xen, launcherUnchanged } = context
  const predicted = predictXen({ log, bank, xen, isUnchanged: launcherUnchanged })
  if ('code' in predicted) return predicted
  if (kind === 'mle-entry') return { digest: predicted.entry ?? logged, component: null, isShortened }
  const { digest } = predicted
  return { digest, component: componentOf(context, 'xen', digest, digest !== logged), isShortened }
}

/**
 * tboot. A changed one is predicted from its own MLE hash, where the rule for command lines is the newer one, which no
 * later version gave up.
 */
function mleLink(context: PredictionContext, logged: string, isShortened: boolean): PredictedLink | Refusal {
  const { launcherUnchanged, mleNow, rule } = context
  const link = (digest: string): PredictedLink => ({
    digest,
    component: componentOf(context, 'mle', digest, digest !== logged),
    isShortened,
  })
  if (launcherUnchanged === true) return link(logged)
  if (launcherUnchanged === null)
    return refuse('tboot-unknown', 'it could not be told whether tboot is still the one of this boot')
  if (mleNow === null || rule !== 'whole')
    return refuse(
      'tboot-changed',
      'tboot has changed since this boot, and its new hash could not be computed',
    )
  return link(mleNow)
}

function componentOf(
  context: PredictionContext,
  role: ModuleRole,
  digest: string,
  changed: boolean,
): PredictedComponent {
  const file = context.entry.launcher
  const commandLine = file?.commandLine ?? null
  return { role, path: file?.path ?? null, commandLine, digest, changed, package: null }
}

function moduleLink(
  context: PredictionContext,
  module: NextModule,
  logged: string | undefined,
  isShortened: boolean,
): PredictedLink | Refusal {
  const digest = module.digests[context.bank]
  if (module.refusal !== null) return module.refusal
  if (digest === undefined)
    return refuse('module-unreadable', `${module.file.path} has no ${context.bank} digest`)
  const { role, path, commandLine } = module.file
  const changed = digest !== logged
  return { digest, component: { role, path, commandLine, digest, changed, package: null }, isShortened }
}
