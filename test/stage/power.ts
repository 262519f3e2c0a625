import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { MenuChoice } from '../../src/host/simulated/grub/boot.ts'
import { type Booted, bootsWithAem } from '../../src/host/simulated/grub/hand-over.ts'
import { readKernelRelease } from './boot-files.ts'
import { bootFolder, type Launch, measureLaunch } from './launch.ts'
import { launchLog, unlaunchedLog } from './launch-log.ts'
import { deviceOf, dom0, ENVIRONMENT, type Machine } from './machine.ts'
import { writeHypervisor, writeTpmSysfs, xlInfo } from './machine-facts.ts'
import { withMounted } from './media.ts'
import { type Namespace, openBoot } from './namespace.ts'
import { type Finished, start } from './process.ts'
import { RELEASES } from './releases.ts'
import type { Boot, PowerOnOptions, StageDevice } from './stage-types.ts'
import { TPM_PORT } from './tpm.ts'

/** The entry without AEM. */
const PLAIN_ENTRY = ['Qubes, with Xen hypervisor'] as const
/** The time the units may take; a stage waits for nobody longer. */
const UNIT_TIMEOUT_MS = 320_000

/** Firmware, GRUB, launch, initramfs, dom0 with its automatic seal. */
export async function powerOn(machine: Machine, options: PowerOnOptions): Promise<Boot> {
  if (machine.running) throw new Error('the stage is switched on already')
  const device = deviceOf(machine, options.from)
  const { holder, tpm } = machine
  await tpm.powerOn()
  // without AEM the machine starts from its own boot partition
  const choice: MenuChoice = options.entry ?? (machine.noAem ? PLAIN_ENTRY : null)
  const bootDisk = machine.noAem ? machine.bootDisk : device.disk
  const { entry, launch } = await withMounted(holder, bootDisk.name, 'probe', async (folder) => {
    const booted = bootFolder(folder, bootDisk.uuid, choice)
    const isLaunched = booted.tboot !== null && options.launch !== false
    const rule = machine.options.commandLineRule ?? 'whole'
    return { entry: booted, launch: isLaunched ? await measureLaunch(folder, booted, rule) : null }
  })
  // GRUB writes its environment block in place
  if (entry.written.size > 0)
    await withMounted(holder, bootDisk.name, 'edit', async (folder) => {
      for (const [file, bytes] of entry.written) await writeFile(path.join(folder, file), bytes)
    })
  if (launch) await tpm.launch(launch.sinit, launch.events.slice(1))
  const id = randomUUID()
  await writeBootFacts(machine, id, entry, launch)

  const console_ = (): string => readText(holder.outside('run/stage/console.log'))
  const withAem = bootsWithAem(entry.kernel.commandLine)
  let unseal: Finished | null = null
  if (withAem) {
    const initrd = await openBoot(holder, 'initrd')
    try {
      await plugAll(machine, initrd)
      unseal = await inside(initrd, ['systemctl', 'start', 'anti-evil-maid-unseal.service'])
    } finally {
      await initrd.end()
    }
  }
  await writeTpmSysfs(holder.outside('sysfs/tpm0'), tpm)
  const shown = console_()
    .split('\n')
    .some((line) => line.endsWith(` ${device.secret}`))

  const namespace = await openBoot(holder, 'dom0')
  const boot: Boot = {
    id,
    entry,
    launch,
    unseal,
    seal: null,
    console: console_,
    journal: () => readText(holder.outside('run/stage/journal')),
    secretShown: shown,
  }
  machine.running = { namespace, boot }
  await plugAll(machine, namespace)
  const mounted = await inside(namespace, ['mount', `/dev/${machine.bootDisk.name}`, '/boot'])
  if (mounted.exit !== 0) throw new Error(`cannot mount /boot: ${mounted.stderr}`)
  await inside(namespace, ['systemctl', 'daemon-reload'])
  if (options.seal !== false && withAem) boot.seal = await sealAtBoot(machine, namespace, device)
  return boot
}

