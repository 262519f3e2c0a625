/*
 * TXT.ERRORCODE, the register that says why Intel TXT refused or ended a launch. Its form: Intel TXT Software Development
 * Guide (315168), section B.1.3 and appendix I; tboot's own reading of it: tboot 1.10, tboot/include/txt/errorcode.h and
 * tboot/txt/errors.c. It keeps its value over a warm restart.
 */

/** ERRORCODE as txt-stat prints it (tboot 1.7 to 1.10, utils/txt-stat.c: `\tERRORCODE: 0xc0003c11`); null where it is not there. */
export function readTxtErrorCode(text: string): number | null {
  const hex = /^\s*ERRORCODE: 0x([0-9a-f]{1,16})\s*$/im.exec(text)?.[1]
  return hex === undefined ? null : Number.parseInt(hex.slice(-8), 16)
}

const VALID = 31
const EXTERNAL = 30
const NOT_A_MODULE = 15

/**
 * What the register says in words, or null where it says no error: not valid, or a module's class 0 and error 0, which is
 * how it reports success (errors.c, txt_has_error: 0xc0000001, 0xc0000009).
 * @param code the lower 32 bits
 */
export function explainTxtError(code: number): string | null {
  if (bits(code, VALID, 1) === 0) return null
  if (bits(code, EXTERNAL, 1) === 0) {
    const type = bits(code, 0, 30)
    return `the processor ended the launch: ${PROCESSOR[type] ?? `error type ${type}`}`
  }
  return bits(code, NOT_A_MODULE, 1) === 1 ? explainSoftware(code) : explainModule(code)
}

/** Unsigned, whatever bit 31 is. */
function bits(code: number, from: number, count: number): number {
  return Math.floor(code / 2 ** from) % 2 ** count
}

/** Types of the processor's own errors (Software Development Guide, table of section B.1.3). */
const PROCESSOR: Readonly<Record<number, string>> = {
  0: 'shutdown (a crash of what was launched)',
  5: 'wrong memory type in the area of the module',
  6: 'the module has no form that it knows',
  7: 'the signature of the module does not verify',
  8: 'the module has an invalid form',
  9: 'unexpected snoop hit',
  10: 'invalid event',
  11: 'invalid launched environment (MLE)',
  12: 'machine check',
  13: 'VMX abort',
  14: 'memory of the module was corrupted',
  15: 'illegal voltage or bus ratio',
}

/** What launched, or was launched, gave up: tboot's codes are its own (include/tb_error.h); of others only the number says. */
function explainSoftware(code: number): string {
  const [error, source] = [bits(code, 0, 12), bits(code, 12, 3)]
  const place = source === 0 ? 'tboot or Xen' : 'the kernel or hypervisor'
  return `${place} gave the launch up, by its own code 0x${error.toString(16)}`
}

const MODULES: Readonly<Record<number, string>> = { 0: 'the BIOS module', 1: 'the SINIT module' }

/**
 * Classes of a SINIT module's errors by which the cause can be told; Intel's list of errors of each module names them all.
 * 0x0d and 0x10 are those of the modules until 2012 (tboot's errorcode.h), which number their others in another way.
 */
const CLASSES: Readonly<Record<number, string>> = {
  1: 'the conditions to start it',
  2: 'memory types (MTRRs)',
  3: 'memory ranges',
  4: 'access to the TPM',
  5: "the chipset's configuration by the firmware",
  6: "the chipset's configuration by the firmware",
  13: 'access to the TPM',
  16: 'the launch control policy',
}

function explainModule(code: number): string | null {
  const [type, group, error] = [bits(code, 0, 4), bits(code, 4, 6), bits(code, 10, 5)]
  if (group === 0 && error === 0) return null
  const about = type === 1 ? CLASSES[group] : undefined
  const minor = bits(code, 16, 9)
  return [
    `${MODULES[type] ?? `Intel's module of type ${type}`} refused: class ${hex(group)}`,
    about === undefined ? '' : ` (${about})`,
    `, error ${hex(error)}`,
    minor === 0 ? '' : `, detail ${hex(minor)}`,
  ].join('')
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(2, '0')}`
}
