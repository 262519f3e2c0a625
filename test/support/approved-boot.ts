import type { ApprovedBoot } from '../../src/core/session/approved-boot.ts'

/** An approved boot of which nothing is kept but what a test says. */
export function makeApprovedBoot(changes: Partial<ApprovedBoot> = {}): ApprovedBoot {
  return {
    at: '2024-07-17T09:00:00.000Z',
    bootId: 'boot-1',
    bootTime: null,
    how: 'accepted',
    bank: 'sha256',
    registers: {},
    policy: null,
    commandLines: { mle: null, xen: null, kernel: null },
    files: [],
    packages: null,
    components: null,
    ...changes,
  }
}
