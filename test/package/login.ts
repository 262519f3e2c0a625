import { existsSync, readFileSync } from 'node:fs'
import { chmod, copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect } from 'vitest'
import type { Stage } from '../stage/stage.ts'
import type { TerminalSession } from '../stage/terminal.ts'

/** The user of dom0, who needs no password for sudo (qubes-core-dom0-linux, qubes.sudoers). */
const USER = 'qubesuser'
/** One that no machine has. */
const UID = '4242'
const SUDO_LOG = '/var/log/sudo-of-the-test'
const LOG = '/run/stage/notifications'
const DAEMON = '/usr/libexec/stage/notification-daemon.py'

export type Notification = {
  readonly app: string
  readonly summary: string
  readonly body: string
  readonly actions: readonly string[]
  readonly urgency: number
}

/** Gives a stage its user, and a terminal program that takes the terminal it was started in for its window. */
export async function addUser(stage: Stage): Promise<void> {
  const put = async (file: string, text: string, mode: number): Promise<void> => {
    await mkdir(path.dirname(stage.pathOf(file)), { recursive: true })
    await writeFile(stage.pathOf(file), text)
    await chmod(stage.pathOf(file), mode)
  }
  const add = async (file: string, line: string): Promise<void> => {
    const at = stage.pathOf(file)
    await writeFile(at, `${readFileSync(at, 'utf8')}${line}\n`)
  }
  await add('/etc/passwd', `${USER}:x:${UID}:${UID}::/home/${USER}:/bin/bash`)
  await add('/etc/group', `${USER}:x:${UID}:`)
  await add('/etc/shadow', `${USER}:*:19000:0:99999:7:::`)
  await put(
    '/etc/sudoers.d/qubes',
    `${USER} ALL=(ALL) NOPASSWD: ALL\nDefaults logfile=${SUDO_LOG}\nDefaults loglinelen=0\n`,
    0o440,
  )
  // xfce4-terminal(1): -x, --execute takes the rest of the command line.
  await put('/usr/bin/xfce4-terminal', '#!/bin/sh\n[ "$1" = -x ] || exit 64\nshift\nexec "$@"\n', 0o755)
  await copyFile(path.join(import.meta.dirname, 'notification-daemon.py'), stage.pathOf(DAEMON))
}

function asUser(...argv: readonly string[]): readonly string[] {
  const identity = ['--reuid', UID, '--regid', UID, '--clear-groups']
  const environment = [`HOME=/home/${USER}`, `USER=${USER}`, `LOGNAME=${USER}`, 'SHELL=/bin/bash']
  return ['setpriv', ...identity, 'env', ...environment, ...argv]
}

/**
 * A login: a session bus, a notification daemon, and what the XDG autostart entry starts.
 * @param choose the action that the person takes
 */
export async function logIn(stage: Stage, choose: 'run' | 'nothing' = 'nothing'): Promise<TerminalSession> {
  await rm(stage.pathOf(LOG), { force: true })
  await stage.run(['sh', '-c', `: >${LOG} && chown ${UID} ${LOG}`])
  const entry = readFileSync(stage.pathOf('/etc/xdg/autostart/aem-reseal-notice.desktop'), 'utf8')
  const exec = /^Exec=(.+)$/m.exec(entry)?.[1]
  const session = `python3 ${DAEMON} ${LOG} ${choose} >/run/stage/daemon 2>&1 & daemon=$!
until grep -q ready /run/stage/daemon; do sleep 0.1; done
${exec}
echo "notice ended with $?"
kill $daemon`
  await stage.run(['sh', '-c', `: >/run/stage/daemon && chown ${UID} /run/stage/daemon`])
  return stage.runPty(asUser('dbus-run-session', '--', 'sh', '-c', session))
}

/** What the notification daemon was told in this login. */
export function notificationsOf(stage: Stage): readonly Notification[] {
  const file = stage.pathOf(LOG)
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
  return lines.map((line) => JSON.parse(line))
}

/** A login in which the person does nothing. @returns what was shown */
export async function lookAtLogin(stage: Stage): Promise<readonly Notification[]> {
  const before = countLooks(stage)
  const login = await logIn(stage)
  expect([await login.finished, login.screen()]).toEqual([0, expect.stringContaining('notice ended with 0')])
  // Quiet is what it was told, not that it could not ask.
  expect(countLooks(stage)).toBe(before + (existsSync(stage.pathOf('/etc/aem-reseal/no-notices')) ? 0 : 1))
  return notificationsOf(stage)
}

/** How often the user's sudo ran `aem-reseal status --json`. */
function countLooks(stage: Stage): number {
  const log = stage.pathOf(SUDO_LOG)
  const text = existsSync(log) ? readFileSync(log, 'utf8') : ''
  return text.split('\n').filter((line) => line.endsWith('COMMAND=/usr/bin/aem-reseal status --json')).length
}

/** What a new shell of the user prints by itself. */
export async function openShell(stage: Stage, shell = 'bash'): Promise<string> {
  const done = await stage.run(asUser(shell, '-i', '-c', '. /etc/profile.d/aem-reseal.sh'))
  expect(done.exit).toBe(0)
  const lines = `${done.stdout}${done.stderr}`.split('\n')
  // A shell without a terminal says that it has no job control.
  return lines.filter((line) => line.startsWith('aem-reseal:')).join('\n')
}
