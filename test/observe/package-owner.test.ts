import { describe, expect, it } from 'vitest'
import type { Host } from '../../src/host/host.ts'
import { ABSENT, seen, unknown } from '../../src/host/host.ts'
import { XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { observeConfirmedPackages } from '../../src/observe/dom0/confirmed-packages.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeOwner } from '../../src/observe/dom0/package-owner.ts'
import {
  explainUnreadTrustedKeys,
  observeIntegrity,
  observeNewest,
  observeSigner,
  observeTrustedKeys,
} from '../../src/observe/dom0/packages.ts'
import { command } from '../../src/tables/commands.ts'
import { TRUSTED_KEYS_FILE } from '../../src/tables/paths.ts'
import { machineOf } from '../support/built-in.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/** Who brought a boot file of dom0, as rpm tells it, on the built-in machine. */

const updated = (): SimMachine => machineOf('clean-update')
const ownerOf = (machine: SimMachine, path: string) =>
  observeOwner(observeDom0(makeSimulatedHost(machine)), path, [])

function append(machine: SimMachine, name: string, text: string): void {
  const file = bootFilesOf(machine).get(name)!
  bootFilesOf(machine).set(name, { ...file, bytes: Buffer.concat([file.bytes, Buffer.from(text)]) })
}

/** A machine on which one program answers otherwise. */
function answering(machine: SimMachine, id: string, answer: { exit: number; stdout: string }): Host {
  const real = makeSimulatedHost(machine)
  return {
    ...real,
    run: async (call, input) => (call.id === id ? seen({ stderr: '', ...answer }) : real.run(call, input)),
  }
}

describe('the owner of a boot file', () => {
  const path = `/boot/${XEN_IMAGE}`

  it('is its package, with the digest and the signer', async () => {
    const owner = await ownerOf(updated(), path)
    expect(owner).toMatchObject({ name: 'xen-hypervisor', signerKnown: true, signatureFault: null })
    expect(owner?.unmodified).toBe(true)
    expect(owner?.sha256).toMatch(/^[0-9a-f]{64}$/)
  })

  it('is not of a known signer where its key is not listed, though the signature is good', async () => {
    const machine = updated()
    machine.packages = machine.packages.map((item) => ({ ...item, keyId: 'feedfacefeedface' }))
    expect(await ownerOf(machine, path)).toMatchObject({
      signerKnown: false,
      signer: null,
      signatureFault: expect.stringContaining('feedfacefeedface'),
    })
  })

  it('is not of a known signer where the signature is bad, though it names a known key', async () => {
    const machine = updated()
    const { keyId } = machine.packages.find(({ name }) => name === 'xen-hypervisor')!
    const stdout = `Header V4 RSA/SHA256 Signature, key ID ${keyId.slice(-8)}: BAD\n`
    const owner = await observeOwner(
      observeDom0(answering(machine, 'rpm-signature', { exit: 0, stdout })),
      path,
      [],
    )
    expect(owner).toMatchObject({ signer: expect.any(String), signerKnown: false })
  })

  it('is nobody where several installed packages own the file', async () => {
    const machine = updated()
    const xen = machine.packages.find(({ name }) => name === 'xen-hypervisor')!
    machine.packages.push({ ...xen, evr: '2001:4.17.4-9.fc37' })
    expect(await ownerOf(machine, path)).toBeNull()
  })

  it('has the digest of its own version, though another installed one lists the same file', async () => {
    const machine = updated()
    const host = makeSimulatedHost(machine)
    const xen = machine.packages.find(({ name }) => name === 'xen-hypervisor')!
    const owner = (await host.run(command('rpm-owner', { path }))) as { value: { stdout: string } }
    const files = new Map([[path, 'b'.repeat(64)]])
    machine.packages = [{ ...xen, evr: '2001:4.17.4-9.fc37', files }, ...machine.packages]
    const found = await observeOwner(
      observeDom0(answering(machine, 'rpm-owner', { exit: 0, stdout: owner.value.stdout })),
      path,
      [],
    )
    expect(found).toMatchObject({ evr: xen.evr, sha256: xen.files.get(path) })
  })

  it('is nobody where its package has no digest of it', async () => {
    const host = answering(updated(), 'rpm-files', { exit: 0, stdout: '' })
    expect(await observeOwner(observeDom0(host), path, [])).toBeNull()
  })

  it('is told to have another file where that one was changed, and not where another was', async () => {
    const machine = updated()
    append(machine, XEN_IMAGE, 'evil')
    expect((await ownerOf(machine, path))?.unmodified).toBe(false)
    expect((await ownerOf(machine, `/boot/vmlinuz-${KERNEL_RELEASE}`))?.unmodified).toBe(true)
  })
})

describe('the integrity of a package', () => {
  it('counts changed contents, not attributes, ghosts and configuration', async () => {
    const stdout = [
      '.M.......  g /boot/initramfs.img',
      'S.5....T.  g /boot/initramfs.img',
      'S.5....T.  c /etc/xen.conf',
      '.......T.    /boot/other',
      `S.5....T.    /boot/${XEN_IMAGE}`,
      '',
    ].join('\n')
    const host = answering(updated(), 'rpm-verify', { exit: 1, stdout })
    const xen = (await observeNewest(observeDom0(host), 'xen-hypervisor'))!
    const { changedFiles } = await observeIntegrity(observeDom0(host), xen, [])
    expect(changedFiles?.map(({ path }) => path)).toEqual([`/boot/${XEN_IMAGE}`])
  })
})

describe("AEM's own configuration, which its package does not mark as such (anti-evil-maid 4.2.0, anti-evil-maid.spec.in)", () => {
  it.each([
    ['edited', 'S.5....T.    /etc/anti-evil-maid.conf', []],
    ['gone', 'missing     /etc/anti-evil-maid.conf', ['/etc/anti-evil-maid.conf']],
    [
      'beside it',
      'S.5....T.    /etc/dracut.conf.d/anti-evil-maid.conf',
      ['/etc/dracut.conf.d/anti-evil-maid.conf'],
    ],
  ])('%s', async (_what, stdout, changed) => {
    const host = answering(updated(), 'rpm-verify', { exit: 1, stdout: `${stdout}\n` })
    const aem = (await observeNewest(observeDom0(host), 'anti-evil-maid'))!
    const { changedFiles } = await observeIntegrity(observeDom0(host), aem, [])
    expect(changedFiles?.map(({ path }) => path)).toEqual(changed)
  })
})

describe('the newest installed version of a package', () => {
  it('is the newest by the order of RPM', async () => {
    const machine = updated()
    const kernel = machine.packages.find(({ name }) => name === 'kernel')!
    const older = { ...kernel, evr: '1000:6.6.4-1.qubes.fc37' }
    machine.packages = [kernel, older, ...machine.packages.filter((item) => item !== kernel)]
    expect((await observeNewest(observeDom0(makeSimulatedHost(machine)), 'kernel'))?.evr).toBe(kernel.evr)
    expect(await observeNewest(observeDom0(makeSimulatedHost(machine)), 'kernel-latest')).toBeNull()
  })
})

describe('the signature of a package', () => {
  const signatureOf = async (machine: SimMachine, stdout: string) => {
    const host = answering(machine, 'rpm-signature', { exit: 0, stdout })
    const xen = (await observeNewest(observeDom0(host), 'xen-hypervisor'))!
    return (await observeSigner(observeDom0(host), xen, [])).signature
  }
  const line = (answer: string) => `Header V4 RSA/SHA256 Signature, key ID 8e34d89f: ${answer}\n`

  it.each([
    ['ok', line('OK')],
    ['no-key', line('NOKEY')],
    ['bad', line('BAD')],
  ])('is %s as rpm says', async (signature, stdout) => {
    expect(await signatureOf(updated(), stdout)).toBe(signature)
  })

  it('is not looked for where there is none', async () => {
    const host = makeSimulatedHost(updated())
    const xen = { ...(await observeNewest(observeDom0(host), 'xen-hypervisor'))!, signatureKeyId: null }
    expect((await observeSigner(observeDom0(host), xen, [])).signature).toBe('unsigned')
  })
})

describe('the packages that an update is confirmed by', () => {
  const namesOf = async (host: Host) => {
    const found = await observeConfirmedPackages(observeDom0(host), null)
    return found?.packages.map(({ name, component }) => `${name} ${component}`)
  }

  it('are those whose files AEM measures, a kernel-latest beside the kernel too', async () => {
    const machine = updated()
    const kernel = machine.packages.find(({ name }) => name === 'kernel')!
    machine.packages.push({ ...kernel, name: 'kernel-latest', evr: '1000:6.9.4-1.qubes.fc37' })
    machine.packages.push({ ...kernel, name: 'amd-ucode-firmware', files: new Map() })
    expect((await namesOf(makeSimulatedHost(machine)))?.sort()).toEqual([
      'amd-ucode-firmware microcode',
      'anti-evil-maid aem',
      'dracut initramfs',
      'kernel kernel',
      'kernel-latest kernel',
      'linux-firmware initramfs',
      'microcode_ctl microcode',
      'tboot tboot',
      'xen-hypervisor xen',
    ])
  })

  it('are none where rpm gives no answer', async () => {
    const real = makeSimulatedHost(updated())
    const run: Host['run'] = async (call, input) =>
      call.id === 'rpm-query' ? { state: 'unknown', why: 'x' } : real.run(call, input)
    expect(await namesOf({ ...real, run })).toBeUndefined()
  })
})

describe("the user's further signers", () => {
  const listedBy = async (content: string | 'unreadable' | 'absent') => {
    const machine = updated()
    if (content !== 'absent') machine.dom0.set(TRUSTED_KEYS_FILE, { bytes: Buffer.from(content), mtimeMs: 0 })
    const real = makeSimulatedHost(machine)
    const readFile: Host['readFile'] = async (path) =>
      content === 'unreadable' && path === TRUSTED_KEYS_FILE ? unknown('x') : real.readFile(path)
    const host = { ...real, readFile }
    return [await observeDom0(host).trustedKeys(), await observeTrustedKeys(observeDom0(host))]
  }

  it('are those of the file', async () => {
    const [file, signers] = await listedBy(`${'0'.repeat(24)}1234567890abcdef TrenchBoot\n`)
    expect(signers).toMatchObject([{ name: expect.stringContaining('TrenchBoot') }])
    expect(file).toMatchObject({ signers })
  })

  it('are none where there is no file', async () => {
    const [file, signers] = await listedBy('absent')
    expect(file).toMatchObject({ signers: [] })
    expect(signers).toEqual([])
  })

  it('that cannot be read are told with the reason, on the machine itself', async () => {
    const told = (kind: Host['kind'], state: 'unreadable' | 'absent' = 'unreadable') =>
      explainUnreadTrustedKeys(
        makeFakeHost({
          kind,
          readFile: async () => (state === 'absent' ? ABSENT : unknown('no permission')),
        }),
      )
    expect(await told('real')).toContain('no permission')
    expect(await told('real', 'absent')).toBeNull()
    // A recording need not hold the file.
    expect(await told('recorded')).toBeNull()
  })

  it('are none where it cannot be read, which is told apart', async () => {
    expect(await listedBy('unreadable')).toEqual([null, []])
  })
})
