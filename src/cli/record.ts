import { makeDirectoryStore } from '../act/session-store.ts'
import type { Host } from '../host/host.ts'
import { observeBulletins } from '../observe/bulletin/bulletins.ts'
import { observeConfirmedPackages } from '../observe/dom0/confirmed-packages.ts'
import { observeDom0 } from '../observe/dom0/dom0.ts'
import { observeLogOf, observeProtection } from '../observe/dom0/protection-state.ts'
import { observeStatus } from '../observe/dom0/status.ts'
import { observeBaseline } from '../observe/launch/baseline.ts'
import { observeVerification } from '../observe/verify/verify.ts'
import { makeFailure } from '../tables/failures.ts'
import { line } from '../ui/ui.ts'
import { makeUi, printJson, stateDirOf } from './context.ts'
import type { GlobalOptions, Io } from './io.ts'

/** `aem-reseal record --out DIR`: everything the looks read, as a recorded machine without secrets. */
export async function runRecord(io: Io, options: GlobalOptions, host: Host, out: string): Promise<number> {
  if (out === '') throw makeFailure('usage', { reason: '--out needs a directory' })
  if (!host.writable) throw makeFailure('machine-is-read-only', { path: out })
  const { makeRecorder } = await import('../host/recorder.ts')
  const ui = makeUi(io, options)
  const recorder = await makeRecorder(host, out)
  const dom0 = observeDom0(recorder.host)
  const work = ui.progress(
    'reading everything that status, verify, explain and bulletin list read',
    async () => {
      const status = await observeStatus(dom0)
      const store = makeDirectoryStore(recorder.host, stateDirOf(options))
      await store.load().catch(() => null)
      await store.loadVersions().catch(() => null)
      const seal = await dom0.seal()
      const look = { state: 'absent' } as const
      const log = await observeLogOf(dom0, status)
      await observeProtection(recorder.host, {
        status,
        session: null,
        look,
        held: null,
        boot: null,
        seal,
        log,
        prepared: null,
        luks: null,
      })
      await observeConfirmedPackages(dom0, status.machine.bootTime)
      await observeBaseline(dom0, status.aem.selectedPcrs ?? [])
      await observeVerification(dom0, null)
      // Packages only: which qube has which device (the exposure check) is nobody else's business.
      await observeBulletins(dom0, await dom0.catalogue())
      return recorder.write()
    },
  )
  const summary = await work.finally(() => recorder.close())
  if (options.json) printJson(io, 'record', summary)
  else {
    ui.say([
      line(`recorded in ${out}: ${summary.files} files, ${summary.commands} answers`, 'good'),
      line('left out, contents never written:'),
      ...summary.leftOut.map((path) => line(`  ${path}`, 'dim')),
      line('  serial numbers, labels and UUIDs of devices that are not AEM devices', 'dim'),
      line(`next: ${lookCommand(io, out)}; look through it before you give it away:`),
      line('      it holds UUIDs, command lines, package versions and PCR values of this machine'),
    ])
  }
  return 0
}

/** The directory is root's, who alone can read it where sudo ran this. */
function lookCommand(io: Io, out: string): string {
  const sudo = io.environment.SUDO_UID === undefined ? '' : 'sudo '
  const quoted = /^[\w./+:@-]+$/.test(out) ? out : `'${out.replaceAll("'", "'\\''")}'`
  return `${sudo}aem-reseal --machine ${quoted} status`
}
