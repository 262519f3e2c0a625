import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tamperedXen } from './boot-files.ts'
import { SINIT_NAME } from './dom0-image.ts'
import { predictNextBoot } from './forward.ts'
import { createStage } from './kept-stage.ts'
import { signerFingerprint } from './rpm.ts'
import type { Stage } from './stage.ts'
import type { TpmVersion } from './tpm.ts'

/*
 * What an evil maid can change between `start` and the restart, one thing at a time. The prediction is the program's
 * own; whatever differs from it must end as an alarm that names what was changed. The good state is put back between.
 */

type Reason = { readonly code: string; readonly what: string; readonly isBlocking: boolean }
type Register = { readonly index: number; readonly predicted: string | null; readonly now: string | null }
type Explained = {
  readonly verdict: string
  readonly alreadyResealed: boolean | null
  readonly reasons: readonly Reason[]
  readonly pcrs: readonly (Register & { readonly change: string })[]
}
type Answer = {
  readonly exit: number
  readonly steps: readonly { id: string; outcome: string; facts: Record<string, unknown> }[]
}

async function resume(stage: Stage): Promise<{ exit: number; explained: Explained }> {
  const { exit, stdout, stderr } = await stage.aemReseal(['resume', '--yes', '--json'])
  const answer = JSON.parse(stdout || '{"steps": []}') as Answer
  const step = answer.steps.find(({ id }) => id === 'explain')
  if (!step) throw new Error(`resume (exit ${exit}) did not come to explain:\n${stdout}\n${stderr}`)
  return { exit, explained: step.facts as Explained }
}

const POLICY = 'xenpolicy-4.17'

/** A good machine with an update installed and confirmed, its next boot predicted by the program; switched off. */
async function startedStage(tpm: TpmVersion): Promise<{ stage: Stage; predicted: readonly Register[] }> {
  const stage = await createStage({ tpm })
  // A fourth module, as a Xen security policy is one: the last two can change places and it boots all the same.
  await stage.replaceBootFile(POLICY, 'a policy')
  await stage.replaceBootFile('grub2/grub.cfg', (old) =>
    old.toString().replace(/(\tmodule\t\/initramfs\S+\n)/g, `$1\t\tmodule\t/${POLICY}\n`),
  )
  await stage.powerOn()
  await stage.powerOff()
  expect((await stage.powerOn()).secretShown).toBe(true)
  const trust = `mkdir -p /etc/aem-reseal && echo ${await signerFingerprint()} test key >/etc/aem-reseal/trusted-keys`
  await stage.run(['sh', '-c', trust])
  await stage.updateXen()
  const start = await stage.aemReseal(['start', '--protect', 'plain', '--restart', 'manual', '--yes'])
  if (start.exit !== 3) throw new Error(`start ended with ${start.exit}:\n${start.stdout}${start.stderr}`)
  const predict = await stage.aemReseal(['predict', '--json'])
  expect(predict.exit, predict.stdout).toBe(0)
  const own = await predictNextBoot(stage)
  const { pcrs } = JSON.parse(predict.stdout) as { pcrs: readonly Register[] }
  for (const index of [17, 18, 19])
    expect(pcrs.find((pcr) => pcr.index === index)?.predicted).toBe(
      own.pcrs.find((pcr) => pcr.index === index)?.predicted,
    )
  await stage.powerOff()
  return { stage, predicted: pcrs }
}

type Attack = {
  readonly what: string
  /** Changes the switched-off machine. @returns puts it back */
  readonly apply: (stage: Stage) => Promise<() => Promise<void>>
  /** Registers that must be found unexpected. */
  readonly pcrs: readonly number[]
  readonly codes: readonly string[]
  /** A blocking finding of one of the codes must name it. */
  readonly names: RegExp
}

const onFile =
  (name: string, change: (old: Buffer) => Buffer): Attack['apply'] =>
  async (stage) => {
    const good = await stage.readBootFile(name)
    const bad = change(good)
    expect(bad.equals(good), `the attack changes ${name}`).toBe(false)
    await stage.replaceBootFile(name, bad)
    return () => stage.replaceBootFile(name, good)
  }

const inMenu = (pattern: RegExp, text: string): Attack['apply'] =>
  onFile('grub2/grub.cfg', (old) => Buffer.from(old.toString().replace(pattern, text)))

const oneByte = (old: Buffer): Buffer => {
  const changed = Buffer.from(old)
  const middle = Math.floor(changed.length / 2)
  changed[middle] = changed[middle]! ^ 1
  return changed
}

/** A file whose name holds the kernel's version. */
const onVersioned =
  (prefix: 'vmlinuz-' | 'initramfs-'): Attack['apply'] =>
  async (stage) => {
    const menu = (await stage.readBootFile('grub2/grub.cfg')).toString()
    const name = new RegExp(`\\t/(${prefix}\\S+)`).exec(menu)?.[1] ?? ''
    return onFile(name, oneByte)(stage)
  }

/** The header of the LUKS disk, with both copies of its metadata and the key slots. */
async function changeLuksHeader(stage: Stage): Promise<() => Promise<void>> {
  const disk = `/dev/${stage.luks.name}`
  const kept = `${stage.holder.folder}/luks-header-kept`
  const copy = (from: string, to: string) =>
    stage.holder.must([
      'dd',
      `if=${from}`,
      `of=${to}`,
      'bs=1M',
      'count=4',
      'conv=notrunc,fsync',
      'status=none',
    ])
  await copy(disk, kept)
  await stage.holder.must(['cryptsetup', 'config', '--label', 'changed', disk])
  return async () => {
    await copy(kept, disk)
  }
}

