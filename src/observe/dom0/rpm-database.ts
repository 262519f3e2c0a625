import type { Component } from '../../core/decide/confirm-update.ts'
import {
  type InstalledPackage,
  type PackageFile,
  parseRpmFiles,
  parseRpmQueries,
  parseRpmQuery,
  parseRpmVerify,
  type VerifyFinding,
} from '../../core/package/rpm.ts'
import type { Host, RunResult, Seen } from '../../host/host.ts'
import { seen, unknown, valueOrNull } from '../../host/host.ts'
import { command } from '../../tables/commands.ts'
import { parsed } from '../read-text.ts'
import { onceEach } from './once.ts'

/** Packages whose files end up in what AEM measures. */
export const MEASURED_PACKAGES: readonly { readonly name: string; readonly component: Component }[] = [
  { name: 'xen-hypervisor', component: 'xen' },
  { name: 'kernel', component: 'kernel' },
  { name: 'kernel-latest', component: 'kernel' },
  { name: 'microcode_ctl', component: 'microcode' },
  { name: 'amd-ucode-firmware', component: 'microcode' },
  { name: 'linux-firmware', component: 'initramfs' },
  { name: 'dracut', component: 'initramfs' },
  { name: 'anti-evil-maid', component: 'aem' },
  { name: 'tboot', component: 'tboot' },
]

/** Both packages of dom0's kernel. */
export const KERNEL_PACKAGES = MEASURED_PACKAGES.filter(({ component }) => component === 'kernel').map(
  ({ name }) => name,
)

/** What rpm answers in one look: each question is put to it once. */
export type RpmDatabase = {
  /** All installed versions of a package, the oldest first; the measured packages are asked for in one call. */
  packages(name: string): Promise<Seen<readonly InstalledPackage[]>>
  /** Asks for several in one call, so that `packages` has them. */
  askFor(names: readonly string[]): void
  /** Files of all installed versions of a package. */
  files(name: string): Promise<Seen<readonly PackageFile[]>>
  /** What `rpm -V` finds; all versions of the name are verified together. */
  findings(name: string): Promise<Seen<readonly VerifyFinding[]>>
  /** What rpm says while it reads a package's header, its signature among it. */
  headerWords(name: string): Promise<Seen<RunResult>>
  /** The installed versions that a path belongs to, which must be a plain absolute one. */
  owners(path: string): Promise<Seen<readonly InstalledPackage[]>>
}

export function observeRpmDatabase(host: Host): RpmDatabase {
  const asked = new Map<string, Promise<Seen<readonly InstalledPackage[]>>>()
  const askFor = (names: readonly string[]): void => {
    const missing = names.filter((name) => !asked.has(name))
    if (missing.length === 0) return
    const answers = queryPackages(host, missing)
    for (const name of missing) {
      const answer = answers.then((answerOf) => answerOf(name))
      // A failure is told to whoever asks for the name; that nobody does is no failure of its own.
      answer.catch(() => undefined)
      asked.set(name, answer)
    }
  }
  return {
    packages(name) {
      const isMeasured = MEASURED_PACKAGES.some((measured) => measured.name === name)
      if (!asked.has(name)) askFor(isMeasured ? MEASURED_PACKAGES.map((measured) => measured.name) : [name])
      return asked.get(name) ?? Promise.resolve(unknown(`${name} was not asked for`))
    },
    askFor,
    files: onceEach(async (name) => {
      const run = await host.run(command('rpm-files', { name }))
      return parsed(run, ({ stdout }) => parseRpmFiles(stdout), 'rpm -q --qf')
    }),
    findings: onceEach(async (name) => {
      const run = await host.run(command('rpm-verify', { name }))
      return parsed(run, ({ stdout, exit }) => parseRpmVerify(stdout, exit), 'rpm -V')
    }),
    headerWords: onceEach((name) => host.run(command('rpm-signature', { name }))),
    owners: onceEach(async (path) => {
      const run = await host.run(command('rpm-owner', { path }))
      return parsed(run, ({ stdout, exit }) => (exit === 0 ? parseRpmQuery(stdout) : []), 'rpm -qf')
    }),
  }
}

type Answers = (name: string) => Promise<Seen<readonly InstalledPackage[]>>

async function queryPackages(host: Host, names: readonly string[]): Promise<Answers> {
  const alone = async (name: string) => {
    const run = await host.run(command('rpm-query', { names: name }))
    return parsed(run, ({ stdout }) => parseRpmQuery(stdout), 'rpm -q')
  }
  if (names.length === 1) return alone
  const run = await host.run(command('rpm-query', { names: names.join(',') }))
  // A recording may hold the answers one by one.
  if (run.state === 'unknown' && host.kind === 'recorded') return alone
  const all = valueOrNull(parsed(run, ({ stdout }) => parseRpmQueries(stdout, names), 'rpm -q'))
  return async (name) => {
    const packages = all?.get(name)
    if (packages !== undefined) return seen(packages)
    return run.state === 'seen' ? unknown('rpm -q answered in a form that is not known') : run
  }
}
