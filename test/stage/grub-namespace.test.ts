import { existsSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { command } from '../../src/tables/commands.ts'
import { type RealSystemd, startRealSystemd } from './real-systemd.ts'

/*
 * The one call of systemd-run that the program makes, against a real systemd as PID 1: what the stage's stand-in is
 * compared with.
 */
let systemd: RealSystemd

beforeAll(async () => {
  if (!existsSync('/usr/bin/dbus-daemon')) throw new Error('missing; next: apt-get install dbus')
  systemd = await startRealSystemd()
  // systemd-run waits for the end by the system's bus.
  await systemd.must(['sh', '-c', 'cp /usr/lib/systemd/system/dbus.* /etc/systemd/system'])
  await systemd.must(['systemctl', 'daemon-reload'])
  await systemd.must(['systemctl', 'start', 'dbus.socket', 'dbus.service'])
  await systemd.write(
    '/usr/sbin/grub2-mkconfig',
    '#!/bin/sh\necho "$@"; ls /boot; echo generating >&2\n[ ! -e /boot/fail ] || exit 3\nmkdir -p /boot/grub2 && ls /boot >"$2"\n',
  )
  await systemd.must(['chmod', '755', '/usr/sbin/grub2-mkconfig'])
  // A /boot of the test's own, and the device where the program mounts it.
  await systemd.must(['mount', '-t', 'tmpfs', 'tmpfs', '/boot'])
  await systemd.must(['mkdir', '-p', MEDIA])
  await systemd.must(['mount', '-t', 'tmpfs', 'tmpfs', MEDIA])
  await systemd.write('/boot/of-dom0', '')
  await systemd.write(`${MEDIA}/of-the-stick`, '')
})
afterAll(() => systemd?.end())

const MEDIA = '/run/aem-reseal/media/6d2f1c8e'
const { argv } = command('make-grub-config', { mountPoint: MEDIA, name: 'aem-reseal-grub.cfg' })

test('the tool sees the device at /boot, and nobody else does', async () => {
  const made = await systemd.run(argv)
  expect(made.stderr).toContain('generating')
  expect(made.stdout).toBe('-o /boot/grub2/aem-reseal-grub.cfg\nof-the-stick\n')
  expect(made.exit).toBe(0)
  expect(await systemd.must(['ls', '/boot'])).toBe('of-dom0\n')
  expect(await systemd.must(['cat', `${MEDIA}/grub2/aem-reseal-grub.cfg`])).toContain('of-the-stick')
  expect(await systemd.must(['grep', '-c', ' /boot ', '/proc/mounts'])).toBe('1\n')
})

test('a failure of the tool comes back as its exit code, and leaves no unit behind', async () => {
  await systemd.write(`${MEDIA}/fail`, '')
  expect((await systemd.run(argv)).exit).toBe(3)
  await systemd.must(['rm', `${MEDIA}/fail`])
  expect(
    (await systemd.run(['systemctl', 'list-units', '--all', '--plain', '--no-legend', 'run-*.service']))
      .stdout,
  ).toBe('')
})

test('a device that is not mounted is a failure, and dom0 keeps its own /boot', async () => {
  const { argv: wrong } = command('make-grub-config', { mountPoint: '/run/aem-reseal/none', name: 'x.cfg' })
  expect((await systemd.run(wrong)).exit).not.toBe(0)
  expect(await systemd.must(['ls', '/boot'])).toBe('of-dom0\n')
})
