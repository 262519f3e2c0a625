import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  parseRpmFiles,
  parseRpmQueries,
  parseRpmQuery,
  parseRpmSignature,
  parseRpmVerify,
} from '../../../src/core/package/rpm.ts'
import { command } from '../../../src/tables/commands.ts'

function fixture(name: string): string {
  return readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8')
}

/** Lines that look like rpm's, and lines that do not. */
const lines = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'xen\t0:1-1\tx86_64\t1721174400\tnone',
        'package x is not installed',
        'S.5....T.  c /etc/x',
        'missing     /boot/x',
        'error: rpmdb open failed',
      ),
      fc.string(),
    ),
  )
  .map((own) => own.join('\n'))

describe('parseRpmQueries', () => {
  const line = (name: string, evr: string) =>
    `${name}\t${evr}\tx86_64\t1721174400\tRSA/SHA256, Tue Jul 16 12:00:00 2024, Key ID e022e58f8e34d89f\n`

  it('reads the answers of several names, the oldest version of each first', () => {
    const text = `${line('kernel', '1000:6.6.36-1.fc37')}${line('kernel', '1000:6.6.29-1.fc37')}package tboot is not installed\n`
    const answers = parseRpmQueries(text, ['kernel', 'tboot'])
    expect(answers?.get('kernel')?.map(({ evr }) => evr)).toEqual([
      '1000:6.6.29-1.fc37',
      '1000:6.6.36-1.fc37',
    ])
    expect(answers?.get('tboot')).toEqual([])
  })

  it('leaves a name out that has no answer', () => {
    expect(parseRpmQueries(line('kernel', '1000:6.6.36-1.fc37'), ['kernel', 'tboot'])?.has('tboot')).toBe(
      false,
    )
    expect(parseRpmQueries('', ['tboot'])).toEqual(new Map())
  })

  it.each([
    ['a package that was not asked for', line('bash', '0:5.2-1.fc37')],
    ['another that is not installed', 'package bash is not installed\n'],
    [
      'a name that is installed and is not',
      `${line('tboot', '1:1.10-1.fc37')}package tboot is not installed\n`,
    ],
    ['a line of another form', 'error: rpmdb: damaged header #4 retrieved -- skipping.\n'],
  ])('takes no answer with %s', (_, text) => {
    expect(parseRpmQueries(text, ['kernel', 'tboot'])).toBeNull()
  })
})

describe('parseRpmQuery', () => {
  it('reads what rpm prints', () => {
    expect(parseRpmQuery(fixture('query-signed.txt'))).toEqual([
      {
        name: 'xen-hypervisor',
        evr: '2001:4.17.4-4.fc37',
        arch: 'x86_64',
        installedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        signatureKeyId: '61da519b703e2238',
      },
    ])
    expect(parseRpmQuery(fixture('query-not-installed.txt'))).toEqual([])
  })

  it.each(['-e', '--root=x', 'a b', 'ä', 'a\u0007', '../x', 'x'.repeat(101), '.x', '_x'])(
    'refuses a name that rpm could not be asked about again: %j',
    (name) => {
      const text = `${name}\t0:1-1\tx86_64\t1721174400\tnone\n`
      expect(parseRpmQuery(text)).toBeNull()
      expect(() => command('rpm-files', { name })).toThrow()
    },
  )

  it('has no signer for what is not signed', () => {
    expect(parseRpmQuery('xen\t0:1-1\tx86_64\t1721174400\tnone\n')?.[0]?.signatureKeyId).toBeNull()
    expect(parseRpmQuery('xen\t0:1-1\tx86_64\t1721174400\t\n')?.[0]?.signatureKeyId).toBeNull()
  })

  it('orders several versions by RPM, not by the time of their installation', () => {
    const kernel = (evr: string, at: number): string => `kernel\t${evr}\tx86_64\t${at}\tnone`
    const text = [
      kernel('1000:6.6.36-1', 100),
      kernel('1000:6.1.62-1', 300),
      kernel('1000:6.6.2-1', 200),
    ].join('\n')
    expect(parseRpmQuery(text)?.map(({ evr }) => evr)).toEqual([
      '1000:6.1.62-1',
      '1000:6.6.2-1',
      '1000:6.6.36-1',
    ])
  })

  it.each([
    'error: rpmdb: damaged header',
    'xen-hypervisor 4.17.4-4',
    'xen\t(none):4.17.4-4.fc37\tx86_64\t1721174400\tnone',
    'xen\t2001:4.17.4\tx86_64\t1721174400\tnone',
    'xen\t2001:4.17.4-4\tx86_64\tyesterday\tnone',
    'xen\t2001:4.17.4-4\tx86_64\t1721174400\tnone\tmore',
    'xen\t0:1-1\tx86_64\t1721174400\tnone\npackage xen is not installed',
  ])('of %j knows nothing', (text) => {
    expect(parseRpmQuery(text)).toBeNull()
  })

  it('never fails', () => {
    fc.assert(
      fc.property(lines, (text) => {
        const found = parseRpmQuery(text)
        expect(found === null || found.every(({ evr }) => /^\d+:.+-.+$/.test(evr))).toBe(true)
      }),
    )
  })
})

