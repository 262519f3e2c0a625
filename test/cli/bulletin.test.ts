import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeMemoryStore } from '../../src/act/memory-store.ts'
import type { Bulletin } from '../../src/core/bulletin/bulletin.ts'
import type { FoundBulletin, GivenBulletin } from '../../src/core/bulletin/given-bulletin.ts'
import { EXIT, Failure } from '../../src/core/failure.ts'
import { confirmUpdate } from '../../src/flow/steps/confirm-update.ts'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { checkLines, givenLines, otherBulletinLines } from '../../src/messages/bulletins.ts'
import { checkBulletins } from '../../src/observe/bulletin/check-bulletins.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { bulletinOf, CORPUS, fileOf, parseText, textOf } from '../core/bulletin/corpus.ts'
import { ANSWERS } from '../support/answers.ts'
import { aSession, RUN_OPTIONS } from '../support/built-in.ts'
import { runMain } from '../support/io.ts'
import type { RecordedDom0 } from '../support/recorded-machine.ts'
import { machineOfRelease } from '../support/release-machines.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** A dom0 of Qubes 4.2 in summer 2024, Xen as given, installed before the start unless said otherwise. */
function summer2024(xen: string, running = '4.17.4-3', installed = '2024-07-01'): RecordedDom0 {
  return machineOfRelease({
    release: '4.2',
    now: '2024-07-20T10:00:00Z',
    booted: '2024-07-10T08:00:00Z',
    runningXen: running,
    xen: [xen, installed],
    runningKernel: '6.6.36-1.qubes',
    packages: {
      kernel: [['6.6.36-1.qubes', '2024-07-01']],
      'kernel-qubes-vm': [['6.6.36-1.qubes', '2024-07-01']],
      microcode_ctl: [['2.1-57.qubes1', '2024-03-20']],
      'linux-firmware': [['20240410-1', '2024-05-01']],
      'amd-ucode-firmware': [['20240410-1', '2024-05-01']],
      dracut: [['059-4', '2023-12-20']],
    },
  })
}

/** The bulletin with its keys and some of its signatures; `edit` alters the text. */
function copyOf(id: number, signers: readonly string[], edit?: (text: string) => string): string {
  const directory = temporaryDirectory()
  const name = fileOf(id)
  mkdirSync(join(directory, 'keys'))
  for (const key of readdirSync(join(CORPUS, 'keys')))
    copyFileSync(join(CORPUS, 'keys', key), join(directory, 'keys', key))
  for (const signer of signers)
    copyFileSync(`${CORPUS}${name}.sig.${signer}`, join(directory, `${name}.sig.${signer}`))
  writeFileSync(join(directory, name), edit ? edit(textOf(id)) : textOf(id))
  return join(directory, name)
}

const kernelLine = (name: string, evr: string, at = '2024-07-01T15:00:00Z'): string =>
  `${name}\t1000:${evr}.fc37\tx86_64\t${Date.parse(at) / 1000}\tRSA/SHA256, Mon Jul  1 15:00:00 2024, Key ID e022e58f8e34d89f\n`

const words = (text: string): string => text.replaceAll(/\s*\n[ ▲]*/g, ' ')

describe('bulletin check FILE', () => {
  const SIGNERS = ['marmarek', 'simon']
  const check = (file: string, xen: string, ...more: string[]) =>
    runMain(['bulletin', 'check', file, '--machine', summer2024(xen, xen).write(), ...more])

  it('is used without a word when both signatures are good', async () => {
    const { exit, stdout } = await check(copyOf(103, SIGNERS), '4.17.4-4')
    expect(exit).toBe(0)
    expect(stdout).toMatch(/^✔ met/)
    expect(stdout).not.toContain('signature')
  })

  it('says so when one of the two signatures is missing', async () => {
    const file = copyOf(103, ['simon'])
    const { exit, stdout } = await check(file, '4.17.4-3')
    expect(exit).toBe(1)
    expect(words(stdout)).toContain(
      'Only one valid signature of QSB-103 is here, and there should be two. Copy the bulletin with both .sig files',
    )
    const { json } = await check(file, '4.17.4-3', '--json')
    expect(ANSWERS['bulletin-list'].parse(json).signatures?.map(({ status }) => status)).toEqual([
      'good',
      'missing',
    ])
  })

  it.each([
    ['an altered text', () => copyOf(103, SIGNERS, (text) => text.replace('4.17.4-4', '4.17.4-3'))],
    ['no signature', () => copyOf(103, [])],
  ])('decides nothing with %s', async (_, make) => {
    const { exit, json } = await check(make(), '4.17.4-3', '--json')
    expect(exit).toBe(1)
    expect(json).toMatchObject({ error: { code: 'bulletin-not-verified' } })
  })
})

