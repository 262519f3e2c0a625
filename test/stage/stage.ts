import { existsSync, readFileSync } from 'node:fs'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { makeLuks } from './disks.ts'
import { dom0Layer } from './dom0-image.ts'
import { deviceOf, dom0, ENVIRONMENT, type Machine } from './machine.ts'
import {
  enrolScript,
  grubTemplate,
  makeBootDisk,
  pathInDom0,
  refreshDevice,
  replaceBootFile,
  withBootFiles,
} from './media.ts'
import { type Holder, openHolder } from './namespace.ts'
import { inside, plugInto, powerOff, powerOn } from './power.ts'
import { requireRealParts } from './preflight.ts'
import { must, type Running, type RunOptions, start } from './process.ts'
import { type PackageSpec, type ReleaseDist, xenPackages } from './releases.ts'
import { buildPackage } from './rpm.ts'
import type { PtyOptions, Stage, StageDevice, StageOptions } from './stage-types.ts'
import { openTerminal, type TerminalSession } from './terminal.ts'
import { startTpm } from './tpm.ts'

export type { Boot, DeviceOptions, PowerOnOptions, Stage, StageDevice, StageOptions } from './stage-types.ts'

const PRODUCT = path.resolve(import.meta.dirname, '../../dist/aem-reseal.mjs')
/** Where the built program is inside; /usr/bin/aem-reseal is a link to it. */
const PRODUCT_INSIDE = '/usr/lib/aem-reseal/aem-reseal.mjs'
const PRODUCT_FILES = ['/usr/lib/aem-reseal', '/usr/bin/aem-reseal']

/** Makes a dom0 whose TPM is owned and whose AEM devices are set up; switched off, never booted with AEM. */
export async function makeMachine(options: StageOptions): Promise<Machine> {
  requireRealParts()
  const dist = options.releaseDist ?? 'fc37'
  const layer = await dom0Layer(dist)
  const holder = await openHolder()
  try {
    const machine = await furnish(holder, layer, dist, options)
    await setUpAem(machine)
    return machine
  } catch (error) {
    await holder.end()
    throw error
  }
}

async function furnish(
  holder: Holder,
  layer: string,
  dist: ReleaseDist,
  options: StageOptions,
): Promise<Machine> {
  await mountRoot(holder, layer)
  if (options.product === false)
    await holder.must(['rm', '-r', ...PRODUCT_FILES.map((file) => `${holder.folder}/root${file}`)])
  if (options.launchLog === false) await holder.must(['rm', `${holder.folder}/root/usr/sbin/txt-stat`])
  const [tpm, luks] = await Promise.all([startTpm(holder, options.tpm), makeLuks(holder, options.luks ?? 2)])
  await mkdir(holder.outside('root/etc/stage'), { recursive: true })
  await writeFile(holder.outside('root/etc/stage/grub.cfg.in'), grubTemplate(luks.uuid))
  const devices: StageDevice[] = []
  for (const wanted of options.devices ?? [{}]) {
    const suffix = wanted.suffix ?? ''
    devices.push({
      suffix,
      external: false,
      removable: false,
      secret: `the owl of ${suffix || 'home'} sleeps at noon`,
      ...wanted,
      label: `aem${suffix}`,
      disk: await makeBootDisk(holder, luks.uuid, dist, wanted),
      plugged: true,
    })
  }
  const internal = devices.find((device) => !device.external)
  const bootDisk = internal?.disk ?? (await makeBootDisk(holder, luks.uuid, dist, null))
  return {
    holder,
    tpm,
    dist,
    options,
    devices,
    bootDisk,
    luks,
    noAem: false,
    running: null,
    lastBootSeconds: 0,
  }
}

/** dom0's root: what packages bring, above it what the machine has written. */
export async function mountRoot(holder: Holder, layer: string): Promise<void> {
  await must(['cp', '-a', `${layer}/.`, holder.outside('layer')])
  const overlay = ['layer', 'upper', 'work'].map((name) => `${holder.folder}/${name}`)
  const mountOptions = `lowerdir=${overlay[0]}:/,upperdir=${overlay[1]},workdir=${overlay[2]}`
  await holder.must(['mount', '-t', 'overlay', 'overlay', '-o', mountOptions, `${holder.folder}/root`])
}

