import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, realpath, stat, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fillerBytes, initramfsImage } from './boot-files.ts'
import { must } from './process.ts'
import {
  kernelName,
  kernelPackage,
  type PackageSpec,
  RELEASES,
  type ReleaseDist,
  toolPackages,
  xenPackages,
} from './releases.ts'
import { buildPackage, cached, signingKey } from './rpm.ts'

const here = import.meta.dirname
export const SINIT_NAME = '6th_gen_i5_i7_SINIT_79.BIN'
const AEM_VERSION = '4.2.0'

async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort()
}

/** AEM's real programs by the paths its packages give them, from the checkouts that AEM_SCRIPTS names. */
async function realScripts(): Promise<PackageSpec['files']> {
  const files: PackageSpec['files'] = {}
  for (const folder of realScriptFolders()) {
    for (const name of await filesUnder(folder)) {
      let target: string | undefined
      if (name.startsWith('sbin/')) target = `/usr/${name}`
      else if (name.startsWith('90anti-evil-maid/')) target = `/usr/lib/dracut/modules.d/${name}`
      else if (name.startsWith('etc/')) target = `/${name}`
      else if (/^systemd\/system\/anti-evil-maid-[a-z-]+\.service$/.test(name)) target = `/usr/lib/${name}`
      if (!target) continue
      const file = path.join(folder, name)
      files[target] = { content: await readFile(file), mode: (await stat(file)).mode & 0o777 }
    }
  }
  return files
}

/** AEM's programs as the package anti-evil-maid that owns them: the stand-ins, or the real ones for a judge's run. */
async function aemPackage(dist: ReleaseDist): Promise<PackageSpec> {
  const folder = path.join(here, 'aem')
  const files: PackageSpec['files'] = {}
  for (const name of await filesUnder(folder)) {
    const isProgram = name.includes('/sbin/') || name.includes('/dracut/') || name.includes('grub.d')
    files[`/${name}`] = { content: await readFile(path.join(folder, name)), mode: isProgram ? 0o755 : 0o644 }
  }
  const contents = realScriptFolders().length > 0 ? await realScripts() : files
  return { name: 'anti-evil-maid', version: AEM_VERSION, release: `1.${dist}`, files: contents }
}

async function tbootPackage(dist: ReleaseDist): Promise<PackageSpec> {
  const content = await readFile('/boot/tboot.gz')
  return {
    name: 'tboot',
    epoch: 1,
    version: '1.10.5',
    release: `2.${dist}`,
    files: { '/boot/tboot.gz': { content } },
  }
}

/** Builds what leads /dev/tpm0 to the software TPM: a TCTI for tpm2-tools, a device for TPM 1.2. */
async function nativeParts(): Promise<{ tcti: Buffer; device: Buffer }> {
  const [tcti, device] = ['tcti-device.c', 'tpm-device.c'].map((name) => path.join(here, 'native', name)) as [
    string,
    string,
  ]
  const folder = await cached('native', [await readFile(tcti), await readFile(device)], async (draft) => {
    await must([
      'cc',
      '-shared',
      '-fPIC',
      '-O1',
      '-o',
      path.join(draft, 'tcti.so'),
      tcti,
      '-ltss2-tcti-swtpm',
    ])
    await must(['cc', '-O1', '-o', path.join(draft, 'tpm-device'), device])
  })
  return {
    tcti: await readFile(path.join(folder, 'tcti.so')),
    device: await readFile(path.join(folder, 'tpm-device')),
  }
}

/** Where AEM's real programs are, when AEM_SCRIPTS names their checkouts (colon between them). */
export function realScriptFolders(): string[] {
  return (process.env.AEM_SCRIPTS ?? '').split(':').filter((folder) => folder !== '')
}

/** On TPM 1.2 the real initramfs extends PCR 13 with a small C program of its own. */
async function buildPcrExtend(layer: string): Promise<void> {
  for (const folder of realScriptFolders()) {
    const source = path.join(folder, 'tpm_pcr_extend.c')
    if (!existsSync(source)) continue
    if (!existsSync('/usr/include/tss/tspi.h'))
      throw new Error('AEM_SCRIPTS needs: apt-get install libtspi-dev')
    await must(['cc', '-o', path.join(layer, 'usr/sbin/tpm_pcr_extend'), source, '-ltspi'])
  }
}

