import type { Notice } from '../core/decide/notice.ts'
import { UPDATE_MARK } from '../tables/paths.ts'

/** What the notice at login says and offers. Plain text: the helper makes it harmless for a notification. */
export type SaidNotice = {
  readonly code: Notice
  readonly title: string
  readonly text: string
  /** The command that a terminal is opened with; null: none helps. */
  readonly command: string | null
}

type Words = Omit<SaidNotice, 'code'>

const NOTICE_WORDS: { readonly [N in Notice]: (updated: string) => Words } = {
  'prepared-outdated': () => ({
    title: 'Do not restart: what was prepared no longer fits',
    text: 'Something was changed after `aem-reseal start`. Cancel, then start again.',
    command: 'aem-reseal cancel',
  }),
  alarm: () => ({
    title: 'A change that AEM measures is not explained',
    text: 'Do not type your passphrase into another boot before you know why.',
    command: 'aem-reseal explain',
  }),
  'boot-file-changed': () => ({
    title: 'A boot file was changed, and no package says by whom',
    text: 'Do not restart before you know why.',
    command: 'aem-reseal',
  }),
  resume: () => ({
    title: 'An update with Anti Evil Maid is not finished',
    text: '`aem-reseal resume` goes on with it.',
    command: 'aem-reseal resume',
  }),
  'seal-held': () => ({
    title: "AEM's automatic seal was held",
    text: 'AEM sealed nothing in this boot, and no session is open.',
    command: 'aem-reseal',
  }),
  start: (updated) => ({
    title: 'Before you restart: aem-reseal start',
    text: `Updated: ${updated}. The next boot measures it and shows no secret.`,
    command: 'aem-reseal start',
  }),
  'update-unconfirmed': (updated) => ({
    title: 'This boot follows an update that nobody confirmed',
    text: `Updated before it: ${updated}. \`aem-reseal verify\` checks what is sealed.`,
    command: 'aem-reseal verify',
  }),
  'mark-ignored': () => ({
    title: 'The note of updates is ignored',
    text: `Others than root could have written ${UPDATE_MARK}, or it is damaged.`,
    command: 'aem-reseal',
  }),
}

/** @param updated what was updated, in words */
export function sayNotice(code: Notice, updated: string): SaidNotice {
  return { code, ...NOTICE_WORDS[code](updated) }
}