const ATTACKS: readonly Attack[] = [
  {
    what: 'one byte of Xen',
    apply: onFile('xen-4.17.4.gz', tamperedXen),
    pcrs: [18],
    codes: ['package-modified'],
    names: /the Xen image \/xen-4\.17\.4\.gz is not as xen-hypervisor \S+ installed it/,
  },
  {
    what: 'one byte of the kernel',
    apply: onVersioned('vmlinuz-'),
    pcrs: [19],
    codes: ['package-modified'],
    names: /the dom0 kernel \/vmlinuz-\S+ is not as kernel \S+ installed it/,
  },
  {
    what: 'one byte of the initramfs',
    apply: onVersioned('initramfs-'),
    pcrs: [19],
    codes: ['no-package'],
    names: /the initramfs \/initramfs-\S+ belongs to no package/,
  },
  {
    what: "Xen's command line",
    apply: inMenu(/(module\t\/xen\S+ placeholder \S+)/, '$1 no-xsm'),
    pcrs: [18],
    codes: ['command-line-changed'],
    names: /the command line of the Xen image \/xen-4\.17\.4\.gz changed; new in it: no-xsm$/m,
  },
  {
    what: "the kernel's command line",
    apply: inMenu(/( aem\.uuid=\S+)/, '$1 init=/bin/sh'),
    pcrs: [19],
    codes: ['command-line-changed'],
    names: /the command line of the dom0 kernel \/vmlinuz-\S+ changed; new in it: init=\/bin\/sh$/m,
  },
  {
    what: 'an extra module',
    apply: inMenu(/(module\t\/initramfs\S+)/, '$1\n\tmodule\t/tboot.gz'),
    pcrs: [19],
    codes: ['module-added'],
    names: /^a further module \/tboot\.gz is measured in addition$/m,
  },
  {
    what: 'the order of two modules',
    apply: inMenu(/(\tmodule\t\/initramfs\S+\n)(\t*module\t\/xenpolicy\S+\n)/, '$2$1'),
    pcrs: [19],
    codes: ['module-order-changed'],
    names:
      /another order than before: now the dom0 kernel \S+ a further module \/xenpolicy-4\.17, the initramfs /,
  },
  {
    what: 'the SINIT module',
    apply: onFile(SINIT_NAME, oneByte),
    pcrs: [17],
    codes: ['platform-changed'],
    names: /SINIT.*PCR 17/,
  },
  {
    what: 'a LUKS header',
    apply: changeLuksHeader,
    pcrs: [13],
    codes: ['luks-header-changed'],
    names: /LUKS header/,
  },
]

async function readRegisters(stage: Stage): Promise<Record<number, string>> {
  const bank = stage.tpm.version === '2.0' ? 'sha256' : 'sha1'
  const args =
    bank === 'sha256'
      ? 'tpm2_pcrread -T device:/dev/tpm0 sha256:17,18,19 | sed -n "s/^ *\\([0-9]*\\) *: 0x/\\1 /p"'
      : 'sed -n "s/^PCR-\\([0-9]*\\): /\\1 /p" /sys/class/tpm/tpm0/pcrs'
  const { stdout } = await stage.run(['bash', '-c', args])
  return Object.fromEntries(
    stdout
      .trim()
      .split('\n')
      .map((line) => {
        const [index = '', ...hex] = line.split(' ')
        return [Number(index), hex.join('').toLowerCase()]
      }),
  )
}

describe.each(['2.0', '1.2'] as const)('after start, with the next boot predicted, on TPM %s', (tpm) => {
  let stage: Stage
  let predicted: readonly Register[]
  beforeAll(async () => {
    const started = await startedStage(tpm)
    stage = started.stage
    predicted = started.predicted
  })
  afterAll(() => stage?.destroy())

  test.each(ATTACKS)('unexplained, and named: $what', async ({ apply, pcrs, codes, names }) => {
    const putBack = await apply(stage)
    const boot = await stage.powerOn()
    try {
      const { exit, explained } = await resume(stage)
      expect(exit).toBe(4)
      expect(explained.verdict).toBe('unexplained')
      // nothing held AEM's own seal, and the alarm says that
      expect(boot.journal()).toMatch(/Sealed \//)
      expect(explained.alreadyResealed).toBe(true)
      const unexpected = explained.pcrs.filter(({ change }) => change === 'unexpected')
      expect(unexpected.map(({ index }) => index)).toEqual(pcrs)
      const blocking = explained.reasons.filter((reason) => reason.isBlocking)
      expect(blocking.map(({ what }) => what).join('\n')).toMatch(names)
      expect(blocking.map(({ code }) => code)).toEqual(expect.arrayContaining([...codes]))
    } finally {
      await stage.powerOff()
      await putBack()
    }
  })

  test('without hold, the alarm says that AEM has sealed already, and what to do', async () => {
    const putBack = await ATTACKS[0]!.apply(stage)
    await stage.powerOn()
    const { exit, stdout } = await stage.aemReseal(['resume', '--yes'])
    await stage.powerOff()
    await putBack()
    expect(exit).toBe(4)
    expect(stdout).toContain('AEM has sealed')
    expect(stdout).toMatch(/do\s+not\s+reseal[\s\S]*change\s+the\s+secret\s+once/)
  })

  test('the clean update: every launch register is as predicted, bit for bit', async () => {
    await stage.powerOn()
    const measured = await readRegisters(stage)
    for (const index of [17, 18, 19]) {
      expect(measured[index]).toMatch(tpm === '2.0' ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/)
      expect(predicted.find((pcr) => pcr.index === index)?.predicted).toBe(measured[index])
    }
    const { exit, explained } = await resume(stage)
    expect(explained).toMatchObject({ verdict: 'explained' })
    expect(exit).toBe(3)
  })
})
