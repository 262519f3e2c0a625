import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  ALGORITHMS,
  digestOf,
  registersOf,
  type WrittenEvent,
  writeAgileLog,
  writeTxtContainer,
} from '../core/launch/tcg-writer.ts'
import { aBaseline } from '../support/a-baseline.ts'
import { ANSWERS } from '../support/answers.ts'
import { aSession } from '../support/built-in.ts'
import { grubConfigOfDom0 } from '../support/grub/booted-dom0.ts'
import { bootConcretely } from '../support/grub/concrete-grub.ts'
import { writeGrubEnvironment } from '../support/grub/qubes-grub-writer.ts'
import { runMain } from '../support/io.ts'
import { aemDom0, type RecordedDom0 } from '../support/recorded-machine.ts'
import { temporaryDirectory } from '../support/temporary.ts'

async function predictJson(directory: string) {
  const run = await runMain(['predict', '--json', '--machine', directory])
  return { exit: run.exit, answer: ANSWERS.predict.parse(run.json) }
}

/** The words without the line breaks of the screen. */
async function predictText(directory: string): Promise<string> {
  const run = await runMain(['predict', '--machine', directory])
  return run.stdout.replace(/\s+/g, ' ')
}

describe('predict with TPM facts and no readable launch log', () => {
  const dmesg = (machine: RecordedDom0) =>
    machine.answering('xl-dmesg', {}, { stdout: '(XEN) Xen version 4.17.4\n' })

  it.each<[string, RecordedDom0, string]>([
    ['nothing is recorded of it', aemDom0(), 'txt-stat could not be asked'],
    [
      'there is no txt-stat',
      dmesg(aemDom0().without('/usr/sbin/txt-stat')),
      'txt-stat (package tboot) is not installed; xl dmesg names no event log',
    ],
    ['txt-stat fails', dmesg(aemDom0().answering('launch-log', {}, { exit: 1 })), 'txt-stat ended with 1'],
    ['txt-stat prints nothing', dmesg(aemDom0().answering('launch-log', {}, {})), 'txt-stat printed nothing'],
    [
      'tboot left no log',
      dmesg(aemDom0().answering('launch-log', {}, { stdout: 'ERROR: unable to find TBOOT log\n' })),
      'txt-stat printed no tboot log',
    ],
    [
      'the event log cannot be read',
      aemDom0()
        .without('/usr/sbin/txt-stat')
        .answering(
          'xl-dmesg',
          {},
          { stdout: '(XEN) SLAUNCH: reserving event log (0x9d000000 - 0x9d008000)\n' },
        ),
      'the event log at 0x9d000000 could not be read from /dev/mem',
    ],
  ])('predicts nothing and says why and what to do: %s', async (_, machine, why) => {
    const directory = machine.write()
    const { exit, answer } = await predictJson(directory)
    expect(exit).toBe(1)
    expect(answer).toMatchObject({ calibrated: false, variant: null, refusal: { code: 'log-unreadable' } })
    expect(answer.refusal?.why).toContain(why)
    expect(answer.refusal?.next).toContain('sudo txt-stat')
    expect(answer.pcrs.map(({ index }) => index)).toEqual([13, 17, 18, 19])
    for (const pcr of answer.pcrs) {
      expect(pcr).toMatchObject({ predicted: null, code: 'log-unreadable', components: [] })
      expect(pcr.now).toMatch(/^[0-9a-f]{64}$/)
      expect(pcr.reason).toContain(why)
    }
    const text = await predictText(directory)
    expect(text).toContain('nothing is predicted for the next boot')
    expect(text).toContain(`why: ${answer.refusal?.why.slice(0, 60)}`)
    expect(text).toContain(
      why.includes('/dev/mem') ? 'next: see as root what' : 'next: see that the AEM entry was booted',
    )
  })

  it('predicts nothing on TPM 1.2 either', async () => {
    const machine = aemDom0().forgetting('/sys/class/tpm').withTpm12()
    const { exit, answer } = await predictJson(machine.write())
    expect(exit).toBe(1)
    expect(answer.pcrs.map(({ bank, predicted }) => [bank, predicted])).toEqual(
      Array.from({ length: 4 }, () => ['sha1', null]),
    )
  })
})