describe('a later text of a bulletin of the catalogue', () => {
  const found = (text: string, approval: FoundBulletin['approval'] = 'approved'): FoundBulletin => ({
    bulletin: parseText(text),
    signatures: [],
    approval,
    file: null,
  })
  const dated = (text: string): string => text.replace('2024-07-16', '2024-09-01')
  const answerOf = async (text: string, xen: string) =>
    checkBulletins(observeDom0(await makeRecordedHost(summer2024(xen).write(), null)), found(dated(text)))

  it('does not lower the demand, and both are said', async () => {
    const answer = await answerOf(textOf(103).replace('4.17.4-4', '4.17.4-3'), '4.17.4-3')
    expect(answer.check).toMatchObject({ verdict: 'unmet', exit: EXIT.attention, because: [103] })
    expect(answer.list.bulletins[0]?.date).toBe('2024-09-01')
    expect(answer.lowered).toEqual([{ name: 'Xen packages', catalogue: '4.17.4-4', file: '4.17.4-3' }])
    const said = givenLines(found(textOf(103)), answer.lowered)
      .map(({ text }) => text)
      .join('\n')
    expect(words(said)).toContain(
      'the higher demand stays in force: Xen packages: the file 4.17.4-3, the catalogue 4.17.4-4',
    )
  })

  it('does not take a release back either', async () => {
    const silent = textOf(103).replace(/ {2}For Qubes 4\.2, in dom0:\n.*\n/, '')
    const answer = await answerOf(silent, '4.17.4-3')
    expect(answer.check.exit).toBe(EXIT.attention)
    expect(answer.lowered).toEqual([{ name: 'Xen packages', catalogue: '4.17.4-4', file: null }])
  })

  it('raises it', async () => {
    const answer = await answerOf(textOf(103).replace('4.17.4-4', '4.17.4-5'), '4.17.4-4')
    expect(answer.check).toMatchObject({ verdict: 'unmet' })
    expect(answer.lowered).toEqual([])
  })

  it('is not even compared with dom0 when it does not verify', async () => {
    const host = await makeRecordedHost(summer2024('4.17.4-4').write(), null)
    await expect(checkBulletins(observeDom0(host), found(textOf(103), 'refused'))).rejects.toBeInstanceOf(
      Failure,
    )
  })
})

