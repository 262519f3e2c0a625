import { gunzipSync } from 'node:zlib'
import { joinCommandLine } from './expand.ts'

/** What GRUB loaded from one file. Texts are Latin-1, one character for each byte. */
export type Loaded = {
  /** As the entry names it, without a device. */
  readonly path: string
  readonly commandLine: string
  /** As loaded: a gzip file is decompressed unless the command says otherwise. */
  readonly image: Buffer
}

/** How GRUB would start what it loaded last. */
export type LoadedSystem = {
  readonly verb: 'multiboot' | 'multiboot2' | 'linux' | 'chainloader'
  readonly kernel: Loaded
  readonly modules: readonly Loaded[]
}

export type Loader = {
  /** @returns GRUB's error number, 0 for none; undefined: no command of the loader */
  readonly run: (command: string, args: readonly string[]) => number | undefined
  readonly loaded: () => LoadedSystem | null
}

const FILE_NOT_FOUND = 2
const BAD_ARGUMENT = 18

/**
 * The commands that load something (GRUB 2.06: loader/multiboot.c, grub_cmd_multiboot and grub_cmd_module;
 * loader/i386/linux.c). The file name is not part of the command line, except in Linux's own BOOT_IMAGE=.
 */
export function makeLoader(readFile: (path: string) => Buffer | null): Loader {
  let active: LoadedSystem['verb'] | null = null
  const kernels = new Map<string, { kernel: Loaded; modules: Loaded[] }>()
  const open = (path: string, args: readonly string[], unzip: boolean): Loaded | null => {
    const bytes = readFile(path)
    const isZipped = unzip && bytes?.[0] === 0x1f && bytes[1] === 0x8b
    return (
      bytes && {
        path: path.replace(/^\([^)]*\)/, ''),
        commandLine: joinCommandLine(args),
        image: isZipped ? gunzipSync(bytes) : bytes,
      }
    )
  }
  const start = (verb: LoadedSystem['verb'], args: readonly string[]): number => {
    active = null
    kernels.delete(verb)
    const [path, ...rest] = args.filter((word) => !word.startsWith('--quirk-'))
    if (path === undefined) return BAD_ARGUMENT
    const kernel = open(path, verb === 'linux' ? [`BOOT_IMAGE=${path}`, ...rest] : rest, true)
    if (!kernel) return FILE_NOT_FOUND
    kernels.set(verb, { kernel, modules: [] })
    active = verb
    return 0
  }
  const add = (verb: LoadedSystem['verb'], args: readonly string[], unzip: boolean): number => {
    const [path, ...rest] = args
    const started = kernels.get(verb)
    if (path === undefined || !started) return BAD_ARGUMENT
    const module = open(path, rest, unzip)
    if (!module) return FILE_NOT_FOUND
    started.modules.push(module)
    return 0
  }
  return {
    run(command, args) {
      if (/^(multiboot2?|chainloader)$/.test(command)) return start(command as LoadedSystem['verb'], args)
      if (/^linux(16|efi)?$/.test(command)) return start('linux', args)
      if (/^module2?$/.test(command)) {
        const isStored = args[0] === '--nounzip'
        const verb = command === 'module' ? 'multiboot' : 'multiboot2'
        return add(verb, isStored ? args.slice(1) : args, !isStored)
      }
      if (!/^initrd(16|efi)?$/.test(command)) return undefined
      return args.map((path) => add('linux', [path], false)).find((error) => error !== 0) ?? 0
    },
    loaded() {
      const system = active && kernels.get(active)
      return active && system ? { verb: active, ...system } : null
    },
  }
}
