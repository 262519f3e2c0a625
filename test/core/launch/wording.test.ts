import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const FOLDER = new URL('../../../src/core/launch/', import.meta.url)
/** Names keep their capital; everything else begins small, as in all messages of the program. */
const NAMES = /^(?:[A-Z]{2,}|TrenchBoot|SINIT|Xen|[A-Z]+[0-9])/
/** Texts of findings, refusals and failures: what, why, next, and what stands behind a code. */
const TEXT =
  /(?:what|why|next)(?:: | = )(['`])(.*?)\1|(?:refuse|unexpected|stop|blocking)\(\s*'[a-z0-9-]+',\s*(['`])(.*?)\3/gs

it('what the launch core says begins with a small letter', () => {
  const texts = readdirSync(FOLDER).flatMap((name) =>
    [...readFileSync(new URL(name, FOLDER), 'utf8').matchAll(TEXT)].map(
      (match) => match[2] ?? match[4] ?? '',
    ),
  )
  expect(texts.length).toBeGreaterThan(60)
  expect(texts.filter((text) => /^[A-Z]/.test(text) && !NAMES.test(text))).toEqual([])
})
