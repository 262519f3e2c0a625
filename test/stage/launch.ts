import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { asGrubLoads } from './boot-files.ts'
import { must } from './process.ts'
import type { Digests } from './tpm.ts'

/*
 * What tboot does with the files of the AEM device. Written apart from the product on purpose, so that
 * one can judge the other: tboot 1.10 policy.c (hash_module, extend order), legacy PCR map.
 */

export interface Loaded {
  /** As in grub.cfg, from the root of the boot device. */
  path: string
  commandLine: string
}

export interface BootEntry {
  title: string
  /** With tboot in front this is a measured boot. */
  tboot: Loaded | undefined
  /** Xen, the dom0 kernel, the initramfs, others; SINIT is apart. */
  modules: Loaded[]
  sinit: Loaded | undefined
}

/** One extend of the launch; the first of all is the launch instruction's own. */
export interface LaunchEvent {
  pcr: number
  /** TXT event types as tboot's log prints them (MLE developer's guide, appendix). */
  type: number
  digests: Digests
  data: Buffer
}

export interface Launch {
  entry: BootEntry
  /** The launch instruction hashes this into PCR 17. */
  sinit: Buffer
  events: LaunchEvent[]
  measured: { module: Loaded; digests: Digests }[]
  mleHash: Digests
  policyHash: Digests
}

export type CommandLineRule = 'whole' | 'first-word-stripped'

const hash = (bank: 'sha1' | 'sha256', ...parts: Buffer[]): Buffer =>
  createHash(bank).update(Buffer.concat(parts)).digest()

export function digestsOf(make: (bank: 'sha1' | 'sha256') => Buffer): Digests {
  return { sha1: make('sha1'), sha256: make('sha256') }
}

export function extended(register: Buffer, digest: Buffer): Buffer {
  return hash(digest.length === 20 ? 'sha1' : 'sha256', register, digest)
}

/** Empty on the platform "pc", so GRUB passes nothing for it. */
const XEN_RM_OPTS = `$\{xen_rm_opts}`

/** Reads the entries of a grub.cfg; a block `if [ -d /aem/ ]` counts only where that folder is. */
export function readGrubEntries(boot: string): BootEntry[] {
  const lines = readFileSync(path.join(boot, 'grub2/grub.cfg'), 'utf8').split('\n')
  const entries: BootEntry[] = []
  let entry: BootEntry | undefined
  let hidden = false
  for (const line of lines) {
    const words = line
      .trim()
      .split(/\s+/)
      .filter((word) => word !== XEN_RM_OPTS)
    if (/^if \[ -d \/aem\/? \]/.test(line)) hidden = !existsSync(path.join(boot, 'aem'))
    if (line.startsWith('### END')) hidden = false
    const title = /^\s*menuentry '([^']*)'/.exec(line)?.[1]
    if (title !== undefined && !hidden) {
      entry = { title, tboot: undefined, modules: [], sinit: undefined }
      entries.push(entry)
    } else if (words[0] === '}') entry = undefined
    else if (entry && /^(multiboot|module)2?$/.test(words[0] ?? '')) {
      const [verb, file, ...args] = words.filter((word) => word !== '--nounzip')
      const loaded = { path: file ?? '', commandLine: args.join(' ') }
      if (/SINIT/i.test(loaded.path)) entry.sinit = loaded
      else if (verb?.startsWith('multiboot') && loaded.path.includes('tboot')) entry.tboot = loaded
      else entry.modules.push(loaded)
    }
  }
  return entries
}

/** The entry GRUB would start: the saved one, else the first. */
export function chooseEntry(boot: string, wanted: 'default' | 'without-aem'): BootEntry {
  const entries = readGrubEntries(boot)
  const environment = path.join(boot, 'grub2/grubenv')
  const saved = existsSync(environment)
    ? /^saved_entry=(.+)$/m.exec(readFileSync(environment, 'utf8'))?.[1]?.split('>').at(-1)
    : undefined
  const chosen =
    wanted === 'without-aem'
      ? entries.find((entry) => !entry.tboot)
      : (entries.find((entry) => entry.title === saved) ?? entries[0])
  if (!chosen) throw new Error('no boot entry in grub.cfg of the boot device')
  return chosen
}

