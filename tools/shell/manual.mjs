// A manual page from its Markdown in docs/. What is known: `# name(section)`, `## SECTION`, paragraphs, `term` and `: text`
// below it, ```console blocks, **bold**, *italic*, `code`, links, comments. Anything else is an error, so that nothing comes out
// by chance. The macros are those of man(7).

const escapeRoff = (text) => text.replaceAll('\\', '\\e').replaceAll('-', '\\-')

/** A path may be broken behind each slash; without that a long one leaves its line no place to end. */
const breakPaths = (text) => text.replaceAll(/(?<=\/[^\s/]*)\/(?=\S)/g, '/\\:')

/** One line of text with its fonts. */
function inline(text) {
  const plain = text.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
  const parts = plain.split(/(\*\*[^*]+\*\*|\*[^*]+\*|`[^`]+`)/)
  const done = parts.map((part) => {
    const [, bold] = /^\*\*([^*]+)\*\*$/.exec(part) ?? /^`([^`]+)`$/.exec(part) ?? []
    const [, italic] = /^\*([^*]+)\*$/.exec(part) ?? []
    // \%: names are to be copied, so they are not hyphenated.
    if (bold !== undefined) return `\\fB${escapeRoff(bold).replaceAll(/(^| )(?=\w)/g, '$1\\%')}\\fR`
    return italic === undefined ? breakPaths(escapeRoff(part)) : `\\fI${escapeRoff(italic)}\\fR`
  })
  const line = done.join('')
  if (/[*`]/.test(done.filter((_, at) => at % 2 === 0).join('')))
    throw new Error(`a mark is left in: ${text}`)
  return guarded(line)
}

/** A full stop or a quote at the beginning of a line would be a request. */
const guarded = (line) => (/^[.']/.test(line) ? `\\&${line}` : line)

/** Running text: each sentence begins a line, none is longer than 80 characters, as man(7) wants its sources. */
function running(text) {
  return inline(text)
    .split(/(?<=[.?!:]) (?=\S*[A-Z])/)
    .flatMap((sentence) => {
      const lines = ['']
      for (const word of sentence.split(' ')) {
        const longer = lines.at(-1) === '' ? word : `${lines.at(-1)} ${word}`
        if (longer.length <= 78) lines[lines.length - 1] = longer
        else lines.push(word)
      }
      return lines.map(guarded)
    })
    .join('\n')
}

function block(lines) {
  const [first, ...rest] = lines
  const title = /^# (.+)\((\d)\)$/.exec(first)
  if (title) return { title: title[1], section: title[2] }
  if (first.startsWith('## ')) return `.SH ${quoted(first.slice(3))}`
  if (first.startsWith('```'))
    return ['.PP', '.RS 4', '.EX', ...rest.slice(0, -1).map(verbatim), '.EE', '.RE'].join('\n')
  if (first.startsWith('#') || first.startsWith('|') || first.startsWith('- '))
    throw new Error(`not known in a manual page: ${first}`)
  if (rest[0]?.startsWith(': ')) {
    const text = [rest[0].slice(2), ...rest.slice(1).map((line) => line.trim())].join(' ')
    return ['.TP', inline(first), running(text)].join('\n')
  }
  return ['.PP', running(lines.join(' '))].join('\n')
}

const quoted = (text) => (text.includes(' ') ? `"${text}"` : text)
const verbatim = (line) => guarded(escapeRoff(line))

/** Blocks of lines between empty ones; a ```block keeps its empty lines. */
function blocksOf(markdown) {
  const blocks = []
  let open = null
  let isCode = false
  for (const line of markdown.replaceAll(/<!--[\s\S]*?-->\n?/g, '').split('\n')) {
    if (line.startsWith('```')) isCode = !isCode
    if (line.trim() === '' && !isCode) open = null
    else if (open === null) {
      open = [line]
      blocks.push(open)
    } else open.push(line)
  }
  return blocks
}

/**
 * @param {string} markdown
 * @param {{ version: string, date: string }} release date: YYYY-MM-DD, in the foot of the page
 */
export function renderManual(markdown, { version, date }) {
  const [head, ...body] = blocksOf(markdown).map(block)
  if (typeof head !== 'object') throw new Error('a manual page begins with # name(section)')
  const kind = { 1: 'User Commands', 8: "System Manager's Manual" }[head.section]
  return [
    '.\\" Made by tools/generate-shell-files.mjs from docs/.',
    `.TH ${escapeRoff(head.title.toUpperCase())} ${head.section} ${date} "aem\\-reseal ${version}" "${kind}"`,
    '.nh',
    '.ad l',
    ...body,
    '',
  ]
    .join('\n')
    .replaceAll(/(\.SH [^\n]*)\n\.PP\n/g, '$1\n')
}
