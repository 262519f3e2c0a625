import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asGrubLoads, readBuildId, tamperedXen } from './boot-files.ts'
import { createStage } from './kept-stage.ts'
import { must } from './process.ts'
import { xenImageOf } from './releases.ts'
import { signerFingerprint } from './rpm.ts'
import type { Boot, Stage } from './stage.ts'
import type { TpmVersion } from './tpm.ts'

const HELD = '/etc/systemd/system/anti-evil-maid-seal.service.d'

/** The registers as dom0's kernel shows them, hex by index. */
async function registers(stage: Stage, version: TpmVersion): Promise<string[]> {
  if (version === '1.2') {
    const text = await readFile(stage.pathOf('/sys/class/tpm/tpm0/pcrs'), 'utf8')
    return text
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/^PCR-\d\d:|\s/g, '').toLowerCase())
  }
  const one = async (n: number): Promise<string> =>
    (await readFile(stage.pathOf(`/sys/class/tpm/tpm0/pcr-sha256/${n}`), 'utf8')).trim().toLowerCase()
  return Promise.all(Array.from({ length: 24 }, (_, n) => one(n)))
}

/** Replays the events of txt-stat's text from zero, as anybody can who has only that text. */
function replayText(text: string, hash: 'sha1' | 'sha256'): Map<number, string> {
  const size = hash === 'sha1' ? 20 : 32
  const values = new Map<number, Buffer>()
  for (const event of text.matchAll(/PCRIndex: (\d+)\n.*Type: (0x\w+)\n.*Digest: ([0-9a-f ]+)\n/g)) {
    const pcr = Number(event[1])
    if (pcr > 23) continue
    const digest = Buffer.from((event[3] ?? '').replace(/ /g, ''), 'hex')
    const before = values.get(pcr) ?? Buffer.alloc(size)
    values.set(pcr, createHash(hash).update(before).update(digest).digest())
  }
  return new Map([...values].map(([pcr, value]) => [pcr, value.toString('hex')]))
}

/** M_i by tboot's own tool tb_polgen, which knows nothing of this harness. */
async function moduleDigest(image: Buffer, commandLine: string, hash: string): Promise<Buffer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'polgen-'))
  try {
    const [file, policy] = [path.join(folder, 'image'), path.join(folder, 'policy')]
    await writeFile(file, image)
    await must(['tb_polgen', '--create', '--type', 'nonfatal', '--alg', hash, policy])
    const add = ['--num', '0', '--pcr', 'none', '--hash', 'image', '--cmdline', commandLine, '--image', file]
    await must(['tb_polgen', '--add', ...add, policy])
    const shown = await must(['tb_polgen', '--show', policy])
    const digest = /hashes\[0\]: ((?:[0-9a-f]{2} ?)+)/.exec(shown)?.[1]
    return Buffer.from((digest ?? '').replace(/ /g, ''), 'hex')
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function show(stage: Stage, unit: string): Promise<Record<string, string>> {
  const { stdout } = await stage.run(['systemctl', 'show', unit])
  return Object.fromEntries(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => [line.split('=')[0], line.replace(/^[^=]*=/, '')]),
  )
}

/** Ends the boot that runs, if one does, and starts the next. */
async function restart(stage: Stage, boots: Boot[]): Promise<Boot> {
  if (boots.length > 0) await stage.powerOff()
  const boot = await stage.powerOn()
  boots.push(boot)
  return boot
}

