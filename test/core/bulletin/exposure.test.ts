import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideMsiExposure, EXPOSURE_CHECKS, isExposed } from '../../../src/core/bulletin/exposure.ts'
import { mergeListings, parseMsiVectors, parseQvmPci } from '../../../src/core/bulletin/pci-devices.ts'

/** `qvm-pci ls` on a terminal, Qubes 4.2 form; column -t of util-linux. */
const LS_42 = `BACKEND:DEVID  DESCRIPTION                                                                           USED BY
dom0:00_00.0   Host bridge: Intel Corporation 11th Gen Core Processor Host Bridge/DRAM Registers
dom0:00_0d.0   USB controller: Intel Corporation Tiger Lake-LP Thunderbolt 4 USB Controller
dom0:00_0d.3   USB controller: Intel Corporation Tiger Lake-LP Thunderbolt 4 NHI #1                  sys-usb (no-strict-reset=True, permissive=True), test-sys-usb (no-strict-reset=True)
dom0:00_14.0   USB controller: Intel Corporation Tiger Lake-LP USB 3.2 Gen 2x1 xHCI Host Controller  sys-usb (no-strict-reset=True)
dom0:00_14.3   Network controller: Intel Corporation Wi-Fi 6 AX201                                   sys-net
`

/** Qubes 4.3, `qvm-pci ls --with-sbdf` into a pipe: no title line, paths behind bridges; made after qubes-core-admin-client 4.3.34, qubesadmin/tests/tools/qvm_device.py. */
const SBDF_43 = `dom0:00_08.1-00_00.0  0000:c1:00.0  Network: Intel Corporation Wi-Fi 6E AX210               sys-net (attached: no-strict-reset=True)
dom0:00_14.0          0000:00:14.0  PCI_USB: Intel Corporation xHCI Host Controller
dom0:00_1f.6          0000:00:1f.6  Network: Intel Corporation Ethernet Connection (14) I219-LM  sys-net (attached), other (attached)
`
/** The same machine, `qvm-pci ls --assignments`: sys-usb is switched off. */
const ASSIGNED_43 = `dom0:00_08.1-00_00.0  Network: Intel Corporation Wi-Fi 6E AX210               sys-net (attached: no-strict-reset=True)
dom0:00_08.1-00_00.0  0x8086:0x2725::p028000                              *sys-net (required: no-strict-reset=True)
dom0:00_14.0          0x8086:0xa0ed::p0c0330                              *sys-usb (required)
dom0:00_14.0          PCI_USB: Intel Corporation xHCI Host Controller
dom0:00_1f.6          Network: Intel Corporation Ethernet Connection (14) I219-LM  sys-net (attached)
`

/** `lspci -vvs 00:14.0` as root, pciutils 3.7. */
const XHCI = `00:14.0 USB controller: Intel Corporation Tiger Lake-LP USB 3.2 Gen 2x1 xHCI Host Controller (rev 20) (prog-if 30 [XHCI])
	DeviceName: Onboard - Other
	Control: I/O- Mem+ BusMaster- SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR- FastB2B- DisINTx+
	Interrupt: pin A routed to IRQ 141
	Region 0: Memory at 603d180000 (64-bit, non-prefetchable) [size=64K]
	Capabilities: [70] Power Management version 2
		Status: D3 NoSoftRst+ PME-Enable+ DSel=0 DScale=0 PME-
	Capabilities: [80] MSI: Enable+ Count=1/8 Maskable- 64bit+
		Address: 00000000fee10004  Data: 0023
	Kernel driver in use: pciback
`
const WIFI = `c1:00.0 Network controller: Intel Corporation Wi-Fi 6E AX210 (rev 1a)
	Capabilities: [d0] MSI: Enable- Count=1/1 Maskable- 64bit+
		Address: 0000000000000000  Data: 0000
	Capabilities: [40] Express (v2) Endpoint, MSI 00
	Capabilities: [80] MSI-X: Enable+ Count=16 Masked-
		Vector table: BAR=0 offset=00002000
`
const ONLY_MSI_X = `00:03.0 USB controller: Red Hat, Inc. QEMU XHCI Host Controller (prog-if 30 [XHCI])
	Capabilities: [40] MSI-X: Enable+ Count=16 Masked-
		Vector table: BAR=3 offset=00000000
`

