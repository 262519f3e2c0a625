import { expect, it } from 'vitest'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { ANSWERS } from '../support/answers.ts'
import { machineOf } from '../support/built-in.ts'
import { runMain } from '../support/io.ts'

it('`predict --json` says of each component what vouches for it: a new Xen is packaged, the rest is unchanged', async () => {
  const { json } = await runMain(['predict', '--json'], {
    host: makeSimulatedHost(machineOf('clean-update')),
  })
  const { pcrs } = ANSWERS.predict.parse(json)
  const rules = pcrs.flatMap(({ components }) =>
    (components ?? []).map(({ role, vouchedBy }) => `${role} ${vouchedBy?.rule}`),
  )
  expect(rules).toContain('xen packaged')
  expect(rules).toContain('kernel unchanged')
  expect(rules).not.toContain('xen null')
})