const KERNEL = '6.6.36-1.qubes.fc37.x86_64'
const INITRAMFS = 'initramfs of the tests'
const AEM_UUID = '6d2f1c8e-5b0a-4f0e-9a57-3f4c1f0a9d11'
const MENU = grubConfigOfDom0({ flavour: 'trenchboot', sinit: ['SINIT.BIN'] })
/** What GRUB hands to the kernel by that file, without the word that Xen drops. */
const KERNEL_LINE = bootConcretely(MENU, {
  uuid: AEM_UUID,
  platform: 'pc',
  files: { '/grub2/grubenv': writeGrubEnvironment(), '/aem/': '' },
})
  .loads.map(({ words }) => words.join(' '))
  .find((line) => line.includes('/vmlinuz-'))!
  .replace(/^.* placeholder /, '')
const BEFORE_BOOT = 1720000000 // 2024-07-03
const SINCE_BOOT = 1721131200 // 2024-07-16
const ADDRESS = 0x9d000000
const SIZE_BYTES = 0x8000

/** What a TrenchBoot launch of this machine extends: code to 17, data to 18 (TrenchBoot/xen aem-4.17.4, slaunch.c). */
function eventsOf(kernel: string, multibootInfo = 'multiboot information'): WrittenEvent[] {
  return [
    { pcr: 17, type: 0x402, content: 'SINIT' },
    { pcr: 17, type: 0x404, content: 'Xen as it lies in memory' },
    { pcr: 18, type: 0x502, content: multibootInfo },
    { pcr: 18, type: 0x502, content: 'Intel info entry' },
    { pcr: 17, type: 0x502, content: kernel },
    { pcr: 17, type: 0x502, content: INITRAMFS },
  ]
}

type TrenchBoot = {
  tpm?: '1.2' | '2.0'
  kernel?: string
  events?: WrittenEvent[]
  logFile?: boolean
  /** When the package that owns Xen's file was installed, in seconds; left out: nobody can say which owns it. */
  xenInstalledAt?: number
}

/** A TrenchBoot machine that booted these events; the kernel on its device may be another since. */
function trenchBootDom0({
  tpm = '2.0',
  kernel = 'MZ kernel\n',
  events = eventsOf('MZ kernel\n'),
  logFile,
  xenInstalledAt,
}: TrenchBoot = {}) {
  const algorithms = tpm === '2.0' ? ALGORITHMS.slice(0, 2) : ALGORITHMS.slice(0, 1)
  const log =
    tpm === '2.0'
      ? writeAgileLog(events, algorithms, SIZE_BYTES - writeAgileLog(events, algorithms, 0).length)
      : writeTxtContainer(events, false, SIZE_BYTES)
  const values = registersOf(events, algorithms)[tpm === '2.0' ? 'sha256' : 'sha1'] ?? {}
  const pcrs = {
    13: digestOf(ALGORITHMS[1]!, 'LUKS').toString('hex'),
    17: values[17] ?? '',
    18: values[18] ?? '',
  }
  const machine = aemDom0()
    .withTrenchBoot()
    .without('/usr/sbin/txt-stat')
    // tboot is installed beside it, since before this boot: it says nothing of the Xen that is launched here.
    .withPackage('tboot', '1:1.10.5-2.fc37', BEFORE_BOOT)
    .forgetting('/sys/class/tpm')
    .withFile('/proc/cmdline', `${KERNEL_LINE}\n`)
    .withFile('/boot/grub2/grub.cfg', MENU)
    .withFile('/boot/grub2/grubenv', writeGrubEnvironment())
    .without('/boot/grub2/user.cfg', '/boot/grub2/custom.cfg', '/sys/firmware/efi')
    .withFile(`/boot/vmlinuz-${KERNEL}`, kernel)
    .withFile(`/boot/initramfs-${KERNEL}.img`, INITRAMFS)
    .withFile('/boot/SINIT.BIN', 'SINIT')
    .answering(
      'xl-dmesg',
      {},
      {
        stdout: `(XEN) Xen version 4.17.4\n(XEN) SLAUNCH: reserving event log (0x${ADDRESS.toString(16)} - 0x${(ADDRESS + SIZE_BYTES).toString(16)})\n`,
      },
    )
    .answering(
      'memory-read',
      { address: String(ADDRESS), sizeBytes: String(SIZE_BYTES) },
      { stdout: logFile ? { file: 'event-log.bin' } : log.toString('latin1') },
    )
  if (xenInstalledAt !== undefined) {
    const owner = ['xen-hypervisor', '2001:4.17.4-3.fc37', 'x86_64', xenInstalledAt, '(none)'].join('\t')
    machine.answering('rpm-owner', { path: '/boot/xen-4.17.4.gz' }, { stdout: `${owner}\n` })
  }
  const sinit = { kind: 'file', sizeBytes: 5, mtimeMs: BEFORE_BOOT * 1000, mode: 0o644 }
  machine.extra.stats = { '/boot/SINIT.BIN': sinit }
  const directory = (tpm === '2.0' ? machine.withTpm20(pcrs) : machine.withTpm12(pcrs)).write()
  if (logFile) writeFileSync(join(directory, 'event-log.bin'), log)
  return { directory, pcrs, log }
}

