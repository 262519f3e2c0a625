import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classifyTpm2Error, parseTpm2Lockout } from '../../../src/core/seal/tpm2-answers.ts'

/* Error output of tpm2-tools 5.4 on swtpm 0.7.1, as each was provoked. */
const refused = (tool: string, code: string, text: string): string =>
  [
    `WARNING:esys:src/tss2-esys/api/Esys_${tool}.c:324:Esys_${tool}_Finish() Received TPM Error `,
    `ERROR:esys:src/tss2-esys/api/Esys_${tool}.c:112:Esys_${tool}() Esys Finish ErrorCode (0x00000${code}) `,
    `ERROR: Eys_${tool}(0x${code.toUpperCase()}) - ${text}`,
    'ERROR: Unable to run tpm2',
  ].join('\n')

describe('classifyTpm2Error', () => {
  it.each([
    ['policy', refused('Unseal', '99d', 'tpm:session(1):a policy check failed')],
    [
      'bad-password',
      refused('Load', '98e', 'tpm:session(1):the authorization HMAC check failed and DA counter incremented'),
    ],
    [
      'lockout',
      refused(
        'Load',
        '921',
        'tpm:warn(2.0): authorizations for objects subject to DA protection are not allowed',
      ),
    ],
    ['no-memory', refused('Load', '902', 'tpm:warn(2.0): out of memory for object contexts')],
    ['bad-object', refused('Load', '1df', 'tpm:parameter(1):integrity check failed')],
    ['no-srk', 'ERROR: Esys_TR_FromTPMPublic(0x18B) - tpm:handle(1):the handle is not correct for the use\n'],
    [
      'bad-object',
      'ERROR: Error deserializing private structure: 0x90006\nERROR: The input file needs to be a valid TPM2B_PRIVATE data structure\n',
    ],
    ['bad-password', refused('Load', '9a2', 'tpm:session(1):authorization failure without DA implications')],
    [
      'unknown',
      refused('Load', '101', 'tpm:error(2.0): commands not being accepted because of a TPM failure'),
    ],
    [
      'bad-password',
      'WARNING: (0x00000000)\nERROR: tcti(0xA000A)\nERROR: Esys_Load(0x98E) - tpm:session(1)\n',
    ],
    ['unknown', 'ERROR: Esys_Load(0xC018E) - rmt:the resource manager\n'],
    ['unknown', 'ERROR: tcti:IO failure\n'],
    ['unknown', 'ERROR: Esys_Load(0xA000A) - tcti:IO failure\n'],
    ['unknown', ''],
  ])('%s', (cause, stderr) => {
    expect(classifyTpm2Error(stderr)).toBe(cause)
  })

  it('answers something of anything', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof classifyTpm2Error(`(0x${text})`) === 'string'))
  })
})

describe('parseTpm2Lockout', () => {
  const text = [
    'TPM2_PT_PERMANENT:',
    '  inLockout:                 1',
    'TPM2_PT_LOCKOUT_COUNTER: 0x3',
    'TPM2_PT_MAX_AUTH_FAIL: 0x20',
    '',
  ].join('\n')

  it('reads counter, limit and state', () => {
    expect(parseTpm2Lockout(text)).toEqual({ isLockedOut: true, failedTries: 3, maxTries: 32 })
  })

  it('is null when one is missing', () => {
    for (const line of text.split('\n').slice(1, 4))
      expect(parseTpm2Lockout(text.replace(line, ''))).toBeNull()
  })
})