/** What a user does once: anti-evil-maid-tpm-setup, then anti-evil-maid-install, from a boot without AEM. */
async function setUpAem(machine: Machine): Promise<void> {
  const password = machine.options.srkPassword
  machine.noAem = true
  await powerOn(machine, {})
  const { namespace } = dom0(machine)
  const steps: [readonly string[], string][] = [
    [['anti-evil-maid-tpm-setup', ...(password === undefined ? ['-z'] : [])], `${password}\n${password}\n`],
    [['sh', '-c', enrolScript(machine.devices)], ''],
  ]
  for (const [argv, input] of steps) {
    const done = await inside(namespace, argv, input)
    if (done.exit !== 0) throw new Error(`${argv[0]} ended with ${done.exit}:\n${done.stdout}${done.stderr}`)
  }
  await powerOff(machine, true)
  machine.noAem = false
}

export function stageOf(machine: Machine): Stage {
  const { holder } = machine
  const begin = (argv: readonly string[], options: RunOptions = {}): Running => {
    const env = { ...ENVIRONMENT, ...options.env }
    return start([...dom0(machine).namespace.enter, ...argv], { timeoutMs: 120_000, ...options, env })
  }
  const pty = (argv: readonly string[], options: PtyOptions = {}): TerminalSession => {
    const env = { ...ENVIRONMENT, TERM: 'xterm-256color', ...options.env }
    const size = { columns: options.columns ?? 80, rows: options.rows ?? 24 }
    return openTerminal([...dom0(machine).namespace.enter, ...argv], env, size)
  }
  // What is asserted of printed text is of all that can be printed.
  const detailed = (args: readonly string[]) => (args.includes('--json') ? args : [...args, '--details'])
  const product = (args: readonly string[]): readonly string[] => {
    if (!existsSync(PRODUCT)) throw new Error('dist/aem-reseal.mjs is missing; next: npm run build')
    return ['/usr/bin/node', PRODUCT_INSIDE, ...args]
  }
  const installPackages = async (specs: readonly PackageSpec[]): Promise<void> => {
    const files: string[] = []
    for (const spec of specs) {
      const built = await buildPackage(spec)
      await copyFile(built, holder.outside('run', path.basename(built)))
      files.push(`/run/${path.basename(built)}`)
    }
    const done = await begin(['rpm', '--upgrade', '--nodeps', ...files]).finished
    if (done.exit !== 0) throw new Error(`rpm ended with ${done.exit}: ${done.stderr}`)
  }
  const setPlugged = async (suffix: string | undefined, plugged: boolean): Promise<void> => {
    const device = deviceOf(machine, suffix)
    if (device.plugged === plugged) return
    device.plugged = plugged
    if (!machine.running) return
    const { namespace } = machine.running
    if (plugged) await plugInto(namespace, device)
    else await inside(namespace, ['/usr/libexec/stage/plug', 'unplug', device.disk.name])
  }
  return {
    options: machine.options,
    tpm: machine.tpm,
    devices: machine.devices,
    luks: machine.luks,
    dist: machine.dist,
    holder,
    powerOn: (options = {}) => powerOn(machine, options),
    powerOff: () => powerOff(machine, true),
    cutPower: () => powerOff(machine, false),
    run: (argv, options) => begin(argv, options).finished,
    start: begin,
    runPty: pty,
    aemReseal: (args, options) => begin(product(detailed(args)), options).finished,
    startAemReseal: (args, options) => begin(product(args), options),
    aemResealPty: (args, options) => pty(product(args), options),
    installPackages,
    updateXen: () => installPackages(xenPackages('new', machine.dist)),
    replaceBootFile: (name, content, suffix) => replaceBootFile(machine, name, content, suffix),
    readBootFile: (name, suffix) =>
      withBootFiles(machine, suffix, (folder) => readFile(path.join(folder, name))),
    refreshDevice: (suffix) => refreshDevice(machine, suffix),
    setNoAem: (on = true) => {
      machine.noAem = on
    },
    unplug: (suffix) => setPlugged(suffix, false),
    plug: (suffix) => setPlugged(suffix, true),
    readOnlyMedia: async (on, suffix) => {
      await holder.must([
        'blockdev',
        on ? '--setro' : '--setrw',
        `/dev/${deviceOf(machine, suffix).disk.name}`,
      ])
    },
    setRunningQubes: (names) => writeFile(holder.outside('run/stage/qubes'), `${names.join('\n')}\n`),
    answerPasswords: (answers) => writeFile(holder.outside('run/stage/answers'), `${answers.join('\n')}\n`),
    shutdownRequests: () => {
      const log = holder.outside('run/stage/shutdown.log')
      return existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []
    },
    pathOf: (file) => pathInDom0(machine, file),
    destroy: () => holder.end(),
  }
}
