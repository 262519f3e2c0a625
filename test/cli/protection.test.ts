import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { HYPERVISOR_LOG } from '../../src/tables/paths.ts'
import {
  BANNER,
  COPIES,
  grubConfig,
  grubEnvironment,
  keyPublic,
  protectedDom0,
  txtRegisters,
  unit,
} from '../support/protected-dom0.ts'
import { launchedPcrs, type RecordedDom0 } from '../support/recorded-machine.ts'
import { lookAtRecorded } from '../support/status.ts'

const ONES = 'ff'.repeat(32)
const ZEROS = '00'.repeat(32)
const capped = (algorithm: 'sha1' | 'sha256', bytes: number): string =>
  createHash(algorithm).update(Buffer.alloc(bytes)).update(Buffer.alloc(bytes, 0xff)).digest('hex')
const SLAUNCH = '(XEN) SLAUNCH: reserving event log (0x83de4000 - 0x83dec000)\n'
const SEAL_UNIT = { unit: 'anti-evil-maid-seal.service' }

/** dom0 without a TPM, and without tboot's tools. */
const noTpm = (): RecordedDom0 => protectedDom0().withoutTpm().without('/usr/sbin/txt-stat')
const withPcrs = (values: Readonly<Record<number, string>>): RecordedDom0 =>
  protectedDom0().withTpm20({ ...launchedPcrs(), ...values })
const withoutLaunch = (value = ONES): RecordedDom0 => withPcrs({ 17: value, 18: value, 19: value })
const withTpm12 = (values: Readonly<Record<number, string>>): RecordedDom0 =>
  protectedDom0()
    .forgetting('/sys/class/tpm')
    .withTpm12({ ...launchedPcrs(), ...values })
const txtStat = (machine: RecordedDom0, stdout: string): RecordedDom0 =>
  machine.forgetting('/usr/sbin/txt-stat').answering('launch-log', {}, { stdout })
const dmesg = (machine: RecordedDom0, stdout: string): RecordedDom0 =>
  machine.forgetting('/usr/sbin/xl dmesg').answering('xl-dmesg', {}, { stdout })
const seal = (text: string): RecordedDom0 => protectedDom0().withFile('/etc/anti-evil-maid.conf', text)
const journal = (machine: RecordedDom0, ...messages: readonly string[]): RecordedDom0 =>
  machine.answering(
    'aem-journal',
    {},
    {
      stdout: messages
        .map(
          (text) => `2024-07-17T10:00:04+0200 dom0 anti-evil-maid-seal[3001]: anti-evil-maid-seal: ${text}\n`,
        )
        .join(''),
    },
  )
const failedUnit = (machine: RecordedDom0): RecordedDom0 =>
  machine.forgetting('/usr/bin/systemctl').answering('unit-show', SEAL_UNIT, {
    stdout: unit({ ActiveState: 'failed', Result: 'exit-code', ExecMainStatus: '1' }),
  })
const otherKey = (copy: string): RecordedDom0 =>
  protectedDom0().withFile(`${copy}/key.pub`, keyPublic({ ...launchedPcrs(), 18: '12'.repeat(32) }))
const trenchBoot = (): RecordedDom0 => {
  const machine = protectedDom0().withTrenchBoot()
  for (const copy of COPIES) machine.withFile(`${copy}/key.pub`, keyPublic(launchedPcrs(), [13, 17, 18]))
  return machine
}

type Kind = readonly [
  name: string,
  machine: () => RecordedDom0,
  state: string,
  code: string,
  what: RegExp,
  next: RegExp,
]

