import { signaturePlan } from '../../core/bulletin/gpg-calls.ts'
import { FORM, KIB, type Row, SECOND } from './row.ts'

/** gpg's argv stand beside the readers of its answers; here they get their parameters. */
const GPG_PLAN = signaturePlan('{home}', ['{keys}'], '{text}', ['{signature}'])

/** The signatures of a bulletin, and what QSB-103 asks of PCI devices. */
export const BULLETIN = {
  'gpg-import': {
    program: '/usr/bin/gpg',
    args: GPG_PLAN.importKeys.argv.slice(1),
    params: { home: FORM.absolutePath, keys: FORM.absolutePath },
    asRoot: false,
    effect: 'read',
    maxOutputBytes: 1024 * KIB,
    why: 'puts the given keys into a key ring of its own, in a work directory',
    source: 'gpg(1), GnuPG 2.2; doc/DETAILS for the status lines',
    sample: '[GNUPG:] IMPORT_OK 1 427F11FD0FAA4B080123F01CDDFA1A3E36879494\\n   (GnuPG 2.2.40)',
  },
  'gpg-certifications': {
    program: '/usr/bin/gpg',
    args: GPG_PLAN.checkCertifications.argv.slice(1),
    params: { home: FORM.absolutePath },
    asRoot: false,
    effect: 'read',
    maxOutputBytes: 4096 * KIB,
    why: 'which keys the Qubes Master Signing Key vouches for',
    source: 'gpg(1) --check-signatures --with-colons',
    sample:
      'sig:!::1:DDFA1A3E36879494:1270062498::::Qubes Master Signing Key:13x::427F...:::8:\\n   (GnuPG 2.2.40)',
  },
  'gpg-verify': {
    program: '/usr/bin/gpg',
    args: GPG_PLAN.verify[0]?.argv.slice(1) ?? [],
    params: { home: FORM.absolutePath, signature: FORM.absolutePath, text: FORM.absolutePath },
    asRoot: false,
    effect: 'read',
    maxOutputBytes: 1024 * KIB,
    why: 'who signed a bulletin',
    source: 'gpg(1) --verify --status-fd',
    sample: '[GNUPG:] VALIDSIG 2D1771FE4D767EDC76B089FAD655A4F21830E06A 2024-07-16 ...\\n   (GnuPG 2.2.40)',
  },
  'pci-devices': {
    program: '/usr/bin/qvm-pci',
    args: ['ls'],
    asRoot: false,
    effect: 'read',
    maxOutputBytes: 1024 * KIB,
    why: 'which qube has which PCI device, before Qubes 4.3 (exposure check of QSB-103)',
    source: 'qvm-pci(1), Qubes 4.1 and 4.2',
    sample:
      'dom0:00_14.0  USB controller: Intel Corporation ...  sys-usb (no-strict-reset=True)\\n   (Qubes 4.2)',
  },
  'pci-devices-sbdf': {
    program: '/usr/bin/qvm-pci',
    args: ['ls', '--with-sbdf'],
    asRoot: false,
    effect: 'read',
    maxOutputBytes: 1024 * KIB,
    why: 'which running qube has which PCI device, with its address for lspci (exposure check of QSB-103)',
    source: 'qvm-device(1), Qubes 4.3; before that the option ends with exit 2',
    sample:
      'dom0:00_1d.0-00_00.0  0000:aa:00.0  Network: Intel Corporation ...  sys-net (attached)\\n   (Qubes 4.3)',
  },
  'pci-assignments': {
    program: '/usr/bin/qvm-pci',
    args: ['ls', '--assignments'],
    asRoot: false,
    effect: 'read',
    maxOutputBytes: 1024 * KIB,
    why: 'which PCI devices qubes get that are switched off now (exposure check of QSB-103)',
    source: 'qvm-device(1), Qubes 4.3; not together with --with-sbdf, which fails on an assignment',
    sample: 'dom0:00_14.0  0x8086:0xa0ed::p0c0330  *sys-usb (required)\\n   (Qubes 4.3)',
  },
  'pci-details': {
    program: '/usr/sbin/lspci',
    args: ['-vvs', '{address}'],
    params: { address: /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/ },
    effect: 'read',
    timeoutMs: 20 * SECOND,
    maxOutputBytes: 256 * KIB,
    why: 'how many MSI vectors a device can use (exposure check of QSB-103)',
    source: 'lspci(8), pciutils 3.9',
    sample: '\\tCapabilities: [80] MSI: Enable+ Count=1/8 Maskable- 64bit+\\n   (pciutils 3.9)',
  },
} as const satisfies Record<string, Row>
