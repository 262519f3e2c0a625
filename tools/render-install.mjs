// The generated part of docs/install.md: what may be run as root to change the machine, from the table of programs.

/** Rows of this program itself, which the text above the table tells. */
const OWN = ['become-root', 'gate-asked']

/** @param {{ listCommandRows: () => readonly { id: string, argv: readonly string[], effect: string, asRoot: boolean, why: string }[] }} program */
export function renderRootTable({ listCommandRows }) {
  const changing = listCommandRows().filter(
    ({ id, effect, asRoot }) => effect === 'write' && asRoot && !OWN.includes(id),
  )
  const rows = changing.map(({ id, argv, why }) => `| [${id}](commands.md#${id}) | \`${argv[0]}\` | ${why} |`)
  return ['| row | program | why |', '|---|---|---|', ...rows].join('\n')
}
