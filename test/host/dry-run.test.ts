import { describe, expect, it } from 'vitest'
import { makeDryRunHost } from '../../src/host/dry-run.ts'
import { seen } from '../../src/host/host.ts'
import { command } from '../../src/tables/commands.ts'
import { makeFakeHost } from '../support/fake-host.ts'

function dryRunOf(told: Parameters<typeof makeFakeHost>[0]) {
  const lines: string[] = []
  return { lines, ...makeDryRunHost(makeFakeHost(told), (text) => lines.push(text)) }
}

describe('a dry run', () => {
  it('reads for real', async () => {
    const answer = seen({ exit: 0, stdout: 'dom0\n', stderr: '' })
    const { host } = dryRunOf({ run: async () => answer, readFile: async () => seen(Buffer.from('x')) })
    expect(await host.run(command('running-qubes', {}))).toBe(answer)
    expect(await host.readFile('/etc/qubes-release')).toEqual(seen(Buffer.from('x')))
  })

  it('tells each write in exactly the argv that would be executed, and does none', async () => {
    const { host, lines } = dryRunOf({})
    for (const call of [
      command('seal', {}),
      command('restart-in', { minutes: '5' }),
      command('flush-transient', {}),
    ]) {
      expect(await host.run(call)).toEqual(seen({ exit: 0, stdout: '', stderr: '' }))
      expect(lines.at(-1)).toBe(`run ${call.argv.join(' ')}`)
    }
    await host.writeFileAtomic('/var/lib/aem-reseal/session.json', Buffer.from('x'), 0o600)
    await host.makePrivateDirectory('/var/lib/aem-reseal')
    await host.removeFile('/var/lib/aem-reseal/session.json')
    await host.renameFile('/var/lib/aem-reseal/a', '/var/lib/aem-reseal/b')
    expect(lines.slice(3)).toEqual([
      'write /var/lib/aem-reseal/session.json',
      'write /var/lib/aem-reseal',
      'write /var/lib/aem-reseal/session.json',
      'write /var/lib/aem-reseal/a',
    ])
  })

  it('has another boot id after its restart', async () => {
    const { host, restart } = dryRunOf({ readFile: async () => seen(Buffer.from('real\n')) })
    const path = '/proc/sys/kernel/random/boot_id'
    expect(await host.readFile(path)).toEqual(seen(Buffer.from('real\n')))
    restart('another')
    expect(await host.readFile(path)).toEqual(seen(Buffer.from('another\n')))
    expect(await host.readFile('/proc/cmdline')).toEqual(seen(Buffer.from('real\n')))
  })

  it('takes no lock', async () => {
    const { host } = dryRunOf({})
    await (await host.lockFile('/var/lib/aem-reseal/session.lock')).release()
  })
})
