import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { NOTICES } from '../../src/core/decide/notice.ts'
import { sayNotice } from '../../src/messages/notice.ts'
import { run } from '../stage/process.ts'
import { ROOT } from '../support/sources.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/*
 * The helper of the login, with answers that no status would give. Stand-ins: sudo, which prints an answer for the program, and
 * notify-send, which keeps its arguments; the story has the real ones.
 */

type Options = { readonly sudo?: string; readonly notifySend?: string | null }

async function notice(answer: unknown, options: Options = {}) {
  const place = temporaryDirectory()
  const put = (name: string, text: string): void => {
    writeFileSync(join(place, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(place, name), 0o755)
  }
  const shown = join(place, 'shown')
  writeFileSync(join(place, 'answer'), typeof answer === 'string' ? answer : JSON.stringify(answer))
  put('sudo', options.sudo ?? `[ "$2" = -v ] || /bin/cat '${place}/answer'`)
  if (options.notifySend !== null)
    put('notify-send', options.notifySend ?? `for each; do printf '%s\\n' "$each"; done >'${shown}'`)
  for (const name of ['sed', 'sh']) symlinkSync(`/usr/bin/${name}`, join(place, name))
  const done = await run(['/bin/sh', join(ROOT, 'packaging/notice/notice')], { env: { PATH: place } })
  return { ...done, shown: existsSync(shown) ? readFileSync(shown, 'utf8').trimEnd().split('\n') : null }
}

describe('the notice at login', () => {
  it.each(NOTICES)('offers the command of %s', async (code) => {
    const said = sayNotice(code, 'xen-hypervisor 4.19.4-1')
    const { exit, shown } = await notice({ notice: said })
    expect(exit).toBe(0)
    expect(shown?.slice(-3)).toEqual(['--', said.title, said.text])
    expect(shown).toContain(`--action=run=${said.command}`)
  })

  it('says nothing where nothing is due, and where sudo wants a password', async () => {
    expect(await notice({ notice: null })).toMatchObject({ exit: 0, shown: null })
    expect(await notice({ notice: sayNotice('alarm', '') }, { sudo: 'exit 1' })).toMatchObject({
      exit: 0,
      shown: null,
    })
  })

  it.each([
    ['an error', { error: { code: 'session-damaged' } }],
    ['no JSON', 'Segmentation fault'],
    ['nothing', ''],
  ])('says that it could not look where the answer is %s', async (_what, answer) => {
    const { shown } = await notice(answer)
    expect(shown).toContain('aem-reseal could not look at this machine')
    expect(shown).toContain('--action=run=aem-reseal')
  })

  it('runs nothing but its own verbs, and shows no markup, whatever the answer says', async () => {
    const hostile = {
      code: 'start',
      title: 'a\nb\u001b[31m',
      text: '<a href="x">&</a> $(touch /tmp/x) `id`\nsecond line',
      command: 'aem-reseal cancel; id',
    }
    const { exit, shown } = await notice({ notice: hostile })
    expect(exit).toBe(0)
    expect(shown?.some((word) => word.startsWith('--action'))).toBe(false)
    expect(shown?.slice(-2)).toEqual([
      'a b [31m',
      '&lt;a href="x"&gt;&amp;&lt;/a&gt; $(touch /tmp/x) `id` second line',
    ])
  })

  it('still says it where notify-send knows no actions, and on standard error where there is none', async () => {
    const said = sayNotice('resume', '')
    const place = temporaryDirectory()
    // libnotify before 0.8: `Unknown option --action=...`, exit 1.
    const old = `case "$*" in *--action*) exit 1;; esac; echo "$*" >${place}/old`
    expect((await notice({ notice: said }, { notifySend: old })).exit).toBe(0)
    expect(readFileSync(join(place, 'old'), 'utf8')).toContain(said.title)
    const { exit, stderr } = await notice({ notice: said }, { notifySend: null })
    expect([exit, stderr]).toEqual([0, `aem-reseal: ${said.title}: ${said.text}\n`])
  })
})