describe('a bulletin newer than the catalogue', () => {
  /** The text of 103 with another number, date and packages for Qubes 4.2. */
  const text117 = (packages: string): string =>
    textOf(103)
      .replace('Bulletin 103', 'Bulletin 117')
      .replace('2024-07-16', '2026-09-01')
      .replace('Xen packages, version 4.17.4-4', packages)
  const answerOf = async (
    packages: string,
    xen = '4.17.4-4',
    approval: FoundBulletin['approval'] = 'approved',
  ) =>
    checkBulletins(observeDom0(await makeRecordedHost(summer2024(xen, xen).write(), null)), {
      bulletin: parseText(text117(packages)),
      signatures: [],
      approval,
      file: 'qsb-117-2026.txt',
    })
  const saidOf = (answer: Awaited<ReturnType<typeof answerOf>>): string =>
    words(
      checkLines(answer)
        .map(({ text }) => text)
        .join('\n'),
    )

  it.each([
    ['Xen packages, version 4.17.4-4', 'met', 0],
    ['Xen packages, version 4.17.7-1', 'unmet', 1],
    ['Linux kernel packages (kernel*-qubes-vm), versions 6.12.90,\n    6.6.36, 6.1.175', 'met', 0],
    ['Linux kernel packages (kernel*-qubes-vm), versions 6.12.90,\n    6.6.37, 6.1.175', 'unmet', 1],
    ['Linux kernel packages, versions 6.12.90, 6.1.175', 'unknown', 1],
    ['microcode_ctl, version 2.1-58.qubes1', 'unmet', 1],
    ['screen-locker, version 1.0-1', 'unknown', 1],
  ] as const)('%s: %s', async (packages, verdict, exit) => {
    const answer = await answerOf(packages)
    expect(answer.check).toMatchObject({ verdict, exit })
    expect(answer.list.bulletins.map(({ id, date }) => [id, date])).toEqual([[117, '2026-09-01']])
    expect(answer.list.catalogue.newest).toBe(116)
  })

  it('is the normal case: nothing is said against it', async () => {
    const said = saidOf(await answerOf('Xen packages, version 4.17.4-4'))
    expect(said).toMatch(/^✔ met: the packages are installed and in effect/)
    expect(said).not.toMatch(/error|newer than/)
  })

  it('says which kernel it does not list', async () => {
    expect(saidOf(await answerOf('Linux kernel packages, versions 6.12.90, 6.1.175'))).toContain(
      'QSB-117  2026-09-01  not known: kernel 6.6.36-1.qubes.fc37 is of a series that it does not list; 6.12.90 would do',
    )
  })
})

describe('packages that are not there yet', () => {
  it('are looked for in the stable repository, then in security-testing, by the documented commands', async () => {
    const machine = summer2024('4.17.4-3').write()
    const { exit, stdout } = await runMain(['bulletin', 'check', '103', '--machine', machine])
    expect(exit).toBe(1)
    expect(words(stdout)).toContain(
      'next: install them: `sudo qubes-dom0-update`. If that does not offer them and the bulletin is no older than some two weeks, they are still in the security-testing repository: `sudo qubes-dom0-update --enablerepo=qubes-dom0-security-testing`. If it is older, something keeps updates from dom0',
    )
    expect(stdout).not.toContain('not there at all')
    // The command of the bulletins' own text (33 to 67).
    expect(textOf(67).replaceAll(/\s+/g, ' ')).toContain('--enablerepo=qubes-dom0-security-testing')
  })
})

/** qvm-pci and lspci as the release prints them; see test/core/bulletin/exposure.test.ts for where the forms are from. */
const MULTI = '00:14.0 USB controller: x\n\tCapabilities: [80] MSI: Enable+ Count=1/8 Maskable- 64bit+\n'
const SINGLE = 'aa:00.0 Network controller: y\n\tCapabilities: [d0] MSI: Enable- Count=1/1 Maskable- 64bit+\n'
const OLD_LIST =
  'dom0:00_14.0  USB controller: Intel x        sys-usb (no-strict-reset=True)\ndom0:00_14.3  Network controller: Intel y  sys-net\n'
const REFUSED = { exit: 2, stderr: '' as string }

describe('a package that is not there at all', () => {
  it('is installed by name, as an update does not bring it; not every processor needs it', async () => {
    const machine = summer2024('4.17.6-6').forgetting('amd-ucode-firmware')
    const absent = { exit: 1, stdout: 'package amd-ucode-firmware is not installed\n' }
    const directory = machine.answering('rpm-query', { names: 'amd-ucode-firmware' }, absent).write()
    const { exit, stdout } = await runMain(['bulletin', 'check', '108', '--machine', directory])
    expect(exit).toBe(1)
    expect(words(stdout)).toContain('NOT MET: amd-ucode-firmware 20250708-1 wanted, none here')
    expect(words(stdout)).toContain(
      'amd-ucode-firmware is not there at all: `sudo qubes-dom0-update amd-ucode-firmware`, which only machines with a processor by AMD need.',
    )
  })
})

