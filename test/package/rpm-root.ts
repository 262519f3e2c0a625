import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type Finished, hostEnvironment, must, run } from '../stage/process.ts'
import type { PackageSpec } from '../stage/releases.ts'
import { buildPackage } from '../stage/rpm.ts'

/** A root of its own with an RPM database, as a Fedora has it: no Debian package is in it, and no program either. */
export type RpmRoot = {
  readonly path: (file: string) => string
  /** `rpm ARGS` on that root; a package's path is one of this machine. */
  readonly rpm: (...args: readonly string[]) => Promise<Finished>
  readonly write: (file: string, text: string, mode?: number) => Promise<void>
  readonly read: (file: string) => Promise<string>
  /** Every file, link and directory below the root but the RPM database, sorted. */
  readonly list: () => Promise<readonly string[]>
}

export async function makeRpmRoot(): Promise<RpmRoot> {
  const root = await mkdtemp(join(tmpdir(), 'aem-reseal-root-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  await chmod(root, 0o755)
  for (const folder of ['run', 'var/spool', 'var/lib/rpm', 'etc', 'tmp'])
    await mkdir(join(root, folder), { recursive: true })
  const database = ['--root', root, '--dbpath', '/var/lib/rpm']
  await must(['rpm', ...database, '--initdb'])
  const path = (file: string): string => join(root, file)
  return {
    path,
    rpm: (...args) => run(['rpm', ...database, ...args], { env: hostEnvironment(), timeoutMs: 60_000 }),
    write: async (file, text, mode = 0o644) => {
      await mkdir(dirname(path(file)), { recursive: true })
      await writeFile(path(file), text)
      await chmod(path(file), mode)
    },
    read: (file) => readFile(path(file), 'utf8'),
    list: async () =>
      (await readdir(root, { recursive: true, withFileTypes: true }))
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
        .filter((file) => !file.startsWith('/var/lib/rpm'))
        .sort(),
  }
}

/** A package with the given files and no more. @param evr such as `1:22.11.0-1` */
export function stub(name: string, evr: string, files: readonly string[] = []): Promise<string> {
  const [, epoch, version, release] = /^(?:(\d+):)?([^-]+)-(.+)$/.exec(evr) ?? []
  const spec: PackageSpec = {
    name,
    ...(epoch === undefined ? {} : { epoch: Number(epoch) }),
    version: version ?? '',
    release: release ?? '',
    files: Object.fromEntries(files.map((file) => [file, { content: Buffer.from(`${file} of ${evr}\n`) }])),
  }
  return buildPackage(spec)
}

/** What Fedora 41 brings of what the package requires. */
export async function dependencies(nodejs = '1:22.11.0-1.fc41'): Promise<readonly string[]> {
  return [await stub('nodejs', nodejs), await stub('tpm2-tools', '5.7-2.fc41')]
}

/** The package in the folder of a build. */
export async function rpmIn(folder: string): Promise<string> {
  const name = (await readdir(folder)).find((file) => file.endsWith('.rpm'))
  if (name === undefined) throw new Error(`no package in ${folder}`)
  return join(folder, name)
}
