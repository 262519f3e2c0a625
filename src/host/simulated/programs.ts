/* Long: a table, a row a program that the built-in machine has. */

import type { CommandCall } from '../../tables/commands.ts'
import { HOLD_DROP_IN, mediaUuidOf } from '../../tables/paths.ts'
import type { RunResult } from '../host.ts'
import { seal } from './aem.ts'
import { grubConfigOf } from './build.ts'
import { exchangeDirectories, fileAt, putFile } from './files.ts'
import { initramfsOf } from './initramfs.ts'
import { bootFilesOf, findDevice, type SimMachine, sha256 } from './model.ts'
import { TPM2_PROGRAMS } from './tpm2.ts'

type Answer = Partial<RunResult> | null

/** The built-in machine's answers, in exactly the form the programs print; null: the program is not installed. */
export function answerProgram(machine: SimMachine, call: CommandCall, input?: Uint8Array): RunResult | null {
  const program = PROGRAMS[call.id]
  if (!program) throw new Error(`the built-in machine has no answer for ${call.argv.join(' ')}`)
  const answer = program(machine, call.params, input)
  return answer === null ? null : { exit: 0, stdout: '', stderr: '', ...answer }
}

const PROGRAMS: Readonly<
  Partial<
    Record<
      CommandCall['id'],
      (machine: SimMachine, params: Readonly<Record<string, string>>, input?: Uint8Array) => Answer
    >
  >
> = {
  // The exit code is the number of names that are not installed (seen with rpm 4.18).
  'rpm-query': (machine, { names = '' }) => {
    const found = names.split(',').map((name) => ({ name, packages: packagesOf(machine, name) }))
    const text = found.map(({ name, packages }) =>
      packages.length === 0 ? `package ${name} is not installed\n` : renderPackages(packages),
    )
    return { exit: found.filter(({ packages }) => packages.length === 0).length, stdout: text.join('') }
  },
  'rpm-owner': (machine, { path }) => {
    const owners = machine.packages.filter((item) => item.files.has(path ?? ''))
    if (owners.length === 0) return { exit: 1, stdout: `file ${path} is not owned by any package\n` }
    return { stdout: renderPackages(owners) }
  },
  'rpm-files': (machine, { name }) => {
    const found = packagesOf(machine, name)
    if (found.length === 0) return { exit: 1, stdout: `package ${name} is not installed\n` }
    const lines = found.flatMap((item) =>
      [...item.files].map(([path, digest]) => [item.name, item.evr, path, digest].join('\t')),
    )
    return { stdout: lines.map((text) => `${text}\n`).join('') }
  },
  'rpm-verify': (machine, { name }) => {
    const boot = bootFilesOf(machine)
    const findings = packagesOf(machine, name).flatMap((item) =>
      [...item.files].flatMap(([path, digest]) => {
        const file = boot.get(path.slice('/boot/'.length))
        if (!file) return [`missing     ${path}`]
        return sha256(file.bytes) === digest ? [] : [`S.5....T.    ${path}`]
      }),
    )
    return { exit: findings.length > 0 ? 1 : 0, stdout: findings.map((text) => `${text}\n`).join('') }
  },
  'rpm-signature': (machine, { name }) => ({
    stderr: packagesOf(machine, name)
      .map((item) => `Header V4 RSA/SHA256 Signature, key ID ${item.keyId.slice(-8)}: OK\n`)
      .join(''),
  }),
  'xl-info': ({ booted }) => {
    if (!booted?.xen)
      return { exit: 1, stderr: 'xencall: error: Could not obtain handle on privileged command interface\n' }
    const line = Buffer.from(booted.xen.commandLine, 'latin1').toString('utf8')
    return {
      stdout: `xen_version            : 4.17.4\nxen_commandline        : ${line}\ncc_compile_date        : Tue Jul 16 10:00:00 UTC 2024\n`,
    }
  },
  lsblk: (machine) => ({
    stdout: JSON.stringify({
      blockdevices: machine.devices.filter((device) => device.isPresent).map(toBlock),
    }),
  }),
  'aem-journal': (machine) => ({ stdout: machine.journal.map((text) => `${text}\n`).join('') }),
  'unit-show': (machine) => ({ stdout: renderUnit(machine) }),
  'running-qubes': () => ({ stdout: 'dom0\nsys-net\nsys-firewall\nwork\n' }),
  'launch-log': (machine) => ({ stdout: machine.launchLog ?? '\t TXT measured launch: FALSE\n' }),
  'hold-show': (machine) => ({ stdout: renderLoadedUnit(machine) }),
  'daemon-reload': () => ({}),
  'gate-version': () => ({ stdout: '0.0.0\n' }),
  'xl-dmesg': () => ({ stdout: '(XEN) Xen version 4.17.4\n' }),
  ...TPM2_PROGRAMS,
  'flush-transient': () => ({}),
  'sync-filesystem': () => ({}),
  'exchange-directories': (machine, { first, second }) => {
    exchangeDirectories(machine, first ?? '', second ?? '')
    return {}
  },
  'make-initramfs': (machine, params) => runDracut(machine, params, ' --force\n'),
  'reproduce-initramfs-force': (machine, params) => runDracut(machine, params, ' --force\n'),
  'reproduce-initramfs-f': (machine, params) => runDracut(machine, params, ' -f\n'),
  'reproduce-initramfs-f-kver': (machine, params) =>
    runDracut(machine, params, ` -f --kver '${params.kernel}'\n`),
  'reproduce-initramfs-kver-force': (machine, params) =>
    runDracut(machine, params, ` --kver '${params.kernel}' --force\n`),
  'make-grub-config': (machine, { mountPoint, name }) =>
    makeGrubConfig(machine, mountPoint ?? '', name ?? ''),
  'print-grub-config': (machine, { mountPoint }) => printGrubConfig(machine, mountPoint ?? ''),
  seal: (machine) => runSeal(machine),
  'restart-now': (machine) => requestRestart(machine, ['now']),
  'restart-in': (machine, { minutes }) => requestRestart(machine, [`+${minutes}`]),
  'restart-at': (machine, { clockTime }) => requestRestart(machine, [clockTime ?? '']),
  'restart-cancel': (machine) => {
    machine.restartRequested = null
    return {}
  },
}