/** tboot's default policy as its log shows it; what matters is that its digest reaches PCR 17. */
const POLICY = Buffer.from('TB_POLTYPE_CONT_NON_FATAL EXTEND_PCR17 3 entries')
const POLICY_CONTROL = Buffer.from('01000000', 'hex')
/** The 80 bytes SINIT logs with event 0x403, from a real log: BIOS ACM id, then zeros. */
const SINIT_DETAILS = Buffer.concat([
  Buffer.from('ffffffff3006162006b000000001ffffffffffff', 'hex'),
  Buffer.alloc(60),
])

const mleHashes = new Map<string, Digests>()

/** tboot's own hash, by tboot's own tool; it takes a while and tboot rarely changes. */
async function hashMle(tboot: string, commandLine: string): Promise<Digests> {
  const key = `${hash('sha256', readFileSync(tboot)).toString('hex')} ${commandLine}`
  const known = mleHashes.get(key)
  if (known) return known
  const one = async (bank: 'sha1' | 'sha256'): Promise<Buffer> => {
    const argv = ['lcp2_mlehash', '--create', '--alg', bank, '--cmdline', commandLine, tboot]
    return Buffer.from((await must(argv)).replace(/\s/g, ''), 'hex')
  }
  const [sha1, sha256] = await Promise.all([one('sha1'), one('sha256')])
  mleHashes.set(key, { sha1, sha256 })
  return { sha1, sha256 }
}

/** Works out what the launch of an entry measures, from the boot device's real files. */
export async function measureLaunch(boot: string, entry: BootEntry, rule: CommandLineRule): Promise<Launch> {
  if (!entry.tboot) throw new Error(`${entry.title} has no measured launch`)
  const file = (loaded: Loaded): string => path.join(boot, loaded.path)
  const sinit = readFileSync(file(entry.sinit ?? { path: 'no SINIT module in the entry', commandLine: '' }))
  const mleHash = await hashMle(file(entry.tboot), entry.tboot.commandLine)
  const measured = entry.modules.map((module) => {
    const image = asGrubLoads(readFileSync(file(module)))
    const text = rule === 'whole' ? module.commandLine : module.commandLine.replace(/^\S+ ?/, '')
    const digests = digestsOf((bank) => hash(bank, hash(bank, Buffer.from(text)), hash(bank, image)))
    return { module, digests }
  })
  const policyHash = digestsOf((bank) => hash(bank, POLICY))
  const none = Buffer.alloc(0)
  const events: LaunchEvent[] = [
    { pcr: 17, type: 0x402, digests: digestsOf((bank) => hash(bank, sinit)), data: Buffer.alloc(36, 0x5a) },
    { pcr: 17, type: 0x403, digests: digestsOf((bank) => hash(bank, SINIT_DETAILS)), data: SINIT_DETAILS },
    { pcr: 18, type: 0x404, digests: mleHash, data: none },
    {
      pcr: 17,
      type: 0x501,
      digests: digestsOf((bank) => hash(bank, POLICY_CONTROL, policyHash[bank])),
      data: none,
    },
    ...measured.map(({ digests }, index) => ({
      pcr: index === 0 ? 18 : 19,
      type: 0x501,
      digests,
      data: none,
    })),
  ]
  return { entry, sinit, events, measured, mleHash, policyHash }
}

/** What a register must hold after these events, from zero. */
export function replay(events: readonly LaunchEvent[], pcr: number, bank: 'sha1' | 'sha256'): string {
  let register: Buffer = Buffer.alloc(bank === 'sha1' ? 20 : 32)
  for (const event of events) if (event.pcr === pcr) register = extended(register, event.digests[bank])
  return register.toString('hex')
}
