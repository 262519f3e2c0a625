import { describe, expect, it } from 'vitest'
import { explainTxtError, readTxtErrorCode } from '../../../src/core/launch/txt-error.ts'
import { txtRegisters } from '../../support/protected-dom0.ts'

describe('TXT.ERRORCODE', () => {
  it('is read as txt-stat prints it', () => {
    expect(readTxtErrorCode(txtRegisters('0xc0003c11'))).toBe(0xc0003c11)
    expect(readTxtErrorCode(txtRegisters('0x00000000'))).toBe(0)
    expect(readTxtErrorCode('ERROR: cannot open /dev/mem\n')).toBeNull()
    // 64 bits as some print it: the upper half is reserved.
    expect(readTxtErrorCode('\tERRORCODE: 0x00000001c0003c11\n')).toBe(0xc0003c11)
  })

  it("is not what tboot's log says of an earlier launch", () => {
    // fixtures/txt-stat-tpm12-legacy.txt, line 459: what tboot read before it launched.
    const log = 'TBOOT: TXT.ERRORCODE: 0xc0000001\n'
    expect(readTxtErrorCode(log)).toBeNull()
    expect(readTxtErrorCode(`${log}${txtRegisters('0xc0003c11')}`)).toBe(0xc0003c11)
  })

  it.each([0, 0x40000000, 0xc0000001, 0xc0000009])('%i is no error (tboot, txt_has_error)', (code) => {
    expect(explainTxtError(code)).toBeNull()
  })

  it.each([
    // tboot-devel, a Skylake with the wrong SINIT module.
    [0xc0003c11, 'the SINIT module refused: class 0x01 (the conditions to start it), error 0x0f'],
    // tboot-devel 2011-06: progress 0x07, error 0x03; classes of such old modules are not named.
    [0xc0000c71, 'the SINIT module refused: class 0x07, error 0x03'],
    [0xc00128d1, 'the SINIT module refused: class 0x0d (access to the TPM), error 0x0a, detail 0x01'],
    [0xc0000441, 'the SINIT module refused: class 0x04 (access to the TPM), error 0x01'],
    [0xc0031910, 'the BIOS module refused: class 0x11, error 0x06, detail 0x03'],
    [0xc0000419, "Intel's module of type 9 refused: class 0x01, error 0x01"],
    [0x80000000, 'the processor ended the launch: shutdown (a crash of what was launched)'],
    [0x80000007, 'the processor ended the launch: the signature of the module does not verify'],
    [0x80000003, 'the processor ended the launch: error type 3'],
    [0xc0008010, 'tboot or Xen gave the launch up, by its own code 0x10'],
    [0xc000a005, 'the kernel or hypervisor gave the launch up, by its own code 0x5'],
  ])('%i says: %s', (code, words) => {
    expect(explainTxtError(code)).toBe(words)
  })
})
