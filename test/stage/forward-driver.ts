/*
 * Runs inside the stage's dom0, bundled by the test that uses it: the step `forward-seal` on the program's real host,
 * ended by SIGKILL before or after its n-th write.
 *
 *   forward-driver.mjs seal before|after N     N beyond the last write: runs to its end and prints their number
 *   forward-driver.mjs restore                 what `cancel` does
 */
import { restoreSession } from '../../src/act/forward-seal/restore.ts'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { forwardSeal } from '../../src/flow/steps/forward-seal.ts'
import type { Host } from '../../src/host/host.ts'
import { makeRealHost } from '../../src/host/real.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { makeQuietUi } from '../../src/ui/terminal.ts'

const STATE = '/var/lib/aem-reseal'

type Cut = { readonly when: 'before' | 'after'; readonly at: number }

/** A host whose machine loses its power at a write; `written` names all writes so far. */
function makeMortalHost(host: Host, cut: Cut, written: string[]): Host {
  const write = async <T>(name: string, act: () => Promise<T>): Promise<T> => {
    written.push(name)
    const isCut = written.length === cut.at
    if (isCut && cut.when === 'before') process.kill(process.pid, 'SIGKILL')
    const result = await act()
    if (isCut) process.kill(process.pid, 'SIGKILL')
    return result
  }
  return {
    ...host,
    run: (call, input) =>
      call.effect === 'read'
        ? host.run(call, input)
        : write(call.argv.join(' '), () => host.run(call, input)),
    writeFileAtomic: (path, bytes, mode) =>
      write(`write ${path}`, () => host.writeFileAtomic(path, bytes, mode)),
    makePrivateDirectory: (path) => write(`mkdir ${path}`, () => host.makePrivateDirectory(path)),
    removeFile: (path) => write(`rm ${path}`, () => host.removeFile(path)),
    renameFile: (from, to) => write(`rename ${from}`, () => host.renameFile(from, to)),
  }
}

const [mode, when, at] = process.argv.slice(2)
const written: string[] = []
const real = makeRealHost({ stateDir: STATE, userDirectories: [] })
await real.clearLeftovers?.()
const host = makeMortalHost(
  real,
  { when: when === 'before' ? 'before' : 'after', at: Number(at ?? 0) },
  written,
)
const store = makeDirectoryStore(host, STATE)
const session = await store.load()
if (session === null) throw new Error('no session')

if (mode === 'restore') {
  console.log(JSON.stringify(await restoreSession(observeDom0(real), session)))
} else {
  const options = { bulletin: null, protect: null, restart: null, canAsk: false, yes: false, dryRun: false }
  const askTerminal = async (): Promise<never> => {
    throw new Error('nobody is asked')
  }
  const ui = makeQuietUi({ yes: false, askTerminal })
  const report = await forwardSeal({
    host,
    dom0: observeDom0(host),
    ui,
    store,
    options,
    session,
    simulateRestart: null,
  })
  console.log(JSON.stringify({ outcome: report.outcome, facts: report.facts, written }))
}
await real.close()
