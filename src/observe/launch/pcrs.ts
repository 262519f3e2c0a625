import { SEAL_BANKS, type TpmLook } from '../../core/aem/tpm.ts'
import {
  type Bank,
  constantOf,
  listConstantPcrs,
  PCR,
  type PcrBanks,
  parsePcrFile,
  parseSysfsTpm12Pcrs,
} from '../../core/launch/pcr.ts'
import { parsePcrRead } from '../../core/launch/tpm2-pcrread.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { command } from '../../tables/commands.ts'
import { readText, readTextOrNull } from '../read-text.ts'

const TPM = '/sys/class/tpm/tpm0'
const ALL_PCRS = Array.from({ length: PCR.last + 1 }, (_, index) => index)

export type TpmFacts = {
  readonly version: TpmLook
  /** The bank AEM seals to with this TPM. */
  readonly bank: Bank | null
  readonly pcrs: PcrBanks
}

/** TPM version and all registers; values that cannot be read are left out. */
export async function observeTpm(host: Host): Promise<TpmFacts> {
  const version = await observeVersion(host)
  if (version === '1.2') return { version, bank: 'sha1', pcrs: await readTpm12Pcrs(host) }
  if (version === '2.0') return { version, bank: 'sha256', pcrs: await readTpm20Pcrs(host) }
  return { version, bank: null, pcrs: {} }
}

async function observeVersion(host: Host): Promise<TpmFacts['version']> {
  const major = await readText(host, `${TPM}/tpm_version_major`)
  if (major.state === 'seen') {
    const digit = major.value.trim()
    return digit === '1' ? '1.2' : digit === '2' ? '2.0' : null
  }
  if ((await host.statFile(TPM)).state === 'absent') return 'none'
  // Kernels before 5.6 have no tpm_version_major; only TPM 1.2 has the file pcrs.
  return (await readTextOrNull(host, `${TPM}/pcrs`)) !== null ? '1.2' : null
}

async function readTpm12Pcrs(host: Host): Promise<PcrBanks> {
  const text =
    (await readTextOrNull(host, `${TPM}/pcrs`)) ?? (await readTextOrNull(host, `${TPM}/device/pcrs`))
  return text === null ? {} : { sha1: orEmpty(() => parseSysfsTpm12Pcrs(text)) }
}

async function readTpm20Pcrs(host: Host): Promise<PcrBanks> {
  const banks: PcrBanks = {}
  for (const bank of SEAL_BANKS) {
    const values: Record<number, string> = {}
    for (const index of ALL_PCRS) {
      const text = await readText(host, `${TPM}/pcr-${bank}/${index}`)
      // The first register tells whether the kernel offers this bank at all.
      if (text.state === 'absent' && index === 0) break
      if (text.state === 'seen')
        Object.assign(
          values,
          orEmpty(() => ({ [index]: parsePcrFile(bank, text.value) })),
        )
    }
    if (Object.keys(values).length > 0) banks[bank] = values
  }
  if (banks.sha256) return banks
  for (const id of ['pcr-read', 'pcr-list'] as const) {
    const read = valueOrNull(await host.run(command(id, {})))
    const found = read?.exit === 0 ? parsePcrRead(read.stdout) : {}
    if (Object.keys(found).length > 0) return { ...found, ...banks }
  }
  return banks
}

function orEmpty(parse: () => Record<number, string>): Record<number, string> {
  try {
    return parse()
  } catch {
    // A register that does not read as one is an unknown register; the parsers say so by throwing.
    return {}
  }
}

/** Registers of the bank in use, by index, lower-case hex; none where the TPM's bank is not known. */
export function registersOf({
  bank,
  pcrs,
}: Pick<TpmFacts, 'bank' | 'pcrs'>): Readonly<Record<number, string>> {
  return (bank === null ? null : pcrs[bank]) ?? {}
}

/**
 * Selected registers that hold a public constant. AEM's own check knows 13, 17, 18 and 19, and of those all zeros and all
 * ones alone (anti-evil-maid-lib-tpm2, listbadpcrs); whatever it seals to another one is protected by nothing too.
 */
export function listBadPcrs(tpm: TpmFacts, selected: readonly number[]): readonly number[] {
  return listConstantPcrs(registersOf(tpm), selected)
}

/** Did a measured launch happen in this boot? A public constant in PCR 17 shows none; null when it cannot be read. */
export function isMeasured(tpm: TpmFacts): boolean | null {
  if (tpm.version === 'none') return false
  const value = tpm.bank === null ? undefined : tpm.pcrs[tpm.bank]?.[PCR.drtm]
  return value === undefined ? null : constantOf(value) === null
}
