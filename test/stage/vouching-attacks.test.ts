import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { initramfsImage } from './boot-files.ts'
import { createUsedStage } from './kept-stage.ts'
import { kernelName, kernelPackage } from './releases.ts'
import { buildPackage, signerFingerprint } from './rpm.ts'
import type { Stage } from './stage.ts'

/*
 * What somebody who holds the boot device writes into it before `start`: no forward seal, exit 1, and the thing is named.
 * Real parts: a software TPM, rpm, ext4, tboot's own hash. One machine for each TPM; the good files are put back between.
 */

const GRUB = 'grub2/grub.cfg'

type Answer = {
  readonly exit: number
  readonly steps: readonly { readonly id: string; readonly outcome: string }[]
}

/** Everything sealed, in both homes. */
const listSealed = async (stage: Stage): Promise<string> =>
  (await stage.run(['sh', '-c', 'cd /var/lib/tpm && sha256sum */*; cd /boot/aem/tpms && sha256sum */*/*']))
    .stdout

type Attack = {
  readonly what: string
  readonly named: RegExp
  /** Edits a line that loads a file of this name, in every entry of AEM. */
  readonly line?: readonly [file: RegExp, change: (line: string) => string]
  /** Edits every AEM entry. */
  readonly entry?: (entry: string) => string
  /** Puts a changed copy of the first AEM entry in front of it. */
  readonly inFront?: (entry: string) => string
  readonly files?: Readonly<Record<string, Buffer>>
}

const XEN = /^\/xen-/
const KERNEL = /^\/vmlinuz-/
const RELEASE = kernelName('fc37')
const OLD_RELEASE = kernelName('fc37', '0')

const append =
  (words: string) =>
  (line: string): string =>
    `${line} ${words}`
const addCommand =
  (command: string) =>
  (entry: string): string =>
    entry.replace(/\n([ \t]*)\}\n$/, `\n${command}\n$1}\n`)

const ATTACKS: readonly Attack[] = [
  { what: "iommu=no on Xen's line", line: [XEN, append('iommu=no')], named: /iommu=no/ },
  {
    what: "-- systemd.run=/boot/x on Xen's line",
    line: [XEN, append('-- systemd.run=/boot/x')],
    named: /systemd\.run=\/boot\/x/,
  },
  { what: "-- init=/bin/sh on Xen's line", line: [XEN, append('-- init=/bin/sh')], named: /init=\/bin\/sh/ },
  {
    what: "init=/bin/sh on the kernel's line",
    line: [KERNEL, append('init=/bin/sh')],
    named: /init=\/bin\/sh/,
  },
  {
    what: "a word taken from the kernel's line",
    line: [KERNEL, (line) => line.replace(' rd.luks.crypttab=no', '')],
    named: /- rd\.luks\.crypttab=no/,
  },
  ...['\u2003', '\u00a0', '\v', '\f'].map(
    (blank): Attack => ({
      what: `two words of Xen's line glued by ${JSON.stringify(blank)}`,
      line: [XEN, (line) => line.replace('ucode=scan smt=off', `ucode=scan${blank}smt=off`)],
      named: /printable ASCII/,
    }),
  ),
  {
    what: "two words of the kernel's line glued by U+2003",
    line: [KERNEL, (line) => line.replace('rhgb quiet', 'rhgb\u2003quiet')],
    named: /printable ASCII/,
  },
  {
    what: "a word on tboot's line",
    line: [/^\/tboot/, append('min_ram=0x2000000')],
    named: /min_ram=0x2000000/,
  },
  {
    what: "the signed kernel in Xen's place, with an honest entry behind it",
    inFront: (entry) =>
      entry
        .replace(/\n[ \t]*module[ \t]+\/xen-[^\n]*/, `\n\tmodule /vmlinuz-${RELEASE} placeholder init=/evil`)
        .replace(/\n[ \t]*module[ \t]+\/vmlinuz-[^\n]*quiet[^\n]*/, ''),
    named: /\/vmlinuz-\S+ stands where Xen belongs/,
  },
  {
    what: 'an old signed kernel',
    entry: (entry) => entry.replaceAll(RELEASE, OLD_RELEASE),
    files: { [`initramfs-${OLD_RELEASE}.img`]: initramfsImage(OLD_RELEASE) },
    named: /6\.6\.36-0\.qubes\.fc37/,
  },
  {
    what: '/tboot-evil.gz',
    entry: (entry) => entry.replace('/tboot.gz', '/tboot-evil.gz'),
    files: { 'tboot-evil.gz': Buffer.from('tboot of somebody else') },
    named: /\/tboot-evil\.gz/,
  },
  {
    what: 'another initramfs',
    files: { [`initramfs-${RELEASE}.img`]: initramfsImage('of somebody else') },
    named: new RegExp(`/initramfs-${RELEASE.replaceAll('.', '\\.')}\\.img`),
  },
  { what: 'linux in the entry', entry: addCommand(`\tlinux /vmlinuz-${RELEASE}`), named: /\blinux\b/ },
  {
    what: 'chainloader in the entry',
    entry: addCommand('\tchainloader /evil.efi'),
    named: /\bchainloader\b/,
  },
  { what: 'acpi in the entry', entry: addCommand('\tacpi /evil.aml'), named: /\bacpi\b/ },
  {
    what: 'write_dword in the entry',
    entry: addCommand('\twrite_dword 0xfed40000 0x1'),
    named: /\bwrite_dword\b/,
  },
]

