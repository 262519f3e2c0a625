import { defineConfig } from 'vitest/config'

/** Tests that replace a module, or end or meet other programs of their process: each file has a process of its own. */
const OWN_PROCESS = [
  'test/host/**/*.test.ts',
  'test/{cli,flow}/bulletin*.test.ts',
  'test/core/launch/module-digest.test.ts',
  'test/flow/broken-check.test.ts',
]

/**
 * unit: no processes beyond the system's own small tools, many files in one process, since loading the sources takes longer
 * than most files; own-process: the same, each file alone; e2e: the built file in a terminal; stage, package: root and real
 * parts; lab: whole machines.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/{core,observe,act,flow,audit,cli}/**/*.test.ts'],
          exclude: OWN_PROCESS,
          isolate: false,
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'own-process',
          include: OWN_PROCESS,
          testTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/build-dist.ts'],
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'stage',
          include: ['test/stage/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          globalSetup: ['test/package/build-packages.ts'],
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
      {
        test: {
          name: 'lab',
          include: ['test/lab/**/*.test.ts'],
          testTimeout: 3_600_000,
          hookTimeout: 3_600_000,
        },
      },
    ],
  },
})
