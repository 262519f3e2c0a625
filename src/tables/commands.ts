import { AEM_AND_SYSTEMD } from './commands/aem-and-systemd.ts'
import { BOOT_FILES } from './commands/boot-files.ts'
import { BULLETIN } from './commands/bulletin.ts'
import { DEVICES } from './commands/devices.ts'
import { LAUNCH } from './commands/launch.ts'
import { DEFAULTS, type Effect, FORM, type Row } from './commands/row.ts'
import { RPM } from './commands/rpm.ts'
import { TPM2 } from './commands/tpm2.ts'
import { TPM12 } from './commands/tpm12.ts'

/*
 * Every program this one may ever run. Nothing else spawns: the host takes a CommandCall, and only
 * `command()` below makes one. `aem-reseal commands` and docs/commands.md are rendered from this table.
 */
export const COMMANDS = {
  ...RPM,
  ...BULLETIN,
  ...LAUNCH,
  ...DEVICES,
  ...BOOT_FILES,
  ...AEM_AND_SYSTEMD,
  ...TPM2,
  ...TPM12,
} as const

export type CommandId = keyof typeof COMMANDS
export type CommandParams<I extends CommandId> = (typeof COMMANDS)[I] extends {
  readonly params: infer P
}
  ? { readonly [name in keyof P]: string }
  : Readonly<Record<string, never>>

/** A row with what it leaves out filled in. */
export function commandRow(id: CommandId): Row & Required<Pick<Row, keyof typeof DEFAULTS>> {
  return { ...DEFAULTS, ...COMMANDS[id] }
}

/** One run of one program, with its argv already made; what is printed in a dry run is what is executed. */
export type CommandCall<I extends CommandId = CommandId> = {
  readonly id: I
  readonly params: Readonly<Record<string, string>>
  /** argv[0] is the absolute path. */
  readonly argv: readonly string[]
  readonly asRoot: boolean
  readonly effect: Effect
  readonly timeoutMs: number
  readonly maxOutputBytes: number
  readonly binary: boolean
  /** null: as this program has it. */
  readonly umask: number | null
  readonly environment: Readonly<Record<string, string>>
  /** Its standard output must not be kept anywhere. */
  readonly secret: boolean
}

/**
 * The call of a program of the table.
 * @throws Error when a parameter is not of its form: a defect of the caller, who checks foreign text first
 */
export function command<I extends CommandId>(id: I, params: CommandParams<I>): CommandCall<I> {
  const row = commandRow(id)
  const checked = checkParams(id, row.params, params)
  const args = row.args.flatMap((arg, at) => fillArgument(row, arg, at, checked))
  return {
    id,
    params: checked,
    argv: [row.program, ...args],
    asRoot: row.asRoot,
    effect: row.effect,
    timeoutMs: row.timeoutMs,
    maxOutputBytes: row.maxOutputBytes,
    binary: row.binary === true,
    umask: row.umask ?? null,
    environment: Object.fromEntries(
      Object.entries(row.environment ?? {}).map(([name, value]) => [name, fillTemplate(value, checked)]),
    ),
    secret: row.secret === true,
  }
}

/** Is this foreign text a label suffix that AEM would take (anti-evil-maid-install, LABEL_SUFFIX_CHARS)? */
export function isSuffix(text: string): boolean {
  return FORM.suffix.test(text)
}

/** Can this foreign text stand where the table wants a path? */
export function isAbsolutePath(text: string): boolean {
  return FORM.absolutePath.test(text)
}

/** Can this foreign text name a kernel, as in /lib/modules? */
export function isKernelRelease(text: string): boolean {
  return FORM.kernelRelease.test(text)
}

export function isUuid(text: string): boolean {
  return FORM.uuid.test(text)
}

/** @returns the parameters of the row, and no other */
function checkParams(
  id: CommandId,
  forms: Readonly<Record<string, RegExp>>,
  given: Readonly<Record<string, unknown>>,
): Record<string, string> {
  const checked: Record<string, string> = {}
  for (const [name, form] of Object.entries(forms)) {
    const value = given[name]
    if (typeof value !== 'string' || !form.test(value))
      throw new Error(`${id}: ${name} is not of its form: ${JSON.stringify(value)}`)
    checked[name] = value
  }
  return checked
}

function fillArgument(row: Row, arg: string, at: number, params: Record<string, string>): readonly string[] {
  if (row.list !== undefined && arg === `{${row.list}}`) return (params[row.list] ?? '').split(',')
  if (row.repeat === undefined || arg !== `{${row.repeat}}`) return [fillTemplate(arg, params)]
  const [first = '', ...others] = (params[row.repeat] ?? '').split(',')
  return [first, ...others.flatMap((item) => [row.args[at - 1] ?? '', item])]
}

// Formats hold %{NAME}, so only the names of this command's parameters are filled in.
function fillTemplate(arg: string, params: Record<string, string>): string {
  let filled = arg
  for (const [name, value] of Object.entries(params)) {
    filled = filled.replace(`{${name}}`, () => value)
  }
  return filled
}
