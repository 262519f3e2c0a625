import { renderUpdateMark } from '../core/mark/update-mark.ts'
import type { Host } from '../host/host.ts'
import { observeUpdateMark } from '../observe/dom0/update-mark.ts'
import { UPDATE_MARK } from '../tables/paths.ts'

/** Takes out of the mark what an approved boot accounts for: all that was updated before it. What came in it stays. */
export async function clearUpdateMark(host: Host, approvedBootId: string | null): Promise<void> {
  const mark = await observeUpdateMark(host)
  if (approvedBootId === null || mark?.state !== 'marked') return
  const left = mark.files.filter(({ bootId }) => bootId === approvedBootId)
  if (left.length === mark.files.length) return
  if (left.length === 0) await host.removeFile(UPDATE_MARK)
  else await host.writeFileAtomic(UPDATE_MARK, Buffer.from(renderUpdateMark(left)), 0o644)
}
