import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Host } from '../../src/host/host.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { isSecretPath, mediaMountPoint, PATHS, pathAllowed } from '../../src/tables/paths.ts'
import { machineOf, rehearse } from '../support/built-in.ts'

const places = { stateDir: '/var/lib/aem-reseal', mediaRoots: ['/mnt/stick'] }
const ID = 'a'.repeat(40)

/** A host that refuses, as the real one does, whatever the table does not allow; it notes what was opened. */
function watchPaths(host: Host, opened: Set<string>): Host {
  const check = (path: string, access: 'read' | 'write'): void => {
    opened.add(path)
    if (!pathAllowed(path, access, { ...places, mediaRoots: ['/boot'] }))
      throw new Error(`${path} is not in the table`)
  }
  const reads = ['readFile', 'readLink', 'listDirectory', 'statFile', 'digestFile', 'freeBytes'] as const
  const writes = ['writeFileAtomic', 'makePrivateDirectory', 'removeFile'] as const
  const watched: Record<string, unknown> = { ...host }
  for (const [names, access] of [
    [reads, 'read'],
    [writes, 'write'],
  ] as const) {
    for (const name of names) {
      const original = host[name] as (path: string, ...rest: unknown[]) => unknown
      watched[name] = (path: string, ...rest: unknown[]) => {
        check(path, access)
        return original(path, ...rest)
      }
    }
  }
  return watched as Host
}

describe('every path that is opened is in the table', () => {
  it.each(SCENARIOS.map(({ name, whileOff }) => [name, whileOff] as const))(
    'in %s',
    async (name, whileOff) => {
      const opened = new Set<string>()
      const { result } = await rehearse({
        machine: machineOf(name),
        whileOff,
        watch: (host) => watchPaths(host, opened),
      })
      expect(result.exit).not.toBe(70)
      expect(opened.size).toBeGreaterThan(10)
    },
  )
})

describe('pathAllowed', () => {
  it.each([
    '/etc/shadow',
    '/etc/passwd',
    '/root/.ssh/id_rsa',
    '/boot/../etc/shadow',
    '/var/lib/aem-reseal/../../../etc/shadow',
    '/var/lib/anti-evil-maid/aem/../../../../etc/shadow',
    'etc/qubes-release',
    '',
    '/proc/1/mem',
    '/dev/tpm0',
    '/dev/mem',
    '/mnt/other/xen.gz',
    '/var/lib/aem-reseal-other/x',
    '/boot/a\0b',
    '/etc/qubes-release/x',
    '/etc/qubes-releaseX',
  ])('refuses %j', (path) => {
    expect(pathAllowed(path, 'read', places)).toBe(false)
    expect(pathAllowed(path, 'write', places)).toBe(false)
  })

  it.each([
    '/boot/xen-4.17.4.gz',
    '/etc/anti-evil-maid.conf',
    '/mnt/stick/grub2/grubenv',
    '/mnt/stick/6th_gen_SINIT.BIN',
    '/proc/cmdline',
    '/usr/sbin/anti-evil-maid-seal',
  ])('allows to read %s and not to write it', (path) => {
    expect(pathAllowed(path, 'read', places)).toBe(true)
    expect(pathAllowed(path, 'write', places)).toBe(false)
  })

  it('allows to write the state directory, and to read what it may write', () => {
    for (const path of ['/var/lib/aem-reseal', '/var/lib/aem-reseal/reports/a.md']) {
      expect(pathAllowed(path, 'write', places)).toBe(true)
      expect(pathAllowed(path, 'read', places)).toBe(true)
    }
  })

  it('takes a state directory with characters of patterns for what it is', () => {
    const odd = { stateDir: '/tmp/a+b(c)[d].*', mediaRoots: [] }
    expect(pathAllowed('/tmp/a+b(c)[d].*/session.json', 'write', odd)).toBe(true)
    expect(pathAllowed('/tmp/aab/session.json', 'write', odd)).toBe(false)
  })

  it('never allows a path with .. or NUL, whatever stands around it', () => {
    const segment = fc.oneof(fc.constantFrom('boot', 'var', 'lib', 'aem-reseal', '..', '.', ''), fc.string())
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 8 }), (segments) => {
        const path = `/${segments.join('/')}`
        const isHostile = path.split('/').includes('..') || path.includes('\0')
        return !isHostile || !pathAllowed(path, 'read', places)
      }),
    )
  })
})

describe('isSecretPath', () => {
  const uuid = '6d2f1c8e-5b0a-4f0e-9a57-3f4c1f0a9d11'
  it.each([
    '/run/anti-evil-maid/srk-password',
    '/var/lib/anti-evil-maid/aem/secret.txt',
    '/var/lib/anti-evil-maid/aem.stick/secret.otp',
    `/var/lib/tpms/${ID}/aem/secret.txt.sealed2`,
    `/var/lib/tpms/${ID}/aem/key.priv`,
    `/boot/aem/tpms/${ID}/aem/secret.fre.sealed2`,
    `/mnt/stick/aem/tpms/${ID}/aem.stick/key.priv`,
    `${mediaMountPoint(uuid)}/aem/tpms/${ID}/aem.stick/secret.txt.sealed2`,
  ])('keeps the contents of %s out of records', (path) => {
    expect(pathAllowed(path, 'read', places)).toBe(true)
    expect(isSecretPath(path, places)).toBe(true)
  })

  it.each([
    '/etc/anti-evil-maid.conf',
    '/var/lib/anti-evil-maid/aem/tpm-freshness-slot',
    `/var/lib/tpms/${ID}/aem/key.pcrs`,
    '/boot/grub2/grub.cfg',
  ])('lets %s be recorded', (path) => {
    expect(isSecretPath(path, places)).toBe(false)
  })
})

it('says of every row why', () => {
  for (const row of PATHS) expect(row.why.length, row.pattern).toBeGreaterThan(5)
  expect(new Set(PATHS.map(({ pattern }) => pattern)).size).toBe(PATHS.length)
})
