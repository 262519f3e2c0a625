import { gunzipSync } from 'node:zlib'
import type { Partition } from './boot-partition.ts'
import { fileSystemUuid, kindOf, readBootFile, writeBootFile } from './boot-partition.ts'
import { execute, type GrubState, type LoadLine, type MenuEntry } from './grub-run.ts'
import { parseGrubScript } from './grub-script.ts'

/*
 * Plays GRUB: which entry of the boot partition's grub.cfg boots, with which files and words. It shares nothing with
 * the program, whose idea of the next boot is judged by it. QEMU then starts what this has chosen.
 */

/** A file as GRUB puts it into memory. */
export type Loaded = { readonly path: string; readonly commandLine: string; readonly image: Buffer }

export type BootChoice = {
  readonly title: string
  /** Null for an entry without a measured launch. */
  readonly tboot: Loaded | null
  readonly sinit: Loaded | null
  /** Xen, kernel, initramfs and what else the entry loads, in order, without the SINIT module. */
  readonly modules: readonly Loaded[]
}

const CONFIG = '/grub2/grub.cfg'
const ENVIRONMENT = '/grub2/grubenv'
const ENVIRONMENT_BYTES = 1024
const PARTITION = 'hd0,gpt2'

/** The environment block (GRUB 2.06, lib/envblk.c): a signature, NAME=VALUE lines with \ before \ and newline, # to the end. */
export function readEnvironment(block: Buffer): Map<string, string> {
  const text = block.toString('latin1')
  if (!text.startsWith('# GRUB Environment Block\n') || block.length !== ENVIRONMENT_BYTES)
    throw new Error('grubenv is not an environment block')
  const lines = text.matchAll(/^([^#=\n][^=\n]*)=((?:\\.|[^\\\n])*)$/gms)
  return new Map([...lines].map(([, name = '', value = '']) => [name, value.replace(/\\(.)/gs, '$1')]))
}

function writeEnvironment(variables: ReadonlyMap<string, string>): Buffer {
  const lines = [...variables].map(([name, value]) => `${name}=${value.replace(/[\\\n]/g, '\\$&')}\n`)
  const text = ['# GRUB Environment Block\n', ...lines].join('')
  if (text.length > ENVIRONMENT_BYTES) throw new Error('grubenv is full')
  return Buffer.from(text.padEnd(ENVIRONMENT_BYTES, '#'), 'latin1')
}

/** Number, id or title, one level (menuentry_eq and get_and_remove_first_entry_number, GRUB 2.06, normal/menu.c). */
function findEntry(menu: readonly MenuEntry[], wanted: string): MenuEntry | undefined {
  if (/^\d+$/.test(wanted)) return menu[Number(wanted)]
  return menu.find(({ id, title }) => id === wanted || title.replace(/>/g, '>>') === wanted)
}

/** A default of several levels: `>` between them, `>>` for one that belongs to a title. */
function levels(wanted: string): string[] {
  return wanted.split(/(?<!>)>(?!>)/)
}

async function choose(state: GrubState, wanted: readonly string[], isDefault: boolean): Promise<MenuEntry> {
  const [first = '', ...rest] = wanted
  const found = findEntry(state.menu, first)
  // GRUB takes the first entry when the default names none
  const entry = found ?? (isDefault ? state.menu[0] : undefined)
  if (!entry) throw new Error(`grub.cfg has no entry ${first}`)
  if (!entry.isSubmenu) return entry
  if (rest.length === 0) throw new Error(`GRUB would wait in the submenu ${entry.title}`)
  state.menu.length = 0
  await execute(state, entry.body)
  return choose(state, rest, isDefault)
}

/** tboot takes SINIT modules out by content (is_sinit_acmod, tboot 1.10.5): type chipset, Intel, size in 4-byte units. */
export function isSinit(image: Buffer): boolean {
  return (
    image.length >= 28 &&
    image.readUInt16LE(0) === 2 &&
    image.readUInt32LE(16) === 0x8086 &&
    image.readUInt32LE(24) * 4 === image.length
  )
}

async function load(partition: Partition, line: LoadLine): Promise<Loaded> {
  const stored = await readBootFile(partition, line.path)
  const isGzip = stored[0] === 0x1f && stored[1] === 0x8b
  const image = isGzip && !line.command.endsWith('--nounzip') ? gunzipSync(stored) : stored
  return { path: line.path, commandLine: line.commandLine, image }
}

/**
 * What GRUB boots from this partition, and its environment block as GRUB leaves it on the disk.
 * @param title an entry that the user picks, submenus before it; null for the default
 * @throws Error at anything in grub.cfg that this loader does not know
 */
export async function loadBootEntry(
  partition: Partition,
  title: readonly string[] | null = null,
): Promise<BootChoice> {
  const block = (await kindOf(partition, ENVIRONMENT)) ? await readBootFile(partition, ENVIRONMENT) : null
  const state: GrubState = {
    partition,
    uuid: await fileSystemUuid(partition),
    variables: new Map([
      ['root', PARTITION],
      ['lab_partition', PARTITION],
      ['prefix', `(${PARTITION})/grub2`],
      ['config_directory', `(${PARTITION})/grub2`],
      ['grub_platform', 'pc'],
      ['feature_menuentry_id', 'y'],
      ['feature_platform_search_hint', 'y'],
      ['feature_timeout_style', 'y'],
      ['feature_default_font_path', 'y'],
      ['feature_all_video_module', 'y'],
    ]),
    functions: new Map(),
    menu: [],
    loaded: [],
    environment: block ? readEnvironment(block) : new Map(),
  }
  const config = await readBootFile(partition, CONFIG)
  await execute(state, parseGrubScript(config.toString('latin1')))
  const wanted = title ?? levels(state.variables.get('default') ?? '0')
  const entry = await choose(state, wanted, title === null)
  state.variables.set('chosen', wanted.join('>'))
  await execute(state, entry.body)
  if (block && !writeEnvironment(state.environment).equals(block))
    await writeBootFile(partition, ENVIRONMENT, writeEnvironment(state.environment))
  const files = await Promise.all(state.loaded.map((line) => load(partition, line)))
  const [first, ...others] = files
  if (!first) throw new Error(`the entry ${entry.title} loads nothing`)
  const isLaunch = /\/tboot/.test(first.path)
  return {
    title: entry.title,
    tboot: isLaunch ? first : null,
    sinit: (isLaunch ? others.find(({ image }) => isSinit(image)) : undefined) ?? null,
    modules: isLaunch ? others.filter(({ image }) => !isSinit(image)) : files,
  }
}
