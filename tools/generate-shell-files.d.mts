import type { Verb } from '../src/cli/verb.ts'

/** Every file for shells and man(1): text by its place below /usr/share. */
export function generateShellFiles(
  places?: { readonly devices?: string; readonly state?: string },
  verbs?: readonly Verb[],
): Promise<ReadonlyMap<string, string>>
