import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type * as z from 'zod'
import { startSession } from '../../src/core/session/checkpoint.ts'
import { ANSWERS } from '../support/answers.ts'
import { aSession } from '../support/built-in.ts'
import { runMain } from '../support/io.ts'
import {
  aemDom0,
  buildIdOf,
  INTERNAL_UUID,
  launchedPcrs,
  RecordedDom0,
  STICK_UUID,
} from '../support/recorded-machine.ts'

type Status = z.infer<typeof ANSWERS.status>

async function statusOf(machine: RecordedDom0): Promise<Status> {
  const run = await runMain(['status', '--json', '--machine', machine.write()])
  expect(run.stderr).toBe('')
  expect(run.exit).toBe(0)
  return ANSWERS.status.parse(run.json)
}

describe('status --json', () => {
  it('on TPM 2.0, sealed for another boot', async () => {
    expect(await statusOf(aemDom0())).toEqual({
      qubes: { release: '4.2' },
      protection: { state: 'at-risk', reasons: expect.any(Array) },
      aem: {
        installed: true,
        version: '4.2.0',
        flavour: 'tboot',
        tpm: '2.0',
        selectedPcrs: [13, 17, 18, 19],
        selection: { state: 'read', line: null, text: null, reason: null },
        badPcrs: [],
        bootedWithAem: true,
        measured: true,
        devices: [
          {
            suffix: '',
            label: 'aem',
            uuid: INTERNAL_UUID,
            slot: 0,
            present: true,
            bootFiles: 'current',
            changedFiles: [],
            sealed: true,
            sealedFor: 'other',
            lastVerified: null,
            known: true,
            sharesSlotWith: [],
            work: null,
          },
        ],
      },
      xen: {
        running: { version: '4.17.4', buildId: buildIdOf('4.17.4-3') },
        installed: { evr: '2001:4.17.4-3.fc37', buildId: buildIdOf('4.17.4-3') },
        pendingRestart: false,
      },
      session: null,
      held: null,
      sinceApproved: null,
      deviceList: { state: 'absent', detail: null, approvedAt: null },
      malformedTrustedKeys: null,
      trustedKeysUnread: null,
      updates: null,
      notice: null,
      next: { command: 'aem-reseal verify', why: expect.any(String) },
    })
  })

  it('names the lines of trusted-keys that trust nobody', async () => {
    const keys = '/etc/aem-reseal/trusted-keys'
    const good = 'ABCD EF01 2345 6789 ABCD  EF01 2345 6789 ABCD EF01 mine'
    const status = await statusOf(aemDom0().withFile(keys, `# mine\n${good}\n1D2B 9F11 old key\n`))
    expect(status.malformedTrustedKeys).toEqual([
      {
        line: 3,
        text: '1D2B 9F11 old key',
        reason: 'it does not begin with a fingerprint of 40 hex digits',
      },
    ])
    expect((await statusOf(aemDom0().withFile(keys, `${good}\n`))).malformedTrustedKeys).toEqual([])
    expect((await statusOf(aemDom0().without(keys))).malformedTrustedKeys).toEqual([])
  })

  it('says them in words, with the next step', async () => {
    const machine = aemDom0().withFile('/etc/aem-reseal/trusted-keys', '\u001b[2Jdeadbeef\n').write()
    const { stdout } = await runMain(['status', '--machine', machine])
    expect(stdout).toContain('/etc/aem-reseal/trusted-keys, line 1')
    expect(stdout).toContain('gpg --fingerprint')
    expect(stdout).not.toContain('\u001b[2J')
  })

  it('on TPM 1.2', async () => {
    const status = await statusOf(aemDom0().forgetting('/sys/class/tpm').withTpm12())
    expect(status.aem).toMatchObject({ tpm: '1.2', measured: true, selectedPcrs: [13, 17, 18, 19] })
  })

  it('on TPM 1.2 under a kernel that does not tell the version', async () => {
    const status = await statusOf(
      aemDom0()
        .forgetting('/sys/class/tpm')
        .withTpm12()
        .forgetting('tpm_version_major')
        .without('/sys/class/tpm/tpm0/tpm_version_major'),
    )
    expect(status.aem.tpm).toBe('1.2')
  })

  it('without a TPM', async () => {
    const status = await statusOf(aemDom0().withoutTpm())
    expect(status.aem).toMatchObject({ tpm: 'none', measured: false })
  })

  it('with TrenchBoot', async () => {
    const status = await statusOf(aemDom0().withTrenchBoot())
    expect(status.aem).toMatchObject({ flavour: 'trenchboot', selectedPcrs: [13, 17, 18] })
  })

  it('with both GRUB scripts says that the flavour is not known', async () => {
    const machine = aemDom0()
    machine.absent = []
    machine.withFile('/etc/grub.d/19_linux_xen_trenchboot', '#! /bin/sh\n')
    expect((await statusOf(machine)).aem.flavour).toBeNull()
  })

  it('where AEM is not installed points to the rehearsal', async () => {
    const machine = aemDom0().forgetting('anti-evil-maid')
    machine.answering(
      'rpm-query',
      { names: 'anti-evil-maid' },
      {
        exit: 1,
        stdout: 'package anti-evil-maid is not installed\n',
      },
    )
    const status = await statusOf(machine)
    expect(status.aem.installed).toBe(false)
    expect(status.next.command).toBe('aem-reseal rehearse')
  })

  it('where rpm is missing, AEM is known by its program', async () => {
    const there = aemDom0().without('/usr/bin/rpm').withFile('/usr/sbin/anti-evil-maid-seal', '')
    expect((await statusOf(there)).aem.installed).toBe(true)
    const notThere = aemDom0().without('/usr/bin/rpm').without('/usr/sbin/anti-evil-maid-seal')
    expect((await statusOf(notThere)).aem.installed).toBe(false)
    const unknown = aemDom0().without('/usr/bin/rpm')
    expect((await statusOf(unknown)).aem.installed).toBeNull()
  })

  it('where another Xen is installed than runs, of the same version', async () => {
    const status = await statusOf(aemDom0().withXen('4.17.4-3', '4.17.4-4'))
    expect(status.xen).toEqual({
      running: { version: '4.17.4', buildId: buildIdOf('4.17.4-3') },
      installed: { evr: '2001:4.17.4-4.fc37', buildId: buildIdOf('4.17.4-4') },
      pendingRestart: true,
    })
    expect(status.next.command).toBe('aem-reseal start')
  })

  it('where another Xen is installed than runs, of another version', async () => {
    const status = await statusOf(aemDom0().withXen('4.17.4-4', '4.17.5-1').forgetting('buildid'))
    expect(status.xen).toMatchObject({ running: { version: '4.17.4', buildId: null }, pendingRestart: true })
  })

  it('where no build id can be read, by the time of the installation', async () => {
    const before = await statusOf(aemDom0().forgetting('buildid'))
    expect(before.xen.pendingRestart).toBe(false)
    const after = await statusOf(aemDom0().withXen('4.17.4-3', '4.17.4-4').forgetting('buildid'))
    expect(after.xen.pendingRestart).toBe(true)
  })

  it('where the stick carries the old Xen', async () => {
    const machine = aemDom0().withXen('4.17.4-4').withStick({ xen: '4.17.4-3' })
    const status = await statusOf(machine)
    expect(
      status.aem.devices.map(({ label, slot, present, bootFiles }) => [label, slot, present, bootFiles]),
    ).toEqual([
      ['aem', 0, true, 'current'],
      ['aem.stick', 1, true, 'stale'],
    ])
    expect(status.next.command).toBe('aem-reseal devices refresh aem.stick')
    expect(status.next.why).toContain('aem.stick')
  })

  it('where the stick is up to date, empty, or not plugged in', async () => {
    const current = await statusOf(aemDom0().withStick())
    expect(current.aem.devices[1]).toMatchObject({ uuid: STICK_UUID, bootFiles: 'current', sealed: true })
    const bare = aemDom0()
      .withStick()
      .forgetting(`devices/${STICK_UUID}`)
      .withFile(`devices/${STICK_UUID}/.keep`, '')
    expect((await statusOf(bare)).aem.devices[1]?.bootFiles).toBe('absent')
    const away = aemDom0().withFile('/var/lib/anti-evil-maid/aem.stick/tpm-freshness-slot', '1\n')
    expect((await statusOf(away)).aem.devices[1]).toMatchObject({
      label: 'aem.stick',
      present: false,
      uuid: null,
      bootFiles: null,
      slot: 1,
    })
  })

  it('names no device that is not an AEM device', async () => {
    const machine = aemDom0()
      .withBlock('/dev/sdb1', 'AEMish', 'aaaa-bbbb', null)
      .withBlock('/dev/sdc1', 'aem bad label', 'aaaa-cccc', null)
      .withBlock('/dev/sdd1', 'aem\u001b[31m', 'aaaa-dddd', null)
      .withBlock('/dev/sde1', 'aem-way-too-long-suffix', 'aaaa-eeee', null)
    expect((await statusOf(machine)).aem.devices.map(({ label }) => label)).toEqual(['aem'])
  })

  it('where the boot was not an AEM boot', async () => {
    const status = await statusOf(aemDom0().bootedWithoutAem().withTpm20({}))
    expect(status.aem).toMatchObject({ bootedWithAem: false, measured: false })
    expect(status.next).toEqual({ command: null, why: expect.stringContaining('AEM entry') })
  })

  it('where no launch was measured', async () => {
    const ones = Object.fromEntries([17, 18, 19].map((index) => [index, 'ff'.repeat(32)]))
    expect((await statusOf(aemDom0().withTpm20(ones))).aem.measured).toBe(false)
  })

  const CAPPED = createHash('sha256').update(Buffer.alloc(32)).update(Buffer.alloc(32, 0xff)).digest('hex')

  it.each([['00'.repeat(32)], ['ff'.repeat(32)], [CAPPED]])(
    'where PCR 17 holds the constant %s: not measured, and something to do',
    async (value) => {
      const status = await statusOf(aemDom0().withTpm20({ ...launchedPcrs(), 17: value }))
      expect(status.aem).toMatchObject({ measured: false, badPcrs: [17] })
      expect(status.next.why).toContain('public constant')
    },
  )

  it.each([['00'.repeat(32)], [CAPPED]])('where a selected register holds the constant %s', async (value) => {
    const status = await statusOf(aemDom0().withTpm20({ ...launchedPcrs(), 19: value }))
    expect(status.aem).toMatchObject({ measured: true, badPcrs: [19] })
    expect(status.next.why).toContain('PCR 19')
    expect(status.next.why).toContain('SEAL')
  })

  it('of an empty register that is not selected says nothing', async () => {
    const status = await statusOf(aemDom0().withTpm20({ ...launchedPcrs(), 20: '00'.repeat(32) }))
    expect(status.aem.badPcrs).toEqual([])
  })

  it('reads a selection that is put together', async () => {
    const text = 'SEAL="--pcr 13"\nexport SEAL="$SEAL --pcr 17 \\\n --pcr 18 --pcr 19"\n'
    const { aem } = await statusOf(aemDom0().withFile('/etc/anti-evil-maid.conf', text))
    expect(aem).toMatchObject({ selectedPcrs: [13, 17, 18, 19], selection: { state: 'read' } })
  })

  it('names the line of a selection that only a shell can read, and never calls that set up or done', async () => {
    const machine = aemDom0().withFile('/etc/anti-evil-maid.conf', '# PCRs\nSEAL="--pcr $(cat /x)"\n')
    const status = await statusOf(machine)
    expect(status.aem).toMatchObject({
      selectedPcrs: [],
      selection: { state: 'not-read', line: 2, text: 'SEAL="--pcr $(cat /x)"', reason: 'it runs a command' },
    })
    expect(status.next.why).toContain('line 2 of /etc/anti-evil-maid.conf')
    const text = (await runMain(['status', '--machine', machine.write()])).stdout
    expect(text.replace(/\s+/g, ' ')).toContain('is not known: line 2 of /etc/anti-evil-maid.conf')
    expect(text).not.toMatch(/nothing to do|not set up/)
  })

  it('tells a selection that is not set from one that could not be read', async () => {
    const unset = await statusOf(aemDom0().withFile('/etc/anti-evil-maid.conf', '# nothing\n'))
    expect(unset.aem.selection.state).toBe('not-set')
    const absent = await statusOf(aemDom0().without('/etc/anti-evil-maid.conf'))
    expect(absent.aem.selection.state).toBe('absent')
  })

  it('of files only gives what the files give', async () => {
    const status = await statusOf(aemDom0().filesOnly().withFile('/var/lib/anti-evil-maid/aem/.keep', ''))
    expect(status.aem).toMatchObject({
      version: null,
      flavour: 'tboot',
      tpm: '2.0',
      bootedWithAem: true,
      measured: true,
    })
    expect(status.xen.running).toEqual({ version: null, buildId: buildIdOf('4.17.4-3') })
    expect(status.xen.installed.evr).toBeNull()
  })

  it('of nothing at all is all null', async () => {
    const status = await statusOf(new RecordedDom0())
    expect(status).toMatchObject({
      qubes: { release: null },
      aem: {
        installed: null,
        version: null,
        flavour: null,
        tpm: null,
        bootedWithAem: null,
        measured: null,
        devices: [],
      },
      xen: {
        running: { version: null, buildId: null },
        installed: { evr: null, buildId: null },
        pendingRestart: null,
      },
      session: null,
    })
  })

  it('of a few commands only gives what they give', async () => {
    const machine = new RecordedDom0()
      .answering('xl-info', {}, { stdout: 'xen_version            : 4.14.6\n' })
      .withPackage('xen-hypervisor', '2001:4.14.6-10.fc32', 1721174400)
    expect((await statusOf(machine)).xen).toEqual({
      running: { version: '4.14.6', buildId: null },
      installed: { evr: '2001:4.14.6-10.fc32', buildId: null },
      pendingRestart: null,
    })
  })

  it('of commands that fail or answer oddly gives null, never a guess', async () => {
    const machine = aemDom0().forgetting('/usr/bin/rpm', '/usr/sbin/xl', 'buildid')
    for (const name of ['xen-hypervisor', 'anti-evil-maid']) {
      machine.answering('rpm-query', { names: name }, { exit: 1, stderr: 'error: rpmdb: damaged header' })
    }
    machine.answering('rpm-files', { name: 'xen-hypervisor' }, { stdout: 'what is this' })
    machine.answering('xl-info', {}, { exit: 1, stderr: 'libxl: error: cannot open libxc handle' })
    const status = await statusOf(machine)
    expect(status.xen.running.version).toBeNull()
    expect(status.xen.installed.evr).toBeNull()
    expect(status.xen.pendingRestart).toBeNull()
  })

  it('tells of the session that is open', async () => {
    const session = { ...aSession(), step: 'restart', protection: 'plain' }
    const machine = aemDom0().withFile('/var/lib/aem-reseal/session.json', JSON.stringify(session))
    const status = await statusOf(machine)
    expect(status.session).toEqual({
      id: session.id,
      flow: 'post-update',
      step: 'restart',
      since: session.since,
      protection: 'plain',
    })
    expect(status.next.command).toBe('aem-reseal resume')
  })

  it('stops with a clear error at a session that cannot be read', async () => {
    const { version: _, ...foreign } = startSession({
      id: 'x',
      now: new Date(0),
      bootId: null,
      flow: 'resume',
    })
    for (const [text, code] of [
      ['{"format": ', 'session-damaged'],
      [JSON.stringify(foreign), 'session-foreign'],
      [JSON.stringify({ ...aSession(), version: 99 }), 'session-newer'],
    ] as const) {
      const machine = aemDom0().withFile('/var/lib/aem-reseal/session.json', text).write()
      const run = await runMain(['status', '--json', '--machine', machine])
      expect(run.json, text).toMatchObject({ error: { code } })
      expect(run.exit).toBe(1)
    }
  })
})

