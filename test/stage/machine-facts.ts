import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { readBuildId } from './boot-files.ts'
import type { Tpm } from './tpm.ts'

/** Linux prints the build id as raw bytes (drivers/xen/sys-hypervisor.c, buildid_show); `hex` is for what-if tests. */
export type BuildIdForm = 'raw' | 'hex'

/** Writes /sys/hypervisor as it is under this Xen. */
export async function writeHypervisor(
  folder: string,
  version: string,
  image: Buffer,
  form: BuildIdForm,
): Promise<void> {
  const [major = '', minor = '', patch = ''] = version.split('.')
  const buildId = readBuildId(image)
  const files: Record<string, string | Buffer> = {
    type: 'xen\n',
    uuid: '00000000-0000-0000-0000-000000000000\n',
    'version/major': `${major}\n`,
    'version/minor': `${minor}\n`,
    'version/extra': `.${patch}\n`,
    'properties/buildid': form === 'raw' ? buildId : `${buildId.toString('hex')}\n`,
    'compilation/compile_date': `${compileDate(buildId)}\n`,
  }
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), content)
  }
}

/** A date of its own for each build. */
function compileDate(buildId: Buffer): string {
  const date = new Date(Date.UTC(2024, 5, 1) + buildId.readUInt16BE(0) * 3600_000)
  const [day, , month] = date.toUTCString().replace(',', '').split(' ')
  const dayOfMonth = `${date.getUTCDate()}`.padStart(2)
  return `${day} ${month} ${dayOfMonth} ${date.toISOString().slice(11, 19)} CET ${date.getUTCFullYear()}`
}

/** `xl info` of Xen 4.17 on a laptop, cut to what identifies Xen. */
export function xlInfo(version: string, image: Buffer, commandLine: string, kernel: string): Buffer {
  const [major, minor, patch] = version.split('.')
  const buildId = readBuildId(image)
  const rows: [string, string][] = [
    ['host', 'dom0'],
    ['release', kernel],
    ['version', '#1 SMP PREEMPT_DYNAMIC'],
    ['machine', 'x86_64'],
    ['nr_cpus', '4'],
    ['total_memory', '16269'],
    ['free_memory', '10312'],
    ['xen_major', major ?? ''],
    ['xen_minor', minor ?? ''],
    ['xen_extra', `.${patch}`],
    ['xen_version', version],
    ['xen_caps', 'xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 '],
    ['xen_scheduler', 'credit2'],
    ['xen_pagesize', '4096'],
    ['xen_changeset', ''],
    ['xen_commandline', commandLine],
    ['cc_compiler', 'gcc (GCC) 12.3.1 20230508 (Red Hat 12.3.1-1)'],
    ['cc_compile_by', 'mockbuild'],
    ['cc_compile_domain', '[unknown]'],
    ['cc_compile_date', compileDate(buildId)],
    ['build_id', buildId.toString('hex')],
    ['xend_config_format', '4'],
  ]
  return Buffer.from(rows.map(([name, value]) => `${name.padEnd(23)}: ${value}\n`).join(''), 'latin1')
}

/** Writes /sys/class/tpm/tpm0 as the kernel shows the registers now (drivers/char/tpm/tpm-sysfs.c). */
export async function writeTpmSysfs(folder: string, tpm: Tpm): Promise<void> {
  const put = (name: string, content: string): Promise<void> => writeFile(path.join(folder, name), content)
  await put('tpm_version_major', tpm.version === '2.0' ? '2\n' : '1\n')
  if (tpm.version === '1.2') {
    const pairs = (value: string): string =>
      (value.toUpperCase().match(/../g) ?? []).map((pair) => `${pair} `).join('')
    const pcrs = await tpm.readPcrs('sha1')
    await put('pcrs', pcrs.map((value, n) => `PCR-${`${n}`.padStart(2, '0')}: ${pairs(value)}\n`).join(''))
    await put('owned', (await tpm.isOwned()) ? '1\n' : '0\n')
    await put('enabled', '1\n')
    await put('active', '1\n')
    return
  }
  for (const bank of ['sha1', 'sha256'] as const) {
    const pcrs = await tpm.readPcrs(bank)
    await rm(path.join(folder, `pcr-${bank}`), { recursive: true, force: true })
    await mkdir(path.join(folder, `pcr-${bank}`))
    for (const [n, value] of pcrs.entries()) await put(`pcr-${bank}/${n}`, `${value.toUpperCase()}\n`)
  }
}
