import { describe, expect, it } from 'vitest'
import { fold } from '../../src/ui/fold.ts'
import { line } from '../../src/ui/ui.ts'
import { aSession } from '../support/built-in.ts'
import { runMain } from '../support/io.ts'
import { aemDom0, RecordedDom0 } from '../support/recorded-machine.ts'

const look = (machine: RecordedDom0, ...args: string[]) => runMain(['--machine', machine.write(), ...args])
const timesIn = (text: string, part: string): number => text.split(part).length - 1
const person = { stdinIsTerminal: true, stdoutIsTerminal: true }

describe('wrong usage', () => {
  it.each([
    [['bulletin'], 'bulletin takes list, show or check\n'],
    [['bulletin', 'lst'], 'bulletin takes list, show or check, not lst\n'],
  ])('%j says what it takes', async (args, says) => {
    const run = await runMain(args)
    expect(run.exit).toBe(2)
    expect(run.stderr).toContain(says)
  })
})

describe('an error', () => {
  const args = ['devices', 'forward-seal', '--machine', '/nowhere']

  it('is broken between words on a terminal, below its first word', async () => {
    const { stderr } = await runMain(args, { errorColumns: 50 })
    const lines = stderr.trimEnd().split('\n')
    expect(Math.max(...lines.map((own) => own.length))).toBeLessThanOrEqual(50)
    expect(lines[1]).toMatch(/^ {7}\S/)
  })

  it('stays whole in a file', async () => {
    const { stderr } = await runMain(args)
    expect(stderr).toMatch(/^error: .+\nnext: .+\n$/)
  })
})

describe('a terminal that has no width', () => {
  it.each([0, 1, 5])('of %i columns gets its lines whole', (columns) => {
    const long = line('    why: a sentence that is longer than this terminal is wide')
    expect(fold(long, columns)).toEqual([long])
  })
})

describe('one look', () => {
  it('explain without a baseline calls nothing the same, and says once that nothing was recorded', async () => {
    const { exit, stdout } = await look(aemDom0(), 'explain')
    expect(exit).toBe(1)
    expect(stdout).toContain('nothing was recorded before the restart')
    expect(stdout).not.toMatch(/\bsame\b|sha256/)
  })

  it('predict gives the reason that refuses everything once', async () => {
    const { stdout } = await look(aemDom0(), 'predict')
    expect(stdout).toContain('nothing is predicted')
    expect(timesIn(stdout.replace(/\s+/g, ' '), 'no launch log of this boot could be read')).toBe(1)
  })

  it('verify of a copy that would not unseal sends nobody into a blind reseal', async () => {
    const changed = aemDom0().withTpm20({ 18: 'ab'.repeat(32) })
    const alone = (await look(changed, 'verify')).stdout.replace(/\s+/g, ' ')
    expect(alone).toContain('aem: no secret would appear at its next boot')
    expect(alone).toContain('do not reseal before you know what changed')
    const session = JSON.stringify(aSession())
    const open = await look(changed.withFile('/var/lib/aem-reseal/session.json', session), 'verify')
    expect(open.stdout).toContain('aem-reseal resume')
    expect(open.stdout).not.toContain('sudo anti-evil-maid-seal')
  })

  it('status says once that the devices are not known, and not that there are none', async () => {
    const { stdout } = await look(new RecordedDom0(), 'status')
    expect(timesIn(stdout, '\ndevices ')).toBe(1)
    expect(stdout).not.toContain('none found')
  })

  it('status sends nobody to a repair of slots that TPM 2.0 refuses', async () => {
    const machine = aemDom0()
      .withStick()
      .withFile('/var/lib/anti-evil-maid/aem.stick/tpm-freshness-slot', '0\n')
    const { stdout } = await look(machine, 'status')
    expect(stdout).toContain('same freshness slot as')
    expect(stdout).not.toContain('repair-slots')
  })
})

describe('the rehearsal', () => {
  const rehearse = (scenario: string, answers: Record<string, string>) =>
    runMain(['rehearse', '--scenario', scenario], { ...person, answers: { bulletin: '103', ...answers } })

  it('stops the reader where a secret that was sealed forward does not appear', async () => {
    const evil = await runMain(['rehearse', '--scenario', 'evil-maid', '--yes'])
    expect(evil.stdout).toMatch(/NO SECRET APPEARED[\s\S]*type nothing and power off[\s\S]*UNEXPLAINED/)
    expect(evil.stdout).toContain('it was sealed forward and should have appeared')
    const clean = await runMain(['rehearse', '--scenario', 'clean-update', '--yes'])
    expect(clean.stdout).not.toMatch(/NO SECRET APPEARED|should have appeared|without asking what changed/)
  })

  it('names the registers that are predicted to differ, and what a declined restart leaves behind', async () => {
    const { exit, stdout } = await rehearse('clean-update', { protection: 'hold', restart: 'no' })
    expect(exit).toBe(1)
    expect(stdout).toContain('NOT appear this once: PCR 18 will differ.')
    expect(stdout).toContain("AEM's automatic seal stays on hold")
    expect(stdout).not.toContain('nothing was changed;')
  })
})