describe('status as text', () => {
  it('says the same in words, one fact a line', async () => {
    const { exit, stdout } = await runMain(['--machine', aemDom0().withXen('4.17.4-3', '4.17.4-4').write()])
    expect(exit).toBe(0)
    expect(stdout).toMatch(/^Qubes OS +4\.2$/m)
    expect(stdout).toMatch(/^Anti Evil Maid +4\.2\.0 \(tboot\)$/m)
    expect(stdout).toMatch(/^restart pending +yes$/m)
    expect(stdout).toMatch(/^next: aem-reseal start$/m)
  })

  it('makes foreign text harmless', async () => {
    const evil = '4.2\u001b]0;owned\u0007\u202egnp.exe\u009b31m'
    const machine = aemDom0().forgetting('/usr/sbin/xl')
    machine.answering('xl-info', {}, { stdout: `xen_version            : ${evil}\n` })
    const text = await runMain(['status', '--machine', machine.write()])
    expect(text.stdout).toContain('<U+001B>')
    expect(text.stdout).toContain('<U+202E>')
    expect(text.stdout).not.toMatch(/[\u001b\u0007\u202e\u009b]/)
    const json = await runMain(['status', '--json', '--machine', machine.write()])
    expect(json.stdout).not.toMatch(/[\u001b\u0007\u202e\u007f-\u009f]/)
    expect((json.json as Status).xen.running.version).toBe(evil)
  })
})

