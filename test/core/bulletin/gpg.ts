import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type GpgCall, signaturePlan } from '../../../src/core/bulletin/gpg-calls.ts'
import { decideCertified, parseCertifications } from '../../../src/core/bulletin/gpg-certifications.ts'
import { type GpgSignature, parseGpgStatus } from '../../../src/core/bulletin/gpg-status.ts'

const environment = { PATH: '/usr/bin:/bin', LC_ALL: 'C' }

/** A directory that is gone after the tests, with the agents of its key rings. */
export const makeWorkplace = () => {
  const root = mkdtempSync(join(tmpdir(), 'gpg-'))
  const homes: string[] = []
  return {
    root,
    home: (name: string): string => {
      const home = join(root, name)
      mkdirSync(home, { mode: 0o700 })
      homes.push(home)
      return home
    },
    file: (name: string, content: string | Uint8Array): string => {
      const path = join(root, name)
      writeFileSync(path, content)
      return path
    },
    remove: (): void => {
      for (const home of homes)
        execFileSync('gpgconf', ['--homedir', home, '--kill', 'all'], { env: environment })
      rmSync(root, { recursive: true, force: true })
    },
  }
}

export type Workplace = ReturnType<typeof makeWorkplace>

/** stdout of a planned call, whatever its exit status: that is how the plan is meant. */
export const run = (call: GpgCall): string => {
  try {
    return execFileSync(call.argv[0]!, call.argv.slice(1), {
      encoding: 'utf8',
      env: environment,
      stdio: 'pipe',
    })
  } catch (error) {
    return (error as { stdout: string }).stdout
  }
}

const now = (): number => Math.floor(Date.now() / 1000)

/** Runs the whole plan: who vouches for whom, and what was found in each signature file. */
export const verify = (
  home: string,
  keyFiles: readonly string[],
  textFile: string,
  signatureFiles: readonly string[],
): { certified: ReadonlySet<string>; found: GpgSignature[][] } => {
  const plan = signaturePlan(home, keyFiles, textFile, signatureFiles)
  run(plan.importKeys)
  const certified = decideCertified(parseCertifications(run(plan.checkCertifications)), now())
  return { certified, found: plan.verify.map((call) => parseGpgStatus(run(call))) }
}

export type Signer = { readonly keyFile: string; readonly fingerprint: string; readonly home: string }

/** A key of our own; `expired` makes one that was valid on 2025-01-01 only. */
export const makeSigner = (place: Workplace, name: string, expired = false): Signer => {
  const home = place.home(`${name}-secret`)
  const gpg = (...args: string[]): string =>
    execFileSync('gpg', ['--homedir', home, '--batch', '--no-tty', '--passphrase', '', ...args], {
      encoding: 'utf8',
      env: environment,
      stdio: 'pipe',
    })
  const time = expired ? ['--faked-system-time', '20250101T000000'] : []
  gpg(
    ...time,
    '--quick-generate-key',
    `${name} <${name}@example.org>`,
    'ed25519',
    'sign',
    expired ? '1d' : '0',
  )
  const keyFile = join(place.root, `${name}.asc`)
  gpg('--armor', '--output', keyFile, '--export')
  const fingerprint = /^fpr:{9}([0-9A-F]{40}):/m.exec(gpg('--with-colons', '--list-keys'))![1]!
  return { keyFile, fingerprint, home }
}

export const sign = (signer: Signer, textFile: string, ...options: string[]): string => {
  const output = `${textFile}.sig.${signer.fingerprint}`
  execFileSync(
    'gpg',
    ['--homedir', signer.home, '--batch', '--yes', ...options, '--output', output, '--detach-sign', textFile],
    {
      env: environment,
      stdio: 'pipe',
    },
  )
  return output
}

/** The revocation certificate gpg stores beside a new key; a colon keeps it from being imported by mistake. */
export const revocationOf = (place: Workplace, signer: Signer): string => {
  const stored = readFileSync(join(signer.home, 'openpgp-revocs.d', `${signer.fingerprint}.rev`), 'utf8')
  return place.file(`${signer.fingerprint}.rev.asc`, stored.replace(/^:-----/m, '-----'))
}