/** The kinds of real failures (public reports and what is like them); one of each is told in the issue. */
const KINDS: readonly Kind[] = [
  [
    'no measured launch: never launched',
    () => withoutLaunch(),
    'not-protected',
    'not-launched',
    /not measured.*all FF, never launched/,
    /firmware setup.*txt-stat/,
  ],
  [
    'no measured launch: reset, never extended',
    () => withoutLaunch(ZEROS),
    'not-protected',
    'not-launched',
    /all 00, never extended/,
    /AEM entry/,
  ],
  [
    'no measured launch on TPM 1.2',
    () => withTpm12({ 17: ONES, 18: ONES, 19: ONES }),
    'not-protected',
    'not-launched',
    /all FF/,
    /SINIT/,
  ],
  [
    'another entry was booted',
    () => withoutLaunch().bootedWithoutAem(),
    'not-protected',
    'not-aem-boot',
    /not an AEM boot/,
    /AEM entry/,
  ],
  [
    'failed launch, told by txt-stat',
    () => txtStat(withoutLaunch(), txtRegisters('0xc0003c11')),
    'not-protected',
    'launch-failed',
    /TXT.ERRORCODE 0xc0003c11, the SINIT module refused: class 0x01 \(the conditions to start it\), error 0x0f/,
    /SINIT module that fits.*power off fully/,
  ],
  [
    'failed launch, by the processor',
    () => txtStat(withoutLaunch(ZEROS), txtRegisters('0x80000007')),
    'not-protected',
    'launch-failed',
    /signature of the module does not verify/,
    /do not seal/,
  ],
  [
    "failed launch, AMD's capped register",
    () => withoutLaunch(capped('sha256', 32)),
    'not-protected',
    'launch-failed',
    /closed by a failed launch/,
    /SKL/,
  ],
  [
    'failed launch, capped on TPM 1.2',
    () => withTpm12({ 17: capped('sha1', 20), 18: ONES }),
    'not-protected',
    'launch-failed',
    /closed by a failed launch/,
    /do not seal/,
  ],
  [
    'success is no error: 0xc0000001',
    () => txtStat(withoutLaunch(), txtRegisters('0xc0000001')),
    'not-protected',
    'not-launched',
    /all FF/,
    /firmware/,
  ],
  ['no TPM seen', () => noTpm(), 'not-protected', 'no-tpm', /dom0 sees no TPM/, /firmware setup/],
  [
    'no TPM seen, txt-stat says FALSE',
    () => txtStat(protectedDom0().withoutTpm(), txtRegisters('0x00000000')),
    'not-protected',
    'no-tpm',
    /nothing can be sealed/,
    /dmesg/,
  ],
  [
    'no TPM seen, Xen logged a launch',
    () => dmesg(noTpm(), BANNER + SLAUNCH),
    'unknown',
    'tpm-not-seen',
    /Xen says that this boot was launched.*not to say that there is none/,
    /dmesg \| grep -i tpm/,
  ],
  [
    'no TPM seen, xenconsoled kept the launch',
    () =>
      dmesg(noTpm(), 'gone\n').withFile(
        HYPERVISOR_LOG,
        `[2024-07-17 08:00:00] ${BANNER}[2024-07-17 08:00:00] ${SLAUNCH}`,
      ),
    'unknown',
    'tpm-not-seen',
    /Xen says/,
    /kernel-latest/,
  ],
  [
    'no TPM seen, txt-stat says TRUE',
    () => txtStat(protectedDom0().withoutTpm(), txtRegisters('0x00000000', true)),
    'unknown',
    'tpm-not-seen',
    /txt-stat says/,
    /driver/,
  ],
  [
    'TPM of an unknown version',
    () => protectedDom0().withFile('/sys/class/tpm/tpm0/tpm_version_major', '3\n'),
    'unknown',
    'tpm-unknown',
    /which version/,
    /tpm_version_major/,
  ],
  [
    'TPM whose version cannot be read',
    () => protectedDom0().forgetting('tpm_version_major'),
    'unknown',
    'tpm-unknown',
    /registers were not read/,
    /tpm_version_major/,
  ],
  [
    'registers that cannot be read',
    () => protectedDom0().forgetting('pcr-sha256', 'pcr-sha1'),
    'unknown',
    'registers-unread',
    /PCR 13, 17, 18, 19 could not be read/,
    /sudo aem-reseal status/,
  ],
  [
    'one selected register that cannot be read',
    () => protectedDom0().forgetting('pcr-sha256/18'),
    'unknown',
    'registers-unread',
    /PCR 18 could not/,
    /root/,
  ],
  [
    'PCR 19 empty (details/authorities map)',
    () => withPcrs({ 19: ZEROS }),
    'not-protected',
    'constant-register',
    /PCR 19 was never extended/,
    /take PCR 19 out of SEAL.*pcr_map_da/,
  ],
  [
    'PCR 13 empty under TrenchBoot',
    () => trenchBoot().withTpm20({ ...launchedPcrs(), 13: ZEROS }),
    'not-protected',
    'constant-register',
    /PCR 13 was never extended/,
    /SEAL/,
  ],
  [
    'PCR 18 all ones',
    () => withPcrs({ 18: ONES }),
    'not-protected',
    'constant-register',
    /PCR 18 was never launched/,
    /find out why/,
  ],
  [
    'SEAL that only a shell reads',
    () => seal('SEAL="--pcr $(cat /x)"\n'),
    'unknown',
    'selection-unread',
    /line 1 of .*it runs a command/,
    /plain assignments/,
  ],
  [
    'SEAL in a file that cannot be read',
    () => protectedDom0().forgetting('/etc/anti-evil-maid.conf'),
    'unknown',
    'selection-unread',
    /could not be read/,
    /SEAL/,
  ],
  ['no SEAL set', () => seal('# nothing\n'), 'not-protected', 'selection-missing', /sets no SEAL/, /SEAL=/],
  [
    'no configuration',
    () => protectedDom0().without('/etc/anti-evil-maid.conf'),
    'not-protected',
    'selection-missing',
    /there is no/,
    /SEAL=/,
  ],
  [
    'SEAL without a launch register',
    () => seal('SEAL="--pcr 13"\n'),
    'not-protected',
    'no-launch-register',
    /PCR 13 alone/,
    /as AEM ships it/,
  ],
  [
    'SEAL of the firmware alone',
    () =>
      seal('SEAL="--pcr 0 --pcr 4"\n').withTpm20({
        ...launchedPcrs(),
        0: '0a'.repeat(32),
        4: '0b'.repeat(32),
        17: ONES,
      }),
    'not-protected',
    'no-launch-register',
    /PCR 0, 4 alone/,
    /SEAL/,
  ],
  [
    'seal failed, by the journal',
    () =>
      journal(
        failedUnit(protectedDom0()),
        'Sealed /var/lib/anti-evil-maid/aem/secret.fre using --pcr 17',
        'Failed to seal secrets (error @ line 231)!',
      ),
    'at-risk',
    'failed-seal',
    /seal failed in this boot \(error @ line 231\)/,
    /plug aem in and run `aem-reseal verify`.*sudo anti-evil-maid-seal/,
  ],
  [
    'seal failed, journal silent',
    () => failedUnit(protectedDom0()),
    'at-risk',
    'failed-seal',
    /seal failed in this boot:/,
    /aem-reseal verify/,
  ],
  [
    'seal failed at the sanity check',
    () => journal(protectedDom0(), 'PCR sanity check failed!'),
    'at-risk',
    'failed-seal',
    /PCR sanity check failed/,
    /verify/,
  ],
  [
    'the device is sealed to something else',
    () => otherKey(COPIES[1]),
    'at-risk',
    'sealed-to-other',
    /sealed for other PCRs/,
    /aem-reseal verify/,
  ],
  [
    "dom0's copy is sealed to something else",
    () => otherKey(COPIES[0]),
    'at-risk',
    'sealed-to-other',
    /sealed for other PCRs/,
    /verify/,
  ],
  [
    'the device has an older seal of the same registers',
    () => protectedDom0().withFile(`${COPIES[1]}/secret.fre.sealed2`, 'Salted__of an older boot'),
    'at-risk',
    'copy-differs',
    /not those that dom0 sealed last/,
    /verify/,
  ],
  [
    'the device has no sealed files',
    () => protectedDom0().forgetting(COPIES[1]).withFile(`${COPIES[1]}/.keep`, ''),
    'at-risk',
    'copy-missing',
    /one place alone/,
    /verify/,
  ],
  [
    "the next boot's entry is not AEM's",
    () =>
      protectedDom0().withFile(
        '/boot/grub2/grubenv',
        grubEnvironment('saved_entry=Qubes, with Xen hypervisor'),
      ),
    'at-risk',
    'next-entry-not-aem',
    /none of AEM's: "Qubes, with Xen hypervisor"/,
    /grub2-set-default/,
  ],
  [
    'next_entry leads past AEM once',
    () =>
      protectedDom0().withFile(
        '/boot/grub2/grubenv',
        grubEnvironment('next_entry=Qubes, with Xen hypervisor'),
      ),
    'at-risk',
    'next-entry-not-aem',
    /none of AEM's/,
    /by hand at the next boot/,
  ],
  [
    "AEM's entries are gone",
    () =>
      protectedDom0().withFile(
        '/boot/grub2/grub.cfg',
        grubConfig().replace(
          /### BEGIN \/etc\/grub.d\/19_linux_xen_tboot[\s\S]*?### END \/etc\/grub.d\/19_linux_xen_tboot ###/,
          '',
        ),
      ),
    'at-risk',
    'next-entry-not-aem',
    /none of AEM's/,
    /GRUB_DEFAULT/,
  ],
  [
    'an entry that cannot be told',
    () => protectedDom0().withFile('/boot/grub2/grub.cfg', `${grubConfig()}\nset fallback=1\n`),
    'unknown',
    'next-entry-unknown',
    /could not be told/,
    /aem-reseal predict/,
  ],
  [
    'console ring wrapped',
    () => dmesg(trenchBoot().without('/usr/sbin/txt-stat'), 'd8ed0000 - 0xd8f20000)\n'),
    'unknown',
    'launch-log-unread',
    /beginning of xl dmesg is gone/,
    /conring_size/,
  ],
  [
    'txt-stat without a log',
    () => txtStat(protectedDom0(), txtRegisters('0x00000000', true)),
    'unknown',
    'launch-log-unread',
    /tboot kept its log nowhere/,
    /logging=memory/,
  ],
  [
    'log named and not readable',
    () => dmesg(trenchBoot(), BANNER + SLAUNCH),
    'unknown',
    'launch-log-unread',
    /0x83de4000 could not be read/,
    /dd if=\/dev\/mem/,
  ],
]

