// Adds up vitest's JSON reports and prints the closing line `N passed, N failed`.
//
//   node tools/count-tests.mjs REPORT.json...
//
// A report that is missing or damaged counts as one failure, as does a test file that could not be loaded, and a run
// that vitest itself calls unsuccessful. Exit 1 when anything failed or when no test passed.
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

/**
 * @param {unknown} report vitest's JSON reporter, version 4
 * @returns {{ passed: number, failed: number, skipped: number }}
 */
export function countReport(report) {
  const {
    numPassedTests,
    numFailedTests,
    numPendingTests = 0,
    numTodoTests = 0,
    success,
    testResults,
  } = report
  if (!Number.isInteger(numPassedTests) || !Number.isInteger(numFailedTests) || !Array.isArray(testResults)) {
    return { passed: 0, failed: 1, skipped: 0 }
  }
  const notLoaded = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && (assertionResults ?? []).length === 0,
  ).length
  const failed = numFailedTests + notLoaded
  return {
    passed: numPassedTests,
    failed: failed === 0 && success !== true ? 1 : failed,
    skipped: numPendingTests + numTodoTests,
  }
}

/** @param {readonly string[]} paths */
export function countReports(paths) {
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const path of paths) {
    let counted = { passed: 0, failed: 1, skipped: 0 }
    try {
      counted = countReport(JSON.parse(readFileSync(path, 'utf8')))
    } catch (error) {
      console.error(`no test report at ${path}: ${error.message}`)
    }
    for (const key of Object.keys(total)) total[key] += counted[key]
  }
  return total
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { passed, failed, skipped } = countReports(process.argv.slice(2))
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0
}