describe('parseRpmFiles', () => {
  it('reads what rpm prints; what has no digest has none', () => {
    expect(parseRpmFiles(fixture('files.txt'))).toEqual([
      { evr: '2001:4.17.4-4.fc37', path: '/boot/ghost.img', sha256: null },
      {
        evr: '2001:4.17.4-4.fc37',
        path: '/boot/xen-4.17.4.gz',
        sha256: '7bf462db2f80aed7c5d59160f0634817a1e8809dc1e7485bce5d15189e5b3ad2',
      },
      {
        evr: '2001:4.17.4-4.fc37',
        path: '/etc/xen-test.conf',
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ])
  })

  it('takes no digest of another algorithm for SHA-256', () => {
    const md5 = `xen\t0:1-1\t/boot/xen.gz\t${'a'.repeat(32)}\n`
    expect(parseRpmFiles(md5)?.[0]?.sha256).toBeNull()
  })

  it.each(['rubbish', 'xen\t0:1-1\tboot/xen.gz\t', 'xen\t0:1-1'])('of %j knows nothing', (text) => {
    expect(parseRpmFiles(text)).toBeNull()
  })

  it('never fails', () => {
    fc.assert(fc.property(lines, (text) => Array.isArray(parseRpmFiles(text) ?? [])))
  })
})

describe('parseRpmVerify', () => {
  it('reads what rpm prints', () => {
    expect(parseRpmVerify(fixture('verify-changed.txt'), 1)).toEqual([
      { path: '/boot/xen-4.17.4.gz', kind: 'contents', fileFlag: null },
      { path: '/etc/xen-test.conf', kind: 'contents', fileFlag: 'c' },
    ])
    expect(parseRpmVerify(fixture('verify-missing.txt'), 1)?.[0]).toEqual({
      path: '/boot/xen-4.17.4.gz',
      kind: 'missing',
      fileFlag: null,
    })
  })

  it('finds nothing only where rpm says so by its exit code too', () => {
    expect(parseRpmVerify('', 0)).toEqual([])
    expect(parseRpmVerify('', 1)).toBeNull()
    expect(parseRpmVerify('package xen is not installed\n', 1)).toBeNull()
  })

  it.each([
    ['S.5....T.    /boot/x', 'contents'],
    ['..5......    /boot/x', 'contents'],
    ['S........    /boot/x', 'contents'],
    ['....L....    /boot/x', 'contents'],
    ['.M...UG..    /boot/x', 'attributes'],
    ['.......T.    /boot/x', 'attributes'],
    ['..?......    /boot/x', 'unreadable'],
    ['S.?....T.    /boot/x', 'contents'],
    ['missing   c /boot/x', 'missing'],
    ['missing     /boot/x (Permission denied)', 'missing'],
  ])('%j is %s', (line, kind) => {
    expect(parseRpmVerify(line, 1)).toEqual([
      { path: '/boot/x', kind, fileFlag: line.includes(' c ') ? 'c' : null },
    ])
  })

  it('knows nothing of a line of another form, whatever stands around it', () => {
    for (const odd of ['Unsatisfied dependencies for xen: x', 'S.5....T.X    /boot/x', 'error: x']) {
      expect(parseRpmVerify(`S.5....T.    /boot/x\n${odd}`, 1), odd).toBeNull()
    }
  })

  it('never fails', () => {
    fc.assert(fc.property(lines, fc.nat(2), (text, exit) => Array.isArray(parseRpmVerify(text, exit) ?? [])))
  })
})

describe('parseRpmSignature', () => {
  const KEY = '61da519b703e2238'

  it('reads what rpm prints', () => {
    expect(parseRpmSignature(fixture('signature-ok.txt'), KEY)).toBe('ok')
    expect(parseRpmSignature(fixture('signature-nokey.txt'), KEY)).toBe('no-key')
  })

  it('looks at the lines of the own key only', () => {
    expect(parseRpmSignature(fixture('signature-ok.txt'), '0000000000000000')).toBeNull()
    const other = 'Header V4 RSA/SHA256 Signature, key ID 12345678: BAD\n'
    expect(parseRpmSignature(`${other}${fixture('signature-ok.txt')}`, KEY)).toBe('ok')
  })

  it.each([
    ['OK', 'ok'],
    ['NOKEY', 'no-key'],
    ['BAD', 'bad'],
    ['NOTTRUSTED', 'bad'],
  ] as const)('%s is %s', (word, verdict) => {
    expect(parseRpmSignature(`Header V4 RSA/SHA256 Signature, key ID 703e2238: ${word}`, KEY)).toBe(verdict)
  })

  it('takes the worst of several verdicts', () => {
    const line = (word: string): string => `Header V4 RSA/SHA256 Signature, key ID 703e2238: ${word}\n`
    expect(parseRpmSignature(line('OK') + line('NOKEY'), KEY)).toBe('no-key')
    expect(parseRpmSignature(line('OK') + line('BAD'), KEY)).toBe('bad')
  })

  it('is never good without a line that says so', () => {
    fc.assert(
      fc.property(
        fc.string(),
        (text) => parseRpmSignature(text, KEY) !== 'ok' || /Signature, key ID .*: OK/i.test(text),
      ),
    )
  })
})