describe('the recorded dom0 of which all could be read', () => {
  it('is protected, and there is nothing to run', async () => {
    const { json, text } = await lookAtRecorded(protectedDom0())
    expect(json.protection).toEqual({ state: 'protected', reasons: [] })
    expect(text).toMatch(/^protection +yes, in this boot and for the next$/m)
    expect(text).toMatch(/^next: nothing to run$/m)
  })
})

describe.each(KINDS)('%s', (_, machine, state, code, what, next) => {
  it(`is ${state}: ${code}, and never "nothing to run"`, async () => {
    const { json, text } = await lookAtRecorded(machine())
    expect(json.protection.state).toBe(state)
    const [first] = json.protection.reasons
    expect(first?.code).toBe(code)
    expect(first?.what).toMatch(what)
    expect(first?.next).toMatch(next)
    expect(json.next.why).toMatch(next)
    expect(text).not.toMatch(/nothing to (?:run|do)/)
    const screen = text.replace(/\s+/g, ' ')
    expect(screen).toContain(first?.what.split(/\s+/).slice(0, 6).join(' '))
    const lines = text.trimEnd().split('\n')
    expect(lines.length).toBeLessThanOrEqual(24)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80)
  })
})

describe('what is said of the launch', () => {
  it('is "not known" where dom0 sees no TPM and Xen logged a launch, and "no" where nothing did', async () => {
    const logged = await lookAtRecorded(dmesg(noTpm(), BANNER + SLAUNCH))
    expect(logged.json.aem.measured).toBeNull()
    expect(logged.text).toMatch(/^measured launch +not known$/m)
    const none = await lookAtRecorded(noTpm())
    expect(none.json.aem.measured).toBe(false)
  })

  it('is nothing where SEAL has no register that one fills', async () => {
    const { json } = await lookAtRecorded(
      seal('SEAL="--pcr 13"\n').withTpm20({ ...launchedPcrs(), 17: ONES }),
    )
    expect(json.protection.reasons.map(({ what }) => what).join()).not.toContain('PCR 17')
  })

  it("does not believe a qube's console", async () => {
    const faked = dmesg(noTpm(), `${BANNER}(d3) ${SLAUNCH}`)
    expect((await lookAtRecorded(faked)).json.protection.reasons[0]?.code).toBe('no-tpm')
  })
})
