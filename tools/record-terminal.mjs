// Draws a real run of the rehearsal as SVG: the built program in a pseudo-terminal of 80 columns, its screen read back
// from a terminal emulator, so that what is drawn is what a person would have seen.
//
//   npm run picture          writes the pictures in docs/
import { writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import pty from '@lydell/node-pty'
import xterm from '@xterm/headless'

const TOP = new URL('../', import.meta.url)
const COLUMNS = 80
const ROWS = 400

/** From this line to the one before the other; what lies outside differs from run to run. */
const PICTURES = [
  {
    file: 'docs/rehearsal-clean-update.svg',
    title: 'aem-reseal rehearse --scenario clean-update --yes',
    args: ['rehearse', '--scenario', 'clean-update', '--yes'],
    from: 'Changes at the next boot',
    to: 'The restart',
  },
  {
    file: 'docs/rehearsal-evil-maid.svg',
    title: 'aem-reseal rehearse --scenario evil-maid --yes',
    args: ['rehearse', '--scenario', 'evil-maid', '--yes'],
    from: '✖ UNEXPLAINED CHANGE',
    to: 'This was a rehearsal; nothing changed.',
  },
]

/** Runs the built program in a terminal. @returns the screen's lines, each as runs of one style */
async function runInTerminal(args) {
  const terminal = new xterm.Terminal({ cols: COLUMNS, rows: ROWS, allowProposedApi: true })
  const program = pty.spawn(process.execPath, ['dist/aem-reseal.mjs', ...args], {
    name: 'xterm-256color',
    cols: COLUMNS,
    rows: ROWS,
    cwd: TOP.pathname,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TERM: 'xterm-256color', HOME: '/nonexistent' },
  })
  const written = []
  program.onData((data) => written.push(new Promise((resolve) => terminal.write(data, resolve))))
  await new Promise((resolve) => program.onExit(resolve))
  await Promise.all(written)
  return readScreen(terminal.buffer.active)
}

function readScreen(buffer) {
  const lines = []
  for (let y = 0; y < buffer.length; y += 1) {
    const line = buffer.getLine(y)
    const runs = []
    for (let x = 0; x < COLUMNS; x += 1) {
      const cell = line.getCell(x)
      const style = styleOf(cell)
      const last = runs.at(-1)
      if (last?.style === style) last.text += cell.getChars() || ' '
      else runs.push({ column: x, style, text: cell.getChars() || ' ' })
    }
    lines.push(runs.map((run) => ({ ...run, text: run.text.trimEnd() })).filter((run) => run.text !== ''))
  }
  while (lines.at(-1)?.length === 0) lines.pop()
  return lines
}

const RED = 1
const GREEN = 2
const YELLOW = 3

function styleOf(cell) {
  const color = cell.isFgPalette() ? cell.getFgColor() : null
  if (color === RED) return 'bad'
  if (color === GREEN) return 'good'
  if (color === YELLOW) return 'warn'
  if (cell.isBold()) return 'bold'
  return cell.isDim() ? 'dim' : 'plain'
}

function cutLines(lines, from, to) {
  const textOf = (runs) => runs.map((run) => run.text).join('')
  const begin = lines.findIndex((runs) => textOf(runs) === from)
  const end = to === null ? lines.length : lines.findIndex((runs, at) => at > begin && textOf(runs) === to)
  if (begin === -1 || end === -1) throw new Error(`the run has no line ${begin === -1 ? from : to}`)
  const cut = lines.slice(begin, end)
  while (cut.at(-1)?.length === 0) cut.pop()
  return cut
}

/** Pixels of one character cell and of the frame around the screen. */
const CELL = { width: 8.4, height: 19 }
const MARGIN = 18
const BAR = 34

const COLORS = {
  plain: '#d7dae0',
  bold: '#ffffff',
  dim: '#9aa3b2',
  good: '#8bd98b',
  warn: '#f2c46b',
  bad: '#ff8080',
}

/** Lines of styled text as SVG. Each run says how wide it is, so that another font keeps the columns. */
export function renderSvg(title, lines) {
  const width = Math.ceil(COLUMNS * CELL.width + 2 * MARGIN)
  const height = Math.ceil(BAR + lines.length * CELL.height + 2 * MARGIN)
  // Words with one blank between them stand together; wider gaps are places, as not every viewer keeps blanks.
  const text = lines.flatMap((runs, row) =>
    runs.flatMap((run) =>
      [...run.text.matchAll(/\S+(?: \S+)*/g)].map(({ 0: words, index }) => {
        const before = [...run.text.slice(0, index)].length
        const x = (MARGIN + (run.column + before) * CELL.width).toFixed(1)
        const y = (BAR + MARGIN + row * CELL.height + 14).toFixed(1)
        const length = ([...words].length * CELL.width).toFixed(1)
        return `<text class="${run.style}" x="${x}" y="${y}" textLength="${length}" lengthAdjust="spacingAndGlyphs">${escapeXml(words)}</text>`
      }),
    ),
  )
  const rules = Object.entries(COLORS).map(([name, fill]) => `.${name}{fill:${fill}}`)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    `<style>text{font:14px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}.bold,.bad{font-weight:700}${rules.join('')}</style>`,
    `<rect width="${width}" height="${height}" rx="8" fill="#1b1f27"/>`,
    `<path d="M0 8a8 8 0 0 1 8-8h${width - 16}a8 8 0 0 1 8 8v${BAR - 8}H0z" fill="#2b313d"/>`,
    `<text class="dim" x="${width / 2}" y="22" text-anchor="middle">${escapeXml(title)}</text>`,
    ...text,
    '</svg>',
    '',
  ].join('\n')
}

function escapeXml(text) {
  return text.replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char])
}

async function recordPictures() {
  for (const { file, title, args, from, to } of PICTURES) {
    const lines = cutLines(await runInTerminal(args), from, to)
    await writeFile(new URL(file, TOP), renderSvg(title, lines))
    console.log(`${file}: ${lines.length} lines`)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await recordPictures()