// One story told in order: each test goes on from the state the one before left.
describe.each(['2.0', '1.2'] as const)('stage with TPM %s', (version) => {
  const hash = version === '2.0' ? 'sha256' : 'sha1'
  const boots: Boot[] = []
  let stage: Stage
  let firstPcrs: string[]

  beforeAll(async () => {
    stage = await createStage({ tpm: version })
  })
  afterAll(() => stage?.destroy())

  test('the first boot cannot unseal, then seals', async () => {
    const boot = await restart(stage, boots)
    expect(boot.secretShown).toBe(false)
    expect(boot.journal()).toContain('Freshness token unsealing failed!')
    expect(boot.journal()).toMatch(
      /Sealed \/var\/lib\/anti-evil-maid\/aem\/secret\.txt using --pcr 13 --pcr 17/,
    )
    expect(boot.seal?.exit).toBe(0)
    expect(await show(stage, 'anti-evil-maid-unseal')).toMatchObject({
      ActiveState: 'failed',
      Result: 'exit-code',
    })
  })

  test('what AEM leaves in dom0 and on the device', async () => {
    const { stdout } = await stage.run([
      'sh',
      '-c',
      'readlink /var/lib/tpm; cd /var/lib/tpm/aem && stat -c "%n %s" *',
    ])
    expect(stdout).toMatch(/^tpms\/[0-9a-f]{40}\n/)
    const id = stdout.split('\n')[0]?.replace('tpms/', '')
    if (version === '2.0') {
      expect(stdout).toMatch(
        /key\.pcrs 19\nkey\.priv \d+\nkey\.pub 80\nsecret\.fre\.sealed2 36\nsecret\.txt\.sealed2 \d+\n$/,
      )
      expect((await readFile(stage.pathOf('/var/lib/tpm/aem/key.pcrs'))).toString()).toBe(
        'sha256:13,17,18,19\n',
      )
    } else {
      expect(await readFile(stage.pathOf('/var/lib/tpm/aem/secret.txt.sealed2'), 'latin1')).toMatch(
        /^-----BEGIN TSS-----/,
      )
    }
    expect((await stage.run(['diff', '-r', '/var/lib/tpm/aem', `/boot/aem/tpms/${id}/aem`])).exit).toBe(0)
    // on TPM 1.2 the seal removes the runtime folder, on TPM 2.0 it stays
    expect((await stage.run(['test', '-d', '/run/anti-evil-maid'])).exit).toBe(version === '2.0' ? 0 : 1)
  })

  test('packages verify, with the signature of the test key', async () => {
    const verified = await stage.run(['rpm', '-V', 'xen-hypervisor', 'kernel', 'tboot', 'anti-evil-maid'])
    expect(verified).toMatchObject({ exit: 0, stdout: '' })
    const query = await stage.run(['rpm', '-qvv', 'xen-hypervisor'])
    const keyId = (await signerFingerprint()).slice(-8).toLowerCase()
    expect(query.stderr).toContain(`Header V4 RSA/SHA256 Signature, key ID ${keyId}: OK`)
    const evr = await stage.run(['rpm', '-q', '--qf', '%{epoch}:%{version}-%{release}', 'xen-hypervisor'])
    expect(evr.stdout).toBe('2001:4.17.4-3.fc37')
  })

  test('the second boot shows the secret', async () => {
    firstPcrs = await registers(stage, version)
    const boot = await restart(stage, boots)
    expect(boot.journal()).toContain('Freshness token unsealed.')
    expect(boot.journal()).toContain('Freshness token valid, continuing.')
    expect(boot.secretShown).toBe(true)
    expect(boot.journal()).not.toContain(stage.devices[0]?.secret)
    expect(await registers(stage, version)).toEqual(firstPcrs)
    expect(boot.id).not.toBe(boots[0]?.id)
    expect((await stage.run(['cat', '/proc/sys/kernel/random/boot_id'])).stdout.trim()).toBe(boot.id)
  })

  test('registers equal what the files give, computed apart', async () => {
    const pcrs = await registers(stage, version)
    const { entry } = boots[1] as Boot
    const extend = (register: Buffer, digest: Buffer): Buffer =>
      createHash(hash).update(register).update(digest).digest()
    const mle = await must([
      'lcp2_mlehash',
      '--create',
      '--alg',
      hash,
      '--cmdline',
      'placeholder logging=memory,serial',
      '/boot/tboot.gz',
    ])
    let [pcr18, pcr19]: [Buffer, Buffer] = [
      Buffer.alloc(pcrs[17]!.length / 2),
      Buffer.alloc(pcrs[17]!.length / 2),
    ]
    pcr18 = extend(pcr18, Buffer.from(mle.replace(/\s/g, ''), 'hex'))
    for (const [index, module] of entry.modules.entries()) {
      const digest = await moduleDigest(await stage.readBootFile(module.path), module.commandLine, hash)
      if (index === 0) pcr18 = extend(pcr18, digest)
      else pcr19 = extend(pcr19, digest)
    }
    expect(pcrs[18]).toBe(pcr18.toString('hex'))
    expect(pcrs[19]).toBe(pcr19.toString('hex'))
    const backup = `/run/header-${version}`
    const by = `/dev/disk/by-uuid/${stage.luks.uuid}`
    await stage.run(['cryptsetup', 'luksHeaderBackup', by, '--header-backup-file', backup])
    const header = createHash(hash)
      .update(await readFile(stage.pathOf(backup)))
      .digest()
    expect(pcrs[13]).toBe(extend(Buffer.alloc(header.length), header).toString('hex'))
    const log = await stage.run(['/usr/sbin/txt-stat'])
    const replayed = replayText(log.stdout, hash)
    expect([17, 18, 19].map((n) => replayed.get(n))).toEqual([17, 18, 19].map((n) => pcrs[n]))
  })

  test('after an update of Xen the unseal fails and the automatic seal adopts the new state', async () => {
    await stage.updateXen()
    expect((await stage.run(['rpm', '-V', 'xen-hypervisor'])).exit).toBe(0)
    const boot = await restart(stage, boots)
    expect(boot.secretShown).toBe(false)
    expect(boot.journal()).toContain('Freshness token unsealing failed!')
    expect(boot.journal()).toContain('Sealed /var/lib/anti-evil-maid/aem/secret.fre')
    const pcrs = await registers(stage, version)
    const moved = pcrs.flatMap((value, n) => (value === firstPcrs[n] ? [] : [n]))
    expect(moved).toEqual([18])
    const running = await readFile(stage.pathOf('/sys/hypervisor/properties/buildid'))
    expect(running).toEqual(readBuildId(xenImageOf('new', 'fc37')))
  })

  test('a drop-in holds the seal; the secret of the new state is shown all the same', async () => {
    await stage.run(['mkdir', '-p', HELD])
    await writeFile(stage.pathOf(`${HELD}/hold.conf`), '[Service]\nExecCondition=/bin/false\n')
    const before = await readFile(stage.pathOf('/var/lib/tpm/aem/secret.fre.sealed2'))
    const boot = await restart(stage, boots)
    expect(boot.secretShown).toBe(true)
    expect(boot.seal?.exit).toBe(0)
    expect(boot.journal()).not.toContain('Sealed')
    expect(await readFile(stage.pathOf('/var/lib/tpm/aem/secret.fre.sealed2'))).toEqual(before)
    expect(await show(stage, 'anti-evil-maid-seal.service')).toMatchObject({
      ActiveState: 'inactive',
      Result: 'exec-condition',
      ConditionResult: 'no',
      ExecMainStartTimestamp: '',
      DropInPaths: `${HELD}/hold.conf`,
    })
    expect(await readFile(stage.pathOf('/run/anti-evil-maid/suffix'), 'utf8')).toBe('\n')
  })

  test('an evil maid between power-off and power-on is refused by the TPM', async () => {
    await stage.powerOff()
    await stage.replaceBootFile('xen-4.17.4.gz', tamperedXen)
    boots.push(await stage.powerOn())
    expect(boots.at(-1)?.secretShown).toBe(false)
    expect(readBuildId(await stage.readBootFile('xen-4.17.4.gz'))).toEqual(
      readBuildId(xenImageOf('new', 'fc37')),
    )
    expect(asGrubLoads(await stage.readBootFile('xen-4.17.4.gz'))).not.toEqual(
      asGrubLoads(xenImageOf('new', 'fc37')),
    )
    expect((await stage.run(['rpm', '-V', 'xen-hypervisor'])).stdout).toMatch(
      /^S?\.?.*5.*\/boot\/xen-4\.17\.4\.gz/,
    )
  })

  test('without AEM there is no launch, no unseal and no seal', async () => {
    stage.setNoAem()
    const boot = await restart(stage, boots)
    expect(boot.unseal).toBeNull()
    expect((await registers(stage, version)).slice(17, 20)).toEqual(
      Array(3).fill('f'.repeat(firstPcrs[17]!.length)),
    )
    expect((await stage.run(['cat', '/proc/cmdline'])).stdout).not.toContain('aem.uuid')
    expect((await stage.run(['/usr/sbin/txt-stat'])).stdout).toContain('TXT measured launch: FALSE')
  })
})
