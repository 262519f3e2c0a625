import type { MalformedLine } from '../core/package/signers.ts'
import { type Line, line } from '../ui/ui.ts'

const FILE = '/etc/aem-reseal/trusted-keys'

/** The longest part of a line that is worth showing: a fingerprint with blanks has 50 characters. */
const MAX_SHOWN = 60

/**
 * Lines of trusted-keys that trust nobody; empty where there are none or the file is not known.
 * @param unread why the whole file trusts nobody
 */
export function trustedKeyLines(
  malformed: readonly MalformedLine[] | null,
  unread: string | null,
): readonly Line[] {
  if (unread !== null)
    return [
      line(`▲ ${FILE} trusts nobody: ${unread}`, 'warn'),
      line(
        '  next: see what stands in it, then: sudo chown -R root: /etc/aem-reseal; sudo chmod -R go-w /etc/aem-reseal',
      ),
    ]
  if (malformed === null || malformed.length === 0) return []
  return [
    ...malformed.map((item) =>
      line(
        `▲ ${FILE}, line ${item.line}: "${item.text.slice(0, MAX_SHOWN)}" trusts nobody: ${item.reason}`,
        'warn',
      ),
    ),
    line('  next: write there what `gpg --fingerprint` prints, then a name; or take the line out'),
  ]
}
