import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import type { MenuChoice } from '../../src/host/simulated/grub/boot.ts'
import { type Booted, bootDevice } from '../../src/host/simulated/grub/hand-over.ts'
import type { Loaded } from '../../src/host/simulated/grub/loader.ts'
import { must } from './process.ts'
import type { Digests } from './tpm.ts'

/*
 * What tboot does with the files of the AEM device. Written apart from the product on purpose, so that
 * one can judge the other: tboot 1.10 policy.c (hash_module, extend order), legacy PCR map.
 */

/** One extend of the launch; the first of all is the launch instruction's own. */
export interface LaunchEvent {
  pcr: number
  /** TXT event types as tboot's log prints them (MLE developer's guide, appendix). */
  type: number
  digests: Digests
  data: Buffer
}

export interface Launch {
  entry: Booted
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

/**
 * What GRUB of this boot device starts. Its model of GRUB is the built-in machine's, which shares no code with the
 * program's reader of grub.cfg either.
 */
export function bootFolder(folder: string, uuid: string, choice: MenuChoice): Booted {
  const at = (file: string): string => path.join(folder, file)
  const kind = (file: string) => statSync(at(file), { throwIfNoEntry: false })
  return bootDevice(
    {
      uuid,
      readFile: (file) => (kind(file)?.isFile() ? readFileSync(at(file)) : null),
      hasDirectory: (file) => kind(file)?.isDirectory() === true,
    },
    choice,
  )
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
export async function measureLaunch(boot: string, entry: Booted, rule: CommandLineRule): Promise<Launch> {
  if (!entry.tboot || !entry.sinit) throw new Error(`${entry.title} has no measured launch`)
  const sinit = entry.sinit.image
  const mleHash = await hashMle(path.join(boot, entry.tboot.path), entry.tboot.commandLine)
  const measured = entry.modules.map((module) => {
    const { image } = module
    const text = rule === 'whole' ? module.commandLine : module.commandLine.replace(/^\S+ ?/, '')
    const digests = digestsOf((bank) =>
      hash(bank, hash(bank, Buffer.from(text, 'latin1')), hash(bank, image)),
    )
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
