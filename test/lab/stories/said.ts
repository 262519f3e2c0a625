import type { Boot } from '../machine/boot.ts'

/* What the program says of a machine when it is asked for JSON (docs/contract.md, `status`). */

export type Status = {
  readonly notice: { readonly code: string; readonly command: string | null } | null
  readonly session: unknown
  readonly protection: { readonly state: string; readonly reasons: readonly { readonly code: string }[] }
}

/** `status --json`; the screen of the same command is for the words. */
export async function statusOf(boot: Boot): Promise<Status> {
  const { stdout } = await boot.run(['aem-reseal', 'status', '--json'], { timeoutS: 600 })
  return JSON.parse(stdout) as Status
}

/** A screen without its line breaks and runs of blanks, so that words are found wherever a line was wrapped. */
export function flat(screen: string): string {
  return screen.replaceAll(/\s+/g, ' ')
}

/** What an interactive login shell of root says first (/etc/profile.d). */
export async function saidAtLogin(boot: Boot): Promise<string> {
  const { stdout, stderr } = await boot.run(['bash', '-lic', 'true'])
  return stdout + stderr
}