/** The automatic seal; a removable device is unplugged when AEM asks for it, and plugged in again afterwards. */
async function sealAtBoot(machine: Machine, namespace: Namespace, device: StageDevice): Promise<Finished> {
  const unit = start([...namespace.enter, 'systemctl', 'start', 'anti-evil-maid-seal.service'], {
    env: ENVIRONMENT,
    timeoutMs: UNIT_TIMEOUT_MS,
  })
  let ended = false
  const finished = unit.finished.finally(() => {
    ended = true
  })
  while (device.removable && !ended) {
    if (
      device.plugged &&
      / to be removed\.\.\.$/m.test(readText(machine.holder.outside('run/stage/console.log')))
    ) {
      await inside(namespace, ['/usr/libexec/stage/plug', 'unplug', device.disk.name])
      await finished
      await plugInto(namespace, device)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return finished
}

async function writeBootFacts(machine: Machine, id: string, entry: Booted, launch: Launch | null) {
  const { holder, tpm } = machine
  const put = (name: string, content: string | Buffer): Promise<void> =>
    writeFile(holder.outside(name), content)
  // mount points in namespaces that may still be going away: emptied, not replaced
  for (const folder of ['run', 'sysfs/hypervisor'])
    for (const name of await readdir(holder.outside(folder)))
      await rm(holder.outside(folder, name), { recursive: true, force: true })
  await mkdir(holder.outside('run/stage'))
  const { xen, kernel } = entry
  const release = readKernelRelease(kernel.image)
  const version = RELEASES[machine.dist].xenVersion
  machine.lastBootSeconds = Math.max(Math.floor(Date.now() / 1000), machine.lastBootSeconds + 1)
  await put('proc/cmdline', Buffer.from(`${kernel.commandLine}\n`, 'latin1'))
  await put('proc/boot_id', `${id}\n`)
  await put('proc/osrelease', `${release}\n`)
  await put(
    'proc/stat',
    readFileSync('/proc/stat', 'utf8').replace(/^btime \d+$/m, `btime ${machine.lastBootSeconds}`),
  )
  if (xen) {
    await put('run/stage/xl-info', xlInfo(version, xen.image, xen.commandLine, release))
    const said = `(XEN) Xen version ${version} (mockbuild@[unknown])\n(XEN) Command line: ${xen.commandLine}\n`
    await put('run/stage/xl-dmesg', Buffer.from(said, 'latin1'))
    const form = machine.options.buildIdForm ?? 'raw'
    await writeHypervisor(holder.outside('sysfs/hypervisor'), version, xen.image, form)
  }
  await put(
    'run/stage/txt-stat.log',
    Buffer.from(launch ? launchLog(launch, tpm.version) : unlaunchedLog(), 'latin1'),
  )
  await put('run/stage/qubes', 'dom0\nsys-net\nsys-firewall\nwork\n')
  await put('sysfs/removable', '1\n')
  await writeTpmSysfs(holder.outside('sysfs/tpm0'), tpm)
  if (machine.options.srkPassword !== undefined)
    await put('run/stage/answers', `${machine.options.srkPassword}\n`)
  const removable = machine.devices.filter((device) => device.removable).map((device) => device.disk.name)
  const product = path.resolve(import.meta.dirname, '../../dist/aem-reseal.mjs')
  const settings = {
    TPM: tpm.version,
    TPM_PORT: `${TPM_PORT}`,
    REMOVABLE: removable.join(' '),
    NODE: process.execPath,
    PRODUCT: machine.options.product === false ? '' : product,
  }
  await put(
    'boot.env',
    Object.entries(settings)
      .map(([name, value]) => `${name}='${value}'\n`)
      .join(''),
  )
}

function readText(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

/** Runs a program in a boot phase. */
export function inside(namespace: Namespace, argv: readonly string[], input?: string): Promise<Finished> {
  const options = { env: ENVIRONMENT, timeoutMs: UNIT_TIMEOUT_MS, ...(input === undefined ? {} : { input }) }
  return start([...namespace.enter, ...argv], options).finished
}

export async function plugInto(namespace: Namespace, device: { disk: StageDevice['disk'] }): Promise<void> {
  const { name, type, uuid, label } = device.disk
  const done = await inside(namespace, ['/usr/libexec/stage/plug', 'plug', name, type, uuid, label])
  if (done.exit !== 0) throw new Error(`cannot plug in ${name}: ${done.stderr}`)
}

async function plugAll(machine: Machine, namespace: Namespace): Promise<void> {
  await plugInto(namespace, { disk: machine.luks })
  if (!machine.devices.some((device) => device.disk === machine.bootDisk))
    await plugInto(namespace, { disk: machine.bootDisk })
  for (const device of machine.devices) if (device.plugged) await plugInto(namespace, device)
}

/** Ends dom0. An orderly end shuts the TPM down; a cut does not, and the TPM counts it against the user. */
export async function powerOff(machine: Machine, orderly: boolean): Promise<void> {
  const { namespace } = dom0(machine)
  if (orderly) {
    await inside(namespace, ['systemctl', 'stop', 'tcsd'])
    await inside(namespace, ['umount', '/boot'])
  }
  await namespace.end()
  machine.running = null
  if (orderly) await machine.tpm.shutDown()
}
