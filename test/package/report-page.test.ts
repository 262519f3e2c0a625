import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { inflateSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { machineOf } from '../support/built-in.ts'
import { liveThrough, textAt } from '../support/kill.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** Debian's chromium; as root it has no sandbox. */
async function browse(page: string, ...options: readonly string[]): Promise<string> {
  const argv = [
    ...['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-first-run'],
    `--user-data-dir=${temporaryDirectory()}`,
    ...options,
    pathToFileURL(page).href,
  ]
  const { stdout } = await promisify(execFile)('/usr/bin/chromium', argv, { timeout: 200_000 })
  return stdout
}

/** The report of a whole plain job, with both restarts, on the built-in machine. */
async function writePage(): Promise<string> {
  const story = { make: () => machineOf('clean-update'), restart: 'manual', protect: 'plain' } as const
  const { machine, reports } = await liveThrough(story)
  const page = join(temporaryDirectory(), 'report.html')
  writeFileSync(page, textAt(machine, reports.find((path) => path.endsWith('.html')) ?? ''))
  return page
}

/** Size of a PNG, and how many different bytes its unpacked rows hold (PNG, third edition, 5.3 and 11.2). */
function readPng(bytes: Buffer): { width: number; height: number; differentBytes: number } {
  expect(bytes.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n')
  const packed: Buffer[] = []
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    const size = bytes.readUInt32BE(at)
    if (bytes.toString('latin1', at + 4, at + 8) === 'IDAT')
      packed.push(bytes.subarray(at + 8, at + 8 + size))
  }
  const differentBytes = new Set(inflateSync(Buffer.concat(packed))).size
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), differentBytes }
}

it('is drawn by a real browser, in light and dark, and printed on two pages at most', async () => {
  const page = await writePage()
  const folder = temporaryDirectory()
  const pictures: Buffer[] = []
  // Blink's preferred colour scheme: 0 dark, 1 light.
  for (const scheme of [1, 0]) {
    const file = join(folder, `${scheme}.png`)
    const settings = `--blink-settings=preferredColorScheme=${scheme}`
    await browse(page, settings, '--window-size=1100,1400', `--screenshot=${file}`)
    pictures.push(readFileSync(file))
  }
  for (const picture of pictures) {
    const { differentBytes, ...size } = readPng(picture)
    expect(size).toEqual({ width: 1100, height: 1400 })
    expect(differentBytes).toBeGreaterThan(50)
  }
  expect(pictures[0]?.equals(pictures[1] ?? Buffer.alloc(0))).toBe(false)
  const printed = join(folder, 'report.pdf')
  await browse(page, '--no-pdf-header-footer', `--print-to-pdf=${printed}`)
  // The root of the page tree counts its pages (ISO 32000-1, 7.7.3.2).
  const counts = [...readFileSync(printed, 'latin1').matchAll(/\/Count (\d+)/g)].map(([, count]) =>
    Number(count),
  )
  expect(Math.max(...counts)).toBeGreaterThanOrEqual(1)
  expect(Math.max(...counts)).toBeLessThanOrEqual(2)
})

it('runs and loads nothing, even where markup gets past the escaping: its policy holds in a real browser', async () => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const evil = `<img src="http://127.0.0.1:${port}/picture"><script>document.body.id = 'ran'</script>`
  const page = await writePage()
  const html = readFileSync(page, 'utf8').replace('<main>', `<main>${evil}`)
  const open = async (text: string): Promise<{ dom: string; asked: readonly string[] }> => {
    asked.length = 0
    writeFileSync(page, text)
    const dom = await browse(page, '--dump-dom')
    return { dom, asked: [...asked] }
  }
  try {
    const held = await open(html)
    expect(held.asked).toEqual([])
    expect(held.dom).not.toContain('id="ran"')
    expect(held.dom).toContain('<h1>')
    // The same without the policy: the trap works.
    const free = await open(html.replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, ''))
    expect(free.asked).toContain('/picture')
    expect(free.dom).toContain('id="ran"')
  } finally {
    server.close()
  }
})
