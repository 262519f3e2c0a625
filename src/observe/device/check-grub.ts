import { parseKernelParameters } from '../../core/aem/configuration.ts'
import type { CheckedFile } from '../../core/decide/boot-device.ts'
import { Failure } from '../../core/failure.ts'
import type { BootEntry } from '../../core/launch/boot-entry.ts'
import { roleName } from '../../core/launch/efi-entry.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeNewest } from '../dom0/packages.ts'
import { exists } from '../read-text.ts'
import { xenImageName } from './boot-files.ts'
import type { AemDevice } from './devices.ts'
import { observeAemEntries } from './efi-entry.ts'
import { observeGrub } from './grub.ts'
import { listWanted } from './wanted-files.ts'

/**
 * grub.cfg must have AEM entries of this device that load the installed Xen with each of the newest kernels, as GRUB would
 * read it.
 * @param beside a file that is to become grub.cfg
 */
export async function checkGrub(
  dom0: Dom0,
  root: string,
  device: AemDevice,
  beside: string | null = null,
): Promise<CheckedFile> {
  const { host } = dom0
  const xen = await observeNewest(dom0, 'xen-hypervisor')
  const config =
    beside === null ? await dom0.grub(root, device.uuid) : await observeGrub(host, root, beside, device.uuid)
  const path = beside ?? `${root}/grub2/grub.cfg`
  const base = { role: 'grub.cfg', path, sha256: null, expected: null } as const
  if (config === null) {
    return {
      ...base,
      state: (await exists(host, path)) === false ? 'absent' : 'unknown',
      against: 'AEM entry',
    }
  }
  if (config instanceof Failure || xen === null)
    return { ...base, state: 'unknown', against: 'installed Xen' }
  // What boots next is not told by the entries alone then.
  const [unread] = config.problems
  if (unread !== undefined) return { ...base, state: 'unknown', against: unread }
  const name = xenImageName(xen.evr)
  const kernels = (await listWanted(dom0)).filter((file) => file.role === 'kernel' && !file.isUnknown)
  const entries = await observeAemEntries(host, root, config)
  const isLoading = (entry: BootEntry, file: string): boolean =>
    [entry.launcher, ...entry.modules].some((one) => one !== null && roleName(one.path) === `/${file}`)
  const good = entries.filter(
    (entry) =>
      entry.problems.length === 0 &&
      isLoading(entry, name) &&
      entry.modules.some((file) => namesOnly(file.commandLine, device.uuid)),
  )
  const without = kernels.find((kernel) => !good.some((entry) => isLoading(entry, kernel.name)))
  if (good.length > 0 && without === undefined)
    return { ...base, state: 'current', against: `an AEM entry with ${name}` }
  const problem = entries.find((entry) => entry.problems.length > 0)?.problems[0]
  if (problem !== undefined) return { ...base, state: 'unknown', against: problem }
  const lacking = good.length > 0 && without !== undefined ? `${name} and ${without.name}` : name
  return { ...base, state: 'stale', against: `an AEM entry with ${lacking}` }
}

/** The command line names this device and no other one. */
function namesOnly(commandLine: string, uuid: string | null): boolean {
  const named = new Set(parseKernelParameters(commandLine, 'aem.uuid'))
  return uuid !== null && named.size === 1 && named.has(uuid)
}