/** The baseline of the boot before, written from what that boot extended. */
function baselineOf(events: readonly WrittenEvent[], pcrs: Record<number, string>) {
  const roles = ['platform', 'xen', 'other', 'other', 'kernel', 'initramfs'] as const
  const paths: Record<string, string> = {
    kernel: `/vmlinuz-${KERNEL}`,
    initramfs: `/initramfs-${KERNEL}.img`,
  }
  return aSession({
    step: 'check-boot',
    expectation: {
      bulletins: [],
      bulletinPcrs: [],
      mayChange: [17, 18],
      changedPackages: [],
      downgrades: [],
      xenBuildId: null,
      deviceUuid: AEM_UUID,
    },
    baseline: aBaseline({
      takenAt: '2024-07-15T09:00:00Z',
      bootId: 'boot-0',
      bootTime: '2024-07-15T07:00:00.000Z',
      selectedPcrs: [13, 17, 18],
      pcrs: { sha256: pcrs },
      kernelCommandLine: KERNEL_LINE,
      components: events.map((event, at) => ({
        role: roles[at] ?? 'other',
        path: paths[roles[at] ?? ''] ?? null,
        commandLine: null,
        pcr: event.pcr,
        digests: { sha256: digestOf(ALGORITHMS[1]!, event.content).toString('hex') },
      })),
    }),
  })
}

