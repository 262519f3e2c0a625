import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { must } from '../../stage/process.ts'
import type { BootChoice, Loaded } from './loader.ts'

/*
 * What a tboot launch of the chosen entry leaves in PCR 17, 18 and 19, worked out from the files on the disk with
 * Node.js's hashes alone and nothing of the program: tboot 1.10.5, policy.c (hash_module, extend order), legacy map.
 * The launch instruction and SINIT are played: the SINIT module's hash and one details record stand for theirs.
 */

export const BANKS = ['sha1', 'sha256'] as const
export type Bank = (typeof BANKS)[number]
export type Digests = Readonly<Record<Bank, Buffer>>

/** One extend; `type` is a TXT event type (MLE developer's guide): 0x402 launch, 0x403 SINIT, 0x404 MLE, 0x501 tboot. */
export type LaunchEvent = { readonly pcr: number; readonly type: number; readonly digests: Digests }

export type Launch = {
  /** What the launch instruction hashes into PCR 17. */
  readonly sinit: Buffer
  /** In order; the first is the launch instruction's own. */
  readonly events: readonly LaunchEvent[]
  readonly modules: readonly { readonly commandLine: string; readonly digests: Digests }[]
  readonly tbootCommandLine: string
  readonly mleHash: Digests
  readonly policyHash: Digests
  /** Hex, as /sys/class/tpm/tpm0/pcr-BANK/N prints them but in lower case. */
  readonly registers: Readonly<Record<Bank, Readonly<Record<17 | 18 | 19, string>>>>
}

/** Stands for tboot's default policy; only its digest reaches a register. */
const POLICY = Buffer.from('the default policy of tboot, played by the lab')
/** tb_policy.h: TB_POL_CONTROL, bit 0: PCR 17 is extended with the policy. */
const POLICY_CONTROL = Buffer.from([1, 0, 0, 0])
export const SINIT_DETAILS = Buffer.alloc(80, 0x1f)

function hash(bank: Bank, ...parts: readonly Buffer[]): Buffer {
  const state = createHash(bank)
  for (const part of parts) state.update(part)
  return state.digest()
}

function inBanks(make: (bank: Bank) => Buffer): Digests {
  return { sha1: make('sha1'), sha256: make('sha256') }
}

/** hash_module: H(H(command line) || H(image)). */
export function moduleDigests(commandLine: string, image: Buffer): Digests {
  return inBanks((bank) => hash(bank, hash(bank, Buffer.from(commandLine, 'latin1')), hash(bank, image)))
}

/** tboot's hash of itself, by tboot's own tool. */
async function hashTboot(tboot: Loaded): Promise<Digests> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lab-mle-'))
  try {
    const file = path.join(folder, 'tboot')
    await writeFile(file, tboot.image)
    const [sha1, sha256] = await Promise.all(
      BANKS.map(async (bank) => {
        const options = ['--create', '--alg', bank, '--cmdline', tboot.commandLine]
        return Buffer.from((await must(['lcp2_mlehash', ...options, file])).replace(/\s/g, ''), 'hex')
      }),
    )
    return { sha1: sha1 as Buffer, sha256: sha256 as Buffer }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A register after these extends, from zero: new = H(old || digest), hex. */
export function replay(events: readonly LaunchEvent[], pcr: number, bank: Bank): string {
  const start = Buffer.alloc(bank === 'sha1' ? 20 : 32)
  return events
    .filter((event) => event.pcr === pcr)
    .reduce<Buffer>((register, { digests }) => hash(bank, register, digests[bank]), start)
    .toString('hex')
}

/** What the launch of an entry measures; null when the entry has none. */
export async function measureLaunch(choice: BootChoice): Promise<Launch | null> {
  const { tboot, sinit } = choice
  if (!tboot || !sinit) return null
  const mleHash = await hashTboot(tboot)
  const policyHash = inBanks((bank) => hash(bank, POLICY))
  const modules = choice.modules.map(({ commandLine, image }) => ({
    commandLine,
    digests: moduleDigests(commandLine, image),
  }))
  const events: LaunchEvent[] = [
    { pcr: 17, type: 0x402, digests: inBanks((bank) => hash(bank, sinit.image)) },
    { pcr: 17, type: 0x403, digests: inBanks((bank) => hash(bank, SINIT_DETAILS)) },
    { pcr: 18, type: 0x404, digests: mleHash },
    { pcr: 17, type: 0x501, digests: inBanks((bank) => hash(bank, POLICY_CONTROL, policyHash[bank])) },
    ...modules.map(({ digests }, index) => ({ pcr: index === 0 ? 18 : 19, type: 0x501, digests })),
  ]
  const registersOf = (bank: Bank) => ({
    17: replay(events, 17, bank),
    18: replay(events, 18, bank),
    19: replay(events, 19, bank),
  })
  return {
    sinit: sinit.image,
    events,
    modules,
    tbootCommandLine: tboot.commandLine,
    mleHash,
    policyHash,
    registers: { sha1: registersOf('sha1'), sha256: registersOf('sha256') },
  }
}

/** The proxy's plan; `tpm-proxy.py` says its form. */
export function launchPlan(launch: Launch | null): string {
  if (!launch) return 'null'
  const extend = ({ pcr, digests }: LaunchEvent) => ({
    pcr,
    sha1: digests.sha1.toString('hex'),
    sha256: digests.sha256.toString('hex'),
  })
  return JSON.stringify({ hash: launch.sinit.toString('hex'), extends: launch.events.slice(1).map(extend) })
}