const AEM_ENTRIES = /^([ \t]*)menuentry 'AEM [\s\S]*?\n\1\}\n/gm

/** grub.cfg after the attack. */
function editGrub(text: string, { line, entry, inFront }: Attack): string {
  const lines = text.split('\n').map((own) => {
    const [, file = ''] = /^\s*(?:multiboot|module)\s+(\S+)/.exec(own) ?? []
    return line?.[0].test(file) ? line[1](own) : own
  })
  const first = text.match(AEM_ENTRIES)?.[0] ?? ''
  if (inFront) return text.replace(first, () => `${inFront(first)}${first}`)
  return lines.join('\n').replace(AEM_ENTRIES, (own) => entry?.(own) ?? own)
}

/** Does it to the running machine's device. @returns puts it back */
async function attack(stage: Stage, own: Attack): Promise<() => Promise<void>> {
  const good = (await stage.readBootFile(GRUB)).toString()
  const bad = editGrub(good, own)
  if (!own.files) expect(bad, 'the attack changes grub.cfg').not.toBe(good)
  const before = new Map<string, Buffer | null>()
  for (const [name, bytes] of Object.entries(own.files ?? {})) {
    before.set(name, await stage.readBootFile(name).catch(() => null))
    await stage.replaceBootFile(name, bytes)
  }
  await stage.replaceBootFile(GRUB, bad)
  return async () => {
    await stage.replaceBootFile(GRUB, good)
    for (const [name, bytes] of before) {
      if (bytes) await stage.replaceBootFile(name, bytes)
      else await stage.run(['rm', `/boot/${name}`])
    }
  }
}

/** As dom0 keeps several kernels: beside the new one. */
async function installOldKernel(stage: Stage): Promise<void> {
  const built = await buildPackage(kernelPackage('fc37', '0'))
  await copyFile(built, stage.pathOf('/run/old-kernel.rpm'))
  const done = await stage.run(['rpm', '--install', '--nodeps', '--oldpackage', '/run/old-kernel.rpm'])
  if (done.exit !== 0) throw new Error(done.stderr)
}

describe.each(['2.0', '1.2'] as const)('before `start`, on TPM %s', (tpm) => {
  let stage: Stage
  beforeAll(async () => {
    stage = await createUsedStage({ tpm })
    expect((await stage.powerOn()).secretShown).toBe(true)
    const file = stage.pathOf('/etc/aem-reseal/trusted-keys')
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, `${await signerFingerprint()} Stage\n`)
    await stage.updateXen()
    await installOldKernel(stage)
  })
  afterAll(() => stage?.destroy())

  test.each(ATTACKS)('$what', async (own) => {
    const before = await listSealed(stage)
    const putBack = await attack(stage, own)
    try {
      const { stdout, stderr } = await stage.aemReseal(['start', '--yes', '--restart', 'manual', '--json'])
      if (!stdout.startsWith('{')) throw new Error(`${stdout}${stderr}`)
      const answer = JSON.parse(stdout) as Answer
      expect(answer.steps.filter(({ id }) => id === 'forward-seal')).toEqual([])
      expect(await listSealed(stage)).toBe(before)
      expect(`${JSON.stringify(answer.steps)}${stderr}`).toMatch(own.named)
      expect(answer.exit).toBe(1)
    } finally {
      await putBack()
      await stage.aemReseal(['cancel', '--yes'])
    }
  })

  test('and the good files get their forward seal: the secret appears at the first boot', async () => {
    const { exit, stdout } = await stage.aemReseal(['start', '--yes', '--restart', 'manual', '--json'])
    expect(exit, stdout).toBe(3)
    expect((JSON.parse(stdout) as Answer).steps.map(({ id, outcome }) => `${id}: ${outcome}`)).toContain(
      'forward-seal: sealed',
    )
    await stage.powerOff()
    expect((await stage.powerOn()).secretShown).toBe(true)
    expect((await stage.aemReseal(['resume', '--yes'])).exit).toBe(0)
  })
})