describe('what is started before the update', () => {
  it('is qubes for QSB-92: dom0 need not be restarted for it', async () => {
    const machine = summer2024('4.17.4-4')
      .forgetting(' kernel-qubes-vm')
      .answering(
        'rpm-query',
        { names: 'kernel-qubes-vm' },
        { stdout: kernelLine('kernel-qubes-vm', '6.6.36-1.qubes', '2024-07-15T15:00:00Z') },
      )
      .write()
    const { exit, stdout } = await runMain(['bulletin', 'check', '92', '--machine', machine])
    expect(exit).toBe(EXIT.waitingForRestart)
    expect(stdout).toContain('▲ met; what was started before the update still runs without it')
    expect(stdout).toContain('met, qubes that ran before the update have to be restarted')
    expect(stdout).not.toContain('dom0 was restarted')
    const { json } = await runMain(['bulletin', 'check', '92', '--json', '--machine', machine])
    expect(ANSWERS['bulletin-list'].parse(json).bulletins).toMatchObject([
      { restartDue: null, restart: 'vms' },
    ])
  })
})

describe('exposure to QSB-103', () => {
  const rowsOf = async (machine: RecordedDom0) => {
    const { json } = await runMain(['bulletin', 'check', '103', '--json', '--machine', machine.write()])
    return ANSWERS['bulletin-list'].parse(json).exposure
  }
  const wordsOf = async (machine: RecordedDom0) =>
    (await runMain(['bulletin', 'check', '103', '--machine', machine.write()])).stdout
  const usb = { address: '0000:00:14.0' }
  const wifi = { address: '0000:00:14.3' }
  const wifiBehindBridge = { address: '0000:aa:00.0' }
  const unmet = () => summer2024('4.17.4-3')

  it('by the listing of Qubes 4.1 and 4.2, where qvm-pci has no addresses', async () => {
    const machine = unmet()
      .answering('pci-devices-sbdf', {}, REFUSED)
      .answering('pci-devices', {}, { stdout: OLD_LIST })
      .answering('pci-details', usb, { stdout: MULTI })
      .answering('pci-details', wifi, { stdout: SINGLE })
    expect(await rowsOf(machine)).toEqual([
      { device: 'dom0:00_14.0', qube: 'sys-usb', vectors: 8, exposed: true },
      { device: 'dom0:00_14.3', qube: 'sys-net', vectors: 1, exposed: false },
    ])
    expect(await wordsOf(machine)).toMatch(/dom0:00_14\.0 +sys-usb +8 +EXPOSED/)
  })

  const with43 = () =>
    unmet()
      .answering(
        'pci-devices-sbdf',
        {},
        {
          stdout:
            'dom0:00_14.0          0000:00:14.0  PCI_USB: Intel x\ndom0:00_1d.0-00_00.0  0000:aa:00.0  Network: Intel y  sys-net (attached)\n',
        },
      )
      .answering('pci-details', usb, { stdout: MULTI })
      .answering('pci-details', wifiBehindBridge, { stdout: SINGLE })

  it('by that of Qubes 4.3, with the devices of qubes that are switched off', async () => {
    const machine = with43().answering(
      'pci-assignments',
      {},
      {
        stdout:
          'dom0:00_14.0          0x8086:0xa0ed::p0c0330  *sys-usb (required)\ndom0:00_14.0          PCI_USB: Intel x\ndom0:00_1d.0-00_00.0  Network: Intel y        sys-net (attached)\n',
      },
    )
    expect(await rowsOf(machine)).toEqual([
      { device: 'dom0:00_14.0', qube: 'sys-usb', vectors: 8, exposed: true },
      { device: 'dom0:00_1d.0-00_00.0', qube: 'sys-net', vectors: 1, exposed: false },
    ])
  })

  it('is not ruled out where the assignments could not be read', async () => {
    const machine = with43()
    expect(await rowsOf(machine)).toEqual([
      { device: 'dom0:00_1d.0-00_00.0', qube: 'sys-net', vectors: 1, exposed: false },
      { device: null, qube: null, vectors: null, exposed: null },
    ])
    const said = await wordsOf(machine)
    expect(said).toContain('not everything could be seen, so nothing is ruled out')
    expect(said).not.toContain('no qube has a device')
  })

  it.each([
    ['a line of another form', `${OLD_LIST}something else\n`],
    ['a path without an address', 'dom0:00_1d.0-00_00.0  Network: Intel y  sys-net\n'],
  ])('is not ruled out by %s', async (_, stdout) => {
    const machine = unmet()
      .answering('pci-devices-sbdf', {}, REFUSED)
      .answering('pci-devices', {}, { stdout })
      .answering('pci-details', usb, { stdout: SINGLE })
      .answering('pci-details', wifi, { stdout: SINGLE })
    expect((await rowsOf(machine))?.at(-1)?.exposed).toBeNull()
    expect(await wordsOf(machine)).toContain('nothing is ruled out')
  })

  it.each([
    ['qvm-pci was not asked', () => unmet()],
    [
      'qvm-pci fails',
      () => unmet().answering('pci-devices-sbdf', {}, { exit: 1 }).answering('pci-devices', {}, { exit: 1 }),
    ],
    [
      'it lists nothing',
      () => unmet().answering('pci-devices-sbdf', {}, REFUSED).answering('pci-devices', {}, {}),
    ],
  ])('is not known where %s', async (_, make) => {
    expect(await rowsOf(make())).toBeNull()
    const said = words(await wordsOf(make()))
    expect(said).toContain('whether a qube is exposed is not known')
    expect(said).toContain('the update is wanted all the same')
  })

  const exposedOn = (machine: RecordedDom0) =>
    machine
      .answering('pci-devices-sbdf', {}, REFUSED)
      .answering('pci-devices', {}, { stdout: OLD_LIST })
      .answering('pci-details', usb, { stdout: MULTI })
      .answering('pci-details', wifi, { stdout: SINGLE })

  it.each([
    ['not met', () => unmet(), /sys-usb +8 +EXPOSED/, 'the update is wanted whatever this table says'],
    [
      'met and not restarted',
      () => summer2024('4.17.4-4', '4.17.4-3', '2024-07-19'),
      /sys-usb +8 +EXPOSED/,
      'the restart is wanted whatever this table says',
    ],
    ['met', () => summer2024('4.17.4-4', '4.17.4-4'), /sys-usb +8 +yes/, 'the fix is in effect'],
  ] as const)('says what is still wanted: %s', async (_, machine, row, conclusion) => {
    const said = await wordsOf(exposedOn(machine()))
    expect(said).toMatch(row)
    expect(said).toContain(conclusion)
  })

  it('is not asked about any other bulletin', async () => {
    const { stdout } = await runMain(['bulletin', 'check', '102', '--machine', unmet().write()])
    expect(stdout).not.toContain('exposed')
  })
})

