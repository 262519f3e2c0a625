import { Failure } from '../../core/failure.ts'
import {
  compareWords,
  describeWordChange,
  exchangeAemUuid,
  proveCommandLine,
} from '../../core/vouch/command-line.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import type { MachineFacts } from '../dom0/machine.ts'
import { observeEntries } from '../launch/launch.ts'
import type { AemDevice } from './devices.ts'

/**
 * The command lines of the entry that boots next from a device, compared with those of this boot as it tells them itself.
 * @param booted the device this boot came from
 * @returns what differs, in words; empty where nothing is known to
 */
export async function observeChangedLines(
  dom0: Dom0,
  device: AemDevice,
  booted: AemDevice | null,
  machine: MachineFacts,
): Promise<readonly string[]> {
  const { host } = dom0
  const { next, nextWhy } = await observeEntries(host, device, machine)
  if (next === null) return nextWhy === null ? [] : [`which entry boots next cannot be told: ${nextWhy}`]
  if (next.flavour === 'other') return ["the entry that boots next is none of AEM's"]
  const log = await dom0.log()
  const asOfThisBoot = (line: string): string =>
    device.uuid && booted?.uuid ? exchangeAemUuid(line, device.uuid, booted.uuid) : line
  return [next.launcher, ...next.modules].flatMap((file) => {
    if (file === null) return []
    const proof = proveCommandLine({
      role: file.role,
      line: asOfThisBoot(file.commandLine),
      // It decides whether Xen's line is proven; only one that is changed is told here.
      kernelLine: null,
      logged: null,
      rule: null,
      banks: [],
      images: [],
      boot: {
        kernel: machine.kernelCommandLine,
        xen: machine.xen.commandLine,
        tboot: log instanceof Failure ? null : (log.launcherCommandLine ?? null),
      },
    })
    return proof.state === 'changed'
      ? [`${file.path}: ${describeWordChange(compareWords(proof.before, proof.now))}`]
      : []
  })
}