describe('TrenchBoot on a recorded machine', () => {
  it.each(['2.0', '1.2'] as const)(
    'is detected, its log read, and nothing guessed, on TPM %s',
    async (tpm) => {
      const { directory } = trenchBootDom0({ tpm })
      const status = await runMain(['status', '--json', '--machine', directory])
      expect(status.json).toMatchObject({
        aem: { flavour: 'trenchboot', tpm, measured: true, selectedPcrs: [13, 17, 18] },
      })
      const { exit, answer } = await predictJson(directory)
      expect(exit).toBe(1)
      expect(answer).toMatchObject({
        calibrated: true,
        variant: null,
        entry: { title: 'AEM Qubes, with Xen hypervisor' },
      })
      expect(answer.pcrs.map(({ index, code, predicted }) => [index, code, predicted])).toEqual([
        [13, expect.any(String), null],
        [17, 'trenchboot-mle', null],
        [18, 'trenchboot-multiboot-info', null],
      ])
      expect(answer.pcrs[2]?.reason).toContain('multiboot information')
      const text = await predictText(directory)
      expect(text).toContain('multiboot information')
      expect(text).toContain('use hold for this restart')
    },
  )

  it('a Xen whose hash cannot be computed is that of this boot where its package is as old, and not where it came since', async () => {
    const row17 = async (xenInstalledAt?: number) => {
      const { directory, pcrs } = trenchBootDom0(xenInstalledAt === undefined ? {} : { xenInstalledAt })
      const row = (await predictJson(directory)).answer.pcrs.find(({ index }) => index === 17)
      return { code: row?.code, predicted: row?.predicted, now: pcrs[17] }
    }
    const old = await row17(BEFORE_BOOT)
    expect(old).toMatchObject({ code: null, predicted: old.now })
    expect(await row17(SINCE_BOOT)).toMatchObject({ code: 'trenchboot-mle', predicted: null })
    expect(await row17()).toMatchObject({ code: 'trenchboot-mle', predicted: null })
  })

  it('a log recorded as a file of bytes is the same log', async () => {
    const { directory, log } = trenchBootDom0({ logFile: true })
    expect(readFileSync(join(directory, 'event-log.bin')).equals(log)).toBe(true)
    expect((await predictJson(directory)).answer.calibrated).toBe(true)
  })

  it("tboot's package beside it does not hide the event log", async () => {
    const { directory } = trenchBootDom0()
    const commands = JSON.parse(readFileSync(join(directory, 'commands.json'), 'utf8')) as object[]
    const txtStat = { argv: ['/usr/sbin/txt-stat'], stdout: 'ERROR: unable to find TBOOT log\n' }
    writeFileSync(join(directory, 'commands.json'), JSON.stringify([...commands, txtStat]))
    expect((await predictJson(directory)).answer.calibrated).toBe(true)
  })

  it('a log that does not lead to the registers is refused', async () => {
    const { directory } = trenchBootDom0()
    const lie = trenchBootDom0({ events: eventsOf('another kernel') })
    const commands = readFileSync(join(lie.directory, 'commands.json'))
    writeFileSync(join(directory, 'commands.json'), commands)
    expect((await predictJson(directory)).answer).toMatchObject({
      calibrated: false,
      refusal: { code: 'log-unfaithful' },
    })
  })

  async function explain(now: TrenchBoot, before: WrittenEvent[]) {
    const { directory, pcrs } = trenchBootDom0(now)
    const old = registersOf(before, ALGORITHMS.slice(0, 2)).sha256 ?? {}
    const state = temporaryDirectory()
    const values = { 13: pcrs[13], 17: old[17] ?? '', 18: old[18] ?? '' }
    writeFileSync(join(state, 'session.json'), JSON.stringify(baselineOf(before, values)))
    const run = await runMain(['explain', '--json', '--machine', directory, '--state-dir', state])
    if (run.exit !== 4 && run.exit !== 0)
      throw new Error(`explain ended with ${run.exit}: ${run.stdout}${run.stderr}`)
    const answer = run.json as {
      verdict: string
      pcrs: { index: number; change: string }[]
      reasons: { pcr?: number; what: string; isBlocking: boolean }[]
    }
    return {
      exit: run.exit,
      ...answer,
      blocking: answer.reasons.filter(({ isBlocking, pcr }) => isBlocking && pcr !== undefined),
    }
  }

  it('a change is traced by the event log: the module is named, the multiboot information is no excuse', async () => {
    const before = eventsOf('MZ kernel\n')
    const evil = { kernel: 'MZ evil\n', events: eventsOf('MZ evil\n', 'multiboot information, moved') }
    const { exit, verdict, pcrs, blocking } = await explain(evil, before)
    expect([exit, verdict]).toEqual([4, 'unexplained'])
    expect(pcrs.map(({ index, change }) => [index, change])).toEqual([
      [13, 'none'],
      [17, 'unexpected'],
      [18, 'unexpected'],
    ])
    const words = blocking.map(({ what }) => what).join('\n')
    expect(words).toMatch(/the dom0 kernel \/vmlinuz-\S+ belongs to no package/)
    expect(words).not.toContain('initramfs-')
    expect(words).toContain('the boot information that TrenchBoot measures')
  })
})