describe('the wizard', () => {
  /** The step on the machine of Qubes 4.2; Xen came after the start. */
  async function confirm(
    bulletin: GivenBulletin | null,
    answers: Record<string, string> = { '*': 'yes' },
    machine = summer2024('4.17.4-4', '4.17.4-3', '2024-07-19'),
  ) {
    const host = await makeRecordedHost(machine.write(), null)
    const ui = makeScriptedUi(answers)
    const report = await confirmUpdate({
      host,
      dom0: observeDom0(host),
      ui,
      store: makeMemoryStore(ui),
      options: { ...RUN_OPTIONS, bulletin },
      session: aSession(),
      simulateRestart: null,
    })
    const details = (report.message.details ?? []).map(({ text }) => text).join('\n')
    return { report, details: words(details), said: words(ui.said.join('\n')) }
  }
  const given = (bulletin: Bulletin, approval: GivenBulletin['approval']): GivenBulletin => ({
    bulletin,
    approval,
    file: null,
  })

  it('says calmly what is left for a later update, and how to take it along', async () => {
    const { said } = await confirm(null)
    expect(said).toContain(
      'Left for a later update: QSB-115, QSB-114, QSB-113, QSB-112 and 5 more. This update is complete without them: go on.',
    )
    expect(said).toContain(
      'Ctrl-C (nothing has been changed), run `sudo qubes-dom0-update`, then `aem-reseal start` again',
    )
    expect(said).not.toMatch(/not met/i)
  })

  it('says nothing of that where nothing is left', () => {
    const met = {
      id: 103,
      date: '2024-07-16',
      met: true,
      restartDue: true,
      restart: 'dom0',
      missing: [],
      metThrough: [],
    } as const
    expect(otherBulletinLines([met])).toEqual([])
    const unknown = otherBulletinLines([met, { ...met, id: 102, met: null, restartDue: null }])
    expect(unknown.map(({ text }) => text).join(' ')).toContain('Not known whether met: QSB-102')
  })

  it('says that one signature is missing, and widens nothing by such a file', async () => {
    const wider = parseText(textOf(103).replace('PCR18+19', 'PCR13+17+18+19'))
    const { report, details } = await confirm(given(wider, 'single'))
    expect(details).toContain('Only one valid signature of QSB-103')
    expect(report.session?.expectation?.bulletinPcrs).toEqual([18, 19])
  })

  it('does not look at a bulletin that does not verify', async () => {
    const foreign: Bulletin = { ...bulletinOf(103), id: 117 }
    const { report } = await confirm(given(foreign, 'refused'))
    expect(report.outcome).toBe('not-verified')
    expect(report.message.what).toContain('does not verify')
    expect(report.facts.bulletin).toBeNull()
    expect(report.session?.expectation?.bulletins).not.toContain(117)
  })

  it('names the chosen bulletin where it is not met, not the one that waits for the restart', async () => {
    const { report } = await confirm(given(bulletinOf(115), 'built-in'))
    expect(report.outcome).toBe('unmet')
    expect(report.message.what).toMatch(/^QSB-115 is not met: xen-hypervisor 4\.17\.6-6 wanted, /)
  })

  it('says why it is not known whether the chosen one is met, and what to do', async () => {
    const machine = summer2024('4.17.4-4')
      .forgetting(' kernel-latest-qubes-vm')
      .answering(
        'rpm-query',
        { names: 'kernel-latest-qubes-vm' },
        { stdout: kernelLine('kernel-latest-qubes-vm', '6.3.12-1.qubes') },
      )
    const { report } = await confirm(given(bulletinOf(92), 'built-in'), undefined, machine)
    expect(report.outcome).toBe('unknown')
    expect(report.message.what).toBe(
      'whether QSB-092 is met is not known: kernel-latest-qubes-vm 6.3.12-1.qubes.fc37 is of a series that it does not list; 6.4.8 would do',
    )
    expect(report.message.next).toContain('`sudo qubes-dom0-update`')
  })

  it('says when the named bulletin asks nothing of this release', async () => {
    const { report } = await confirm(given(bulletinOf(116), 'built-in'))
    expect(report.outcome).toBe('unknown')
    expect(report.message.what).toContain('QSB-116 asks nothing of dom0 in Qubes 4.2')
  })
})

describe('what a release that is not known is told', () => {
  it('does not blame the packages', () => {
    const list = {
      release: '4.4',
      releaseKnown: false,
      laterReleasesOnly: [],
      catalogue: { newest: 116, date: '2026-07-28' },
      bulletins: [],
    }
    const check = { verdict: 'unknown', exit: EXIT.attention, because: [] } as const
    const lines = checkLines({ list, asked: null, check, lowered: [], exposure: null }).map(
      ({ text }) => text,
    )
    expect(lines.join(' ')).not.toContain('packages could not be looked up')
    expect(lines.join(' ')).toContain('install a newer aem-reseal')
  })
})