describe('--machine', () => {
  function listing(directory: string): readonly string[] {
    return readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .sort()
      .map((name) => {
        const path = join(directory, name)
        return statSync(path).isFile() ? `${name} ${readFileSync(path).toString('base64')}` : name
      })
  }

  it.each([
    ['start', '--yes', '--restart', 'manual'],
    ['resume', '--yes'],
    ['cancel'],
    ['record', '--out', '/proc/nonexistent/out'],
  ])('%s ends with 1 and writes nothing', async (...argv) => {
    const session = aSession({ baseline: null })
    const directory = aemDom0()
      .withXen('4.17.4-3', '4.17.4-4')
      .withFile('/var/lib/aem-reseal/session.json', JSON.stringify(session))
    if (argv[0] === 'start') directory.forgetting('session.json').without('/var/lib/aem-reseal')
    const machine = directory.write()
    const before = listing(machine)
    const run = await runMain([...argv, '--json', '--machine', machine])
    expect(run.exit).toBe(1)
    expect(run.json).toMatchObject({ error: { code: 'machine-is-read-only' } })
    expect(listing(machine)).toEqual(before)
  })

  it.each([['status'], ['verify'], ['explain'], ['rehearse', '--yes']])(
    '%s writes nothing',
    async (...argv) => {
      const machine = aemDom0().withStick().write()
      const before = listing(machine)
      const run = await runMain([...argv, '--machine', machine])
      expect(run.exit).not.toBe(70)
      expect(listing(machine)).toEqual(before)
    },
  )
})
