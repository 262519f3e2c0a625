import { RPM_NAME } from '../../core/package/rpm.ts'

/** What a program does to the machine; `read` may still mount, load into the TPM or write below /run for the time of a look. */
export const EFFECTS = ['read', 'write'] as const
export type Effect = (typeof EFFECTS)[number]

export const SECOND = 1000
export const KIB = 1024

/** A program that this one may run. What is left out is as in `DEFAULTS`. */
export type Row = {
  /** Absolute path of the program. */
  readonly program: string
  /** `{name}` stands for a parameter. */
  readonly args: readonly string[]
  /** The form of each parameter, by its name; left out: it has none. */
  readonly params?: Readonly<Record<string, RegExp>>
  readonly effect: Effect
  readonly asRoot?: boolean
  readonly timeoutMs?: number
  readonly maxOutputBytes?: number
  /** A parameter that is a comma list: its argument and the option before it stand there once for each item. */
  readonly repeat?: string
  /** A parameter that is a comma list: an argument for each item. */
  readonly list?: string
  /** What it finds in its environment beyond PATH, LC_ALL, HOME and TZ; `{name}` stands for a parameter. */
  readonly environment?: Readonly<Record<string, string>>
  /** Where its files must have modes that all may read: this program's own umask is 077. Octal, e.g. 0o022. */
  readonly umask?: number
  /** Standard output is bytes, not text. */
  readonly binary?: true
  /** Standard output is a secret: never recorded, never shown. */
  readonly secret?: true
  readonly why: string
  readonly source: string
  /** A real answer, shortened; the version of the tool that printed it. */
  readonly sample: string
}

export const DEFAULTS = {
  params: {},
  asRoot: true,
  timeoutMs: 60 * SECOND,
  maxOutputBytes: 64 * KIB,
} as const

/** The forms of parameters. Each takes a whole value; none takes a line end. */
export const FORM = {
  rpmName: RPM_NAME,
  /** Names with a comma between them, which no name has. */
  rpmNames: /^[A-Za-z0-9][A-Za-z0-9+._-]{0,99}(,[A-Za-z0-9][A-Za-z0-9+._-]{0,99})*$/,
  absolutePath: /^\/[^\0\n]{0,1023}$/,
  uuid: /^[0-9A-Fa-f-]{4,36}$/,
  unit: /^[A-Za-z0-9@._-]{1,100}\.(service|target)$/,
  /** A label suffix as AEM takes it (anti-evil-maid-install, LABEL_SUFFIX_CHARS). */
  suffix: /^[0-9a-zA-Z=.-]{0,13}$/,
  kernelRelease: /^[0-9][A-Za-z0-9+._-]{0,99}$/,
  fileName: /^[A-Za-z0-9][A-Za-z0-9+._-]{0,99}$/,
  minutes: /^[0-9]{1,4}$/,
  pcrList: /^[0-9]{1,2}(,[0-9]{1,2})*$/,
  selection: /^sha256:[0-9]{1,2}(,[0-9]{1,2})*$/,
  clockTime: /^([01][0-9]|2[0-3]):[0-5][0-9]$/,
  /** The command line as a person typed it: for the start as root alone, which hands on what it was given. */
  anything: /^/,
} as const
