import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { smallSinit } from './boot-disk.ts'
import { launchLog } from './launch-log.ts'
import type { BootChoice } from './loader.ts'
import { launchPlan, measureLaunch, moduleDigests, replay } from './measure.ts'

const TBOOT = '/boot/tboot.gz'

const loaded = (path: string, commandLine: string, image: string | Buffer) => ({
  path,
  commandLine,
  image: Buffer.from(image as string),
})

const choice = (): BootChoice => ({
  title: 'AEM Qubes',
  tboot: loaded('/tboot.gz', 'placeholder logging=memory,serial', gunzipSync(readFileSync(TBOOT))),
  sinit: loaded('/SINIT.BIN', '', smallSinit()),
  modules: [
    loaded('/xen.gz', 'placeholder console=com1', 'Xen'),
    loaded('/vmlinuz', 'placeholder quiet', 'kernel'),
    loaded('/initramfs', '', 'initramfs'),
  ],
})

/** Digests by coreutils, so that Node.js does not judge itself; parts are hex. */
function sum(program: 'sha1sum' | 'sha256sum', hex: string): string {
  return execFileSync(program, { input: Buffer.from(hex, 'hex'), encoding: 'latin1' }).split(' ')[0] as string
}

test('a module is H(H(command line) || H(image))', () => {
  const { sha1, sha256 } = moduleDigests('ab', Buffer.from('c'))
  // printf ab | sha1sum; printf c | sha1sum; the two digests joined, through xxd -r -p | sha1sum
  expect(sha1.toString('hex')).toBe(sum('sha1sum', sum('sha1sum', '6162') + sum('sha1sum', '63')))
  expect(sha256.toString('hex')).toBe(sum('sha256sum', sum('sha256sum', '6162') + sum('sha256sum', '63')))
})

test('an extend is H(register || digest), from zero', () => {
  const digests = { sha1: Buffer.alloc(20, 1), sha256: Buffer.alloc(32, 2) }
  const events = [
    { pcr: 18, type: 0x501, digests },
    { pcr: 19, type: 0x501, digests },
  ]
  expect(replay(events, 18, 'sha1')).toBe(sum('sha1sum', '00'.repeat(20) + '01'.repeat(20)))
  expect(replay(events, 19, 'sha256')).toBe(sum('sha256sum', '00'.repeat(32) + '02'.repeat(32)))
})

test('Xen goes to PCR 18 after tboot, kernel and initramfs to PCR 19', async () => {
  expect(existsSync(TBOOT), 'next: apt-get install tboot').toBe(true)
  const launch = await measureLaunch(choice())
  if (!launch) throw new Error('no launch')
  const mle = launch.mleHash.sha256.toString('hex')
  const [xen, kernel, initramfs] = launch.modules.map(({ digests }) => digests.sha256.toString('hex'))
  const extend = (register: string, digest: string | undefined): string => sum('sha256sum', register + digest)
  const zero = '00'.repeat(32)
  expect(launch.registers.sha256[18]).toBe(extend(extend(zero, mle), xen))
  expect(launch.registers.sha256[19]).toBe(extend(extend(zero, kernel), initramfs))
  const plan = JSON.parse(launchPlan(launch)) as { hash: string; extends: { pcr: number }[] }
  expect(plan.hash).toBe(smallSinit().toString('hex'))
  expect(plan.extends.map(({ pcr }) => pcr)).toEqual([17, 18, 17, 18, 19, 19])
})

test('a word on a line and a byte of a file each move their own register alone', async () => {
  const base = await measureLaunch(choice())
  const changed = async (
    index: number,
    change: (module: ReturnType<typeof loaded>) => void,
  ): Promise<boolean[]> => {
    const other = choice()
    change(other.modules[index] as ReturnType<typeof loaded>)
    const launch = await measureLaunch(other)
    return ([17, 18, 19] as const).map((pcr) => launch?.registers.sha256[pcr] !== base?.registers.sha256[pcr])
  }
  expect(await changed(0, (module) => module.image.write('Y'))).toEqual([false, true, false])
  expect(await changed(2, (module) => module.image.write('j'))).toEqual([false, false, true])
  const more = (module: { commandLine: string }): void => {
    module.commandLine += ' x'
  }
  expect(await changed(0, more)).toEqual([false, true, false])
  expect(await changed(1, more)).toEqual([false, false, true])
})

test('the launch log replays to the registers', async () => {
  const launch = await measureLaunch(choice())
  const log = launchLog(launch)
  expect(log).toContain('TXT measured launch: TRUE')
  const found = [...log.matchAll(/PCRIndex: (\d+)\n.*Type: \S+\n.*Digest: ([0-9a-f ]+)\n/g)]
  const registers = new Map<string, string>()
  for (const [, pcr = '', digest = ''] of found) {
    if (pcr === '255') continue
    registers.set(pcr, sum('sha256sum', (registers.get(pcr) ?? '00'.repeat(32)) + digest.replace(/ /g, '')))
  }
  expect(Object.fromEntries(registers)).toEqual(launch?.registers.sha256)
})

test('without a launch the plan is null and the log says so', async () => {
  const plain = { ...choice(), tboot: null, sinit: null }
  expect(await measureLaunch(plain)).toBeNull()
  expect(launchPlan(null)).toBe('null')
  expect(launchLog(null)).toContain('TXT measured launch: FALSE')
})
