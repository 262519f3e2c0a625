// The generated part of docs/install.md: what may be run as root to change the machine, from the table of programs.
import { readFile } from 'node:fs/promises'

const BEGIN = '<!-- generated from src/commands.ts by `npm run docs`: begin -->'
const END = '<!-- end -->'

/** Rows of this program itself, which the text above the table tells. */
const OWN = ['become-root', 'gate-asked']

/**
 * @param {readonly { id: string, argv: readonly string[], effect: string, asRoot: boolean, why: string }[]} rows
 * @param {URL} top the repository
 * @returns {Promise<string>} the whole document @throws when it has no place for the table
 */
export async function renderInstallDocument(rows, top) {
  const text = await readFile(new URL('docs/install.md', top), 'utf8')
  const [before, rest] = text.split(BEGIN)
  const after = rest?.split(END)[1]
  if (after === undefined) throw new Error('docs/install.md has no place for the generated table')
  const changing = rows.filter(({ id, effect, asRoot }) => effect === 'write' && asRoot && !OWN.includes(id))
  const table = changing.map(
    ({ id, argv, why }) => `| [${id}](commands.md#${id}) | \`${argv[0]}\` | ${why} |`,
  )
  return [
    `${before}${BEGIN}`,
    '',
    '| row | program | why |',
    '|---|---|---|',
    ...table,
    '',
    `${END}${after}`,
  ].join('\n')
}