/**
 * The files that make a plain Debian look like a dom0 before the update: packages in an RPM database of their
 * own, stand-ins, boot files. It goes over the machine's own root as an overlay layer.
 * @returns a folder to copy from
 */
export async function dom0Layer(dist: ReleaseDist): Promise<string> {
  const specs = [
    ...xenPackages('old', dist),
    kernelPackage(dist),
    ...toolPackages(dist),
    await tbootPackage(dist),
    await aemPackage(dist),
  ]
  const packages: string[] = []
  for (const spec of specs) packages.push(await buildPackage(spec))
  const stubs = path.join(here, 'dom0')
  const stubFiles = await filesUnder(stubs)
  const native = await nativeParts()
  const key = path.join(await signingKey(), 'public.asc')
  const inputs = [
    ...packages,
    ...stubFiles,
    ...(await Promise.all(stubFiles.map((file) => readFile(path.join(stubs, file))))),
    native.tcti,
    native.device,
    await readFile(key),
    await readFile(import.meta.filename),
  ]
  return cached('dom0', inputs, async (layer) => {
    await chmod(layer, 0o755)
    const put = async (name: string, content: string | Buffer, mode = 0o644): Promise<void> => {
      const file = path.join(layer, name)
      await mkdir(path.dirname(file), { recursive: true })
      await writeFile(file, content)
      await chmod(file, mode)
    }
    await put('etc/rpm/macros', '%_dbpath /var/lib/rpm\n')
    const database = ['--root', layer, '--dbpath', '/var/lib/rpm']
    await must(['rpm', ...database, '--initdb'])
    await must(['rpm', ...database, '--import', key])
    await must(['rpm', ...database, '--install', '--nodeps', ...packages])
    for (const name of stubFiles) await put(name, await readFile(path.join(stubs, name)), 0o755)
    // mount points for the machine's node and the built program, see namespace/boot.sh
    await put('usr/bin/node', '', 0o755)
    await put('usr/lib/aem-reseal/aem-reseal.mjs', '', 0o755)
    await symlink('../lib/aem-reseal/aem-reseal.mjs', path.join(layer, 'usr/bin/aem-reseal'))
    await put('usr/libexec/stage/real/tcsd', await readFile('/usr/sbin/tcsd'), 0o755)
    await put(await realpath('/usr/lib/x86_64-linux-gnu/libtss2-tcti-device.so.0'), native.tcti)
    await put('usr/libexec/stage/tpm-device', native.device, 0o755)
    // in a real machine this one is in the initramfs only
    const unseal = path.join(layer, 'usr/lib/dracut/modules.d/90anti-evil-maid/anti-evil-maid-unseal')
    await put('usr/sbin/anti-evil-maid-unseal', await readFile(unseal), 0o755)
    await buildPcrExtend(layer)
    const release = RELEASES[dist]
    await put('etc/qubes-release', `Qubes release ${release.pointRelease} (R${release.qubes})\n`)
    await put(
      'usr/lib/os-release',
      `NAME="Qubes OS"\nVERSION="${release.qubes} (R${release.qubes})"\nID=qubes\nVERSION_ID=${release.qubes}\n`,
    )
    await put(`boot/initramfs-${kernelName(dist)}.img`, initramfsImage(kernelName(dist)), 0o600)
    await put(`boot/${SINIT_NAME}`, sinitModule())
    for (const folder of [
      '.outside',
      'anti-evil-maid',
      'mnt/anti-evil-maid',
      'var/lib/anti-evil-maid',
      'boot/grub2',
    ])
      await mkdir(path.join(layer, folder), { recursive: true })
  })
}

/**
 * A SINIT module as far as tboot looks before it takes it out of its list: an ACM header of chipset type by Intel, with
 * its size (tboot 1.10.5, include/txt/acmod.h); the rest is filler.
 */
export function sinitModule(): Buffer {
  const module = Buffer.from(fillerBytes(SINIT_NAME, 32 * 1024))
  module.writeUInt16LE(2, 0)
  module.writeUInt32LE(0x8086, 16)
  module.writeUInt32LE(module.length / 4, 24)
  return module
}