describe('parseQvmPci', () => {
  it('reads devices and the qubes that use them', () => {
    const listing = parseQvmPci(LS_42)
    expect(listing.devices.map(({ device, sbdf, qubes }) => [device, sbdf, qubes])).toEqual([
      ['dom0:00_00.0', '0000:00:00.0', []],
      ['dom0:00_0d.0', '0000:00:0d.0', []],
      ['dom0:00_0d.3', '0000:00:0d.3', ['sys-usb', 'test-sys-usb']],
      ['dom0:00_14.0', '0000:00:14.0', ['sys-usb']],
      ['dom0:00_14.3', '0000:00:14.3', ['sys-net']],
    ])
    expect(listing).toMatchObject({ unread: [], listsHaltedQubes: true })
  })

  it('takes the address from its column where ids are paths', () => {
    const listing = parseQvmPci(SBDF_43)
    expect(listing.devices.map(({ sbdf, description, qubes }) => [sbdf, description, qubes])).toEqual([
      ['0000:c1:00.0', 'Network: Intel Corporation Wi-Fi 6E AX210', ['sys-net']],
      ['0000:00:14.0', 'PCI_USB: Intel Corporation xHCI Host Controller', []],
      ['0000:00:1f.6', 'Network: Intel Corporation Ethernet Connection (14) I219-LM', ['sys-net', 'other']],
    ])
    expect(listing).toMatchObject({ unread: [], listsHaltedQubes: false })
  })

  it('has no address for a path without that column', () => {
    expect(parseQvmPci('dom0:00_08.1-00_00.0  Network controller: x  sys-net\n').devices).toEqual([
      {
        device: 'dom0:00_08.1-00_00.0',
        sbdf: null,
        description: 'Network controller: x',
        qubes: ['sys-net'],
      },
    ])
  })

  it('does not take a last column that it cannot read for nobody', () => {
    expect(parseQvmPci('dom0:00_14.0  USB  sys-usb (a=(b))\n').devices).toMatchObject([{ qubes: null }])
  })

  it('keeps what it cannot read', () => {
    expect(parseQvmPci('00:14.0 USB sys-usb\n')).toMatchObject({
      devices: [],
      unread: ['00:14.0 USB sys-usb'],
    })
    expect(parseQvmPci('dom0:00_14.0  USB\n').listsHaltedQubes).toBeNull()
  })

  it('takes any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const { devices, unread } = parseQvmPci(`dom0:00_14.0  ${text}`)
        return devices.length + unread.length > 0
      }),
    )
  })
})

describe('mergeListings', () => {
  it('puts qubes that are switched off beside the addresses', () => {
    const merged = mergeListings(parseQvmPci(SBDF_43).devices, parseQvmPci(ASSIGNED_43).devices)
    expect(merged.map(({ device, sbdf, qubes }) => [device, sbdf, [...new Set(qubes)]])).toEqual([
      ['dom0:00_08.1-00_00.0', '0000:c1:00.0', ['sys-net']],
      ['dom0:00_14.0', '0000:00:14.0', ['sys-usb']],
      ['dom0:00_1f.6', '0000:00:1f.6', ['sys-net', 'other']],
    ])
  })
})

describe('parseMsiVectors', () => {
  it.each([
    ['several vectors', XHCI, 8],
    ['several vectors, not enabled', XHCI.replace('Enable+ Count=1/8', 'Enable- Count=1/4'), 4],
    ['with its domain', `0000:${XHCI}`, 8],
    ['one vector beside MSI-X', WIFI, 1],
    ['MSI-X only', ONLY_MSI_X, 0],
    ['MSI-X, were it printed alike', ONLY_MSI_X.replace('Count=16', 'Count=1/16'), 0],
    ['no root', '00:14.0 USB controller: x\n\tCapabilities: <access denied>\n', null],
    ['no device', '', null],
    ['a device that is off', '00:14.0 USB controller: x (rev ff)\n\t!!! Unknown header type 7f\n', null],
    ['a list that breaks off', XHCI.replace('[80] MSI: Enable+ Count=1/8', '[80] <chain broken>'), null],
    ['an MSI line of another form', XHCI.replace('Count=1/8', 'Vectors=8'), null],
    ['no list at all', '00:14.0 USB controller: x\n\tControl: I/O-\n', null],
    ['a device without capabilities', '00:1f.0 ISA bridge: x\n\tStatus: Cap- 66MHz-\n', 0],
  ])('%s', (_, text, vectors) => {
    expect(parseMsiVectors(text)).toBe(vectors)
  })

  it('reads what the installed lspci prints', () => {
    const output = execFileSync('lspci', ['-vv', '-s', '00:00.0'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    if (output !== '') expect([0, 1, 2, 4, 8, 16, 32, null]).toContain(parseMsiVectors(output))
    else expect(parseMsiVectors(output)).toBeNull()
  })
})

const inQubes = (text: string) =>
  parseQvmPci(text).devices.filter(({ qubes }) => qubes === null || qubes.length > 0)

describe('decideMsiExposure', () => {
  it('makes one row for each device and qube', () => {
    const vectors = new Map([
      ['dom0:00_0d.3', 1],
      ['dom0:00_14.0', parseMsiVectors(XHCI)],
    ])
    const rows = decideMsiExposure(inQubes(LS_42), vectors, true)
    expect(rows).toEqual([
      { device: 'dom0:00_0d.3', qube: 'sys-usb', vectors: 1, exposed: false },
      { device: 'dom0:00_0d.3', qube: 'test-sys-usb', vectors: 1, exposed: false },
      { device: 'dom0:00_14.0', qube: 'sys-usb', vectors: 8, exposed: true },
      { device: 'dom0:00_14.3', qube: 'sys-net', vectors: null, exposed: null },
    ])
    expect(isExposed(rows)).toBe(true)
    expect(isExposed(rows.filter(({ exposed }) => exposed !== true))).toBeNull()
    expect(isExposed(rows.filter(({ exposed }) => exposed === false))).toBe(false)
  })

  it('rules nothing out where devices or their users could not be seen', () => {
    const [device] = parseQvmPci('dom0:00_14.0  USB  sys-usb (a=(b))\n').devices
    const judge = (count: number | null, isComplete = true) =>
      isExposed(decideMsiExposure([device!], new Map([['dom0:00_14.0', count]]), isComplete))
    expect([judge(8), judge(1), judge(null), judge(1, false)]).toEqual([null, false, null, null])
  })

  it('is the check of QSB-103', () => {
    expect([...EXPOSURE_CHECKS.keys()]).toEqual([103])
  })
})
