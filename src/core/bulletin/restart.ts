import type { Restart } from './bulletin.ts'
import type { Section } from './sections.ts'

/**
 * Sentences on what to restart, strongest statement first: a session bulletin may offer a restart of
 * the system as another way (105, 111), one for dom0 may go on about templates (38).
 */
const RULES: readonly (readonly [Restart, RegExp])[] = [
  ['dom0-session+vms', /\buser session and all qubes must be restarted\b/i],
  ['dom0-session', /\buser session\b.{0,40} must be restarted\b/i],
  [
    'dom0',
    /\bsystem restart (?:will be|is) required\b|\bdom0 must be restarted\b|\bfull system restart\b|\breboot your systems?\b|\band reboot\b/i,
  ],
  ['xscreensaver', /\bxscreensaver daemon process must be restarted\b/i],
  [
    'vms',
    /\brestart (?:each|all) of the VMs\b|\brestart of all [\w -]{0,40}qubes will be required\b|\bqubes\b.{0,120} must be restarted\b|\bVMs\b.{0,60} be rebooted\b|\bshutting down the TemplateVM\b|\bshutdown of the Template ?VM\b/i,
  ],
  [
    'reinstall-templates',
    /\bremove all\b.{0,80}\btemplates?(?:VMs)?\b.{0,60}\binstall fresh ones\b|\bremove all\b.{0,80}VMs?,? then install fresh ones\b/i,
  ],
  ['none', /\bno user action is required\b/i],
]

/** "Reboot of the whole system is not necessary." (13, 14, 26) */
const NEGATED = /\bnot (?:be )?(?:necessary|required|needed)\b/i

/**
 * What the bulletin wants restarted.
 * @param action The sections that say what to install; elsewhere "Reboot dom0." can be a step of something else (43).
 */
export const parseRestart = (action: readonly Section[]): Restart => {
  const sentences = action
    .flatMap((section) => section.paragraphs)
    .flatMap((paragraph) => paragraph.split(/(?<=[.:]) /))
    .filter((sentence) => !NEGATED.test(sentence))
  return RULES.find(([, pattern]) => sentences.some((sentence) => pattern.test(sentence)))?.[0] ?? 'unstated'
}
