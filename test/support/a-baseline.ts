import type { Baseline } from '../../src/core/session/checkpoint.ts'

/** What is recorded of a boot of which nothing but its registers is known. */
export function aBaseline(changes: Partial<Baseline> = {}): Baseline {
  return {
    takenAt: '2024-07-17T09:00:00.000Z',
    bootId: 'boot-1',
    bootTime: null,
    bank: 'sha256',
    selectedPcrs: [13],
    pcrs: { sha256: { 13: '00' } },
    kernelCommandLine: null,
    xenCommandLine: null,
    runningXen: { version: null, buildId: null },
    bootFiles: [],
    packages: [],
    sealedFiles: [],
    launchLog: null,
    components: null,
    ...changes,
  }
}