/** @param words as dracut stores those it was called with */
function runDracut(
  machine: SimMachine,
  { file = '', kernel = '', modules = '' }: Readonly<Record<string, string>>,
  words: string,
): Answer {
  if (!machine.dom0.has(`/lib/modules/${kernel}/modules.dep`))
    return { exit: 1, stderr: `dracut: Cannot find module directory /lib/modules/${kernel}/\n` }
  const list = fileAt(machine, modules)
  const names = list ? Buffer.from(list.bytes).toString('utf8').split('\n') : null
  putFile(machine, file, initramfsOf(machine, kernel, words, names))
  return {}
}

/** grub2-mkconfig with the device at /boot: the entries of its own UUID. */
function makeGrubConfig(machine: SimMachine, mountPoint: string, name: string): Answer {
  const device = findDevice(machine, mediaUuidOf(mountPoint)?.uuid ?? '')
  if (!device) return { exit: 1, stderr: 'grub2-probe: error: failed to get canonical path\n' }
  putFile(machine, `${mountPoint}/grub2/${name}`, Buffer.from(grubConfigOf(machine, device)))
  return { stderr: 'Generating grub configuration file ...\ndone\n' }
}

/** The same, printed. */
function printGrubConfig(machine: SimMachine, mountPoint: string): Answer {
  const device =
    mountPoint === '/boot'
      ? machine.devices.find(({ isInternal }) => isInternal)
      : findDevice(machine, mediaUuidOf(mountPoint)?.uuid ?? '')
  if (!device) return { exit: 1, stderr: 'grub2-probe: error: failed to get canonical path\n' }
  return { stdout: grubConfigOf(machine, device), stderr: 'Generating grub configuration file ...\ndone\n' }
}

function renderPackages(packages: SimMachine['packages']): string {
  const signed = (keyId: string): string => `RSA/SHA256, Tue Jul 16 12:00:00 2024, Key ID ${keyId}`
  const lines = packages.map((item) =>
    [item.name, item.evr, 'x86_64', Math.floor(item.installedAtMs / 1000), signed(item.keyId)].join('\t'),
  )
  return `${lines.join('\n')}\n`
}

function packagesOf(machine: SimMachine, name: string | undefined) {
  return machine.packages.filter(
    (item) => item.name === name && (machine.isAemInstalled || name !== 'anti-evil-maid'),
  )
}

function toBlock(device: SimMachine['devices'][number], index: number) {
  return {
    name: device.isInternal ? '/dev/nvme0n1p2' : `/dev/sd${'ab'[index] ?? 'c'}1`,
    type: 'part',
    fstype: 'ext4',
    label: `aem${device.suffix}`,
    uuid: device.uuid,
    mountpoint: device.isInternal ? '/boot' : null,
    rm: !device.isInternal,
    ro: device.isReadOnly,
    size: 1073741824,
  }
}

function renderLoadedUnit({ dom0 }: SimMachine): string {
  const text = Buffer.from(dom0.get(HOLD_DROP_IN)?.bytes ?? []).toString('utf8')
  const argv = /^ExecCondition=(.*)$/m.exec(text)?.[1]
  return [
    'LoadState=loaded',
    ...(argv === undefined
      ? []
      : [`ExecCondition={ path=/usr/bin/node ; argv[]=${argv} ; ignore_errors=no ; }`]),
    `DropInPaths=${argv === undefined ? '' : HOLD_DROP_IN}`,
    '',
  ].join('\n')
}

function renderUnit({ seal: unit, dom0 }: SimMachine): string {
  const endedAtUs = unit.startedAtUs === 0 ? 0 : unit.startedAtUs + 4_000_000
  return [
    'LoadState=loaded',
    `ActiveState=${unit.exit === 0 ? 'inactive' : 'failed'}`,
    `SubState=${unit.exit === 0 ? 'dead' : 'failed'}`,
    `Result=${unit.isHeld ? 'exec-condition' : unit.exit === 0 ? 'success' : 'exit-code'}`,
    `ConditionResult=${unit.conditionMet ? 'yes' : 'no'}`,
    `ExecMainStatus=${unit.exit}`,
    `ExecMainStartTimestampMonotonic=${unit.startedAtUs}`,
    `ExecMainExitTimestampMonotonic=${endedAtUs}`,
    `DropInPaths=${dom0.has(HOLD_DROP_IN) ? HOLD_DROP_IN : ''}`,
    '',
  ].join('\n')
}

function runSeal(machine: SimMachine): Answer {
  const from = machine.journal.length
  const exit = seal(machine)
  const said = machine.journal.slice(from).map((text) => `${text.replace(/^.*?\]: /, '')}\n`)
  return { exit, stderr: said.join('') }
}

function requestRestart(machine: SimMachine, when: readonly string[]): Answer {
  machine.restartRequested = when
  return {}
}
