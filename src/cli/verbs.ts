/* Long: a table, a row a verb. */

import type { Protection } from '../core/decide/protection.ts'
import type { DropInAct } from '../core/hold/drop-in.ts'
import type { Argument, Call, Option, Verb } from './verb.ts'

/*
 * Every verb and every option, once. The parser (program.ts), `--help`, the table of docs/contract.md and the manual page come
 * from here (`npm run docs`); after vitest's cli-config.ts. Start-up loads this file for every command, so it imports no code.
 */

/** They stand before or after every verb. */
export const GLOBAL_OPTIONS: readonly Option[] = [
  {
    flag: '--json',
    help: 'one JSON document on standard output, nothing else there',
    isAboutOutput: true,
  },
  { flag: '--machine', value: 'DIR', values: 'files', help: 'look at a recorded machine, read-only' },
  {
    flag: '--state-dir',
    value: 'DIR',
    values: 'files',
    help: 'where session and reports are (default /var/lib/aem-reseal)',
    more: 'A relative path is taken from the working directory.',
  },
  {
    flag: '--yes',
    help: 'ask nothing: recommended answers, nothing unexplained',
    more: 'The restart is by hand, and an explained change is accepted. Nothing else is agreed to: no drop-in is installed, no device brought up to date, no slot repaired.',
  },
  {
    flag: '--details',
    help: 'everything that was looked at, not one line for what is good',
    more: 'The report keeps it either way.',
    isAboutOutput: true,
  },
  { flag: '--no-color', help: 'no colours (also NO_COLOR)', isAboutOutput: true },
  {
    flag: '--ascii',
    help: 'only ASCII characters',
    more: 'What has no replacement becomes `?`.',
    isAboutOutput: true,
  },
  { flag: '--verbose', help: 'each program that is run, on standard error', isAboutOutput: true },
]

/** What the program does where no verb is named. */
export const DEFAULT_VERB = 'status'

const DEVICE: Argument = { name: 'DEVICE', isRequired: false, values: 'devices' }

const KEYS: Option = {
  flag: '--keys',
  value: 'PATH',
  isMany: true,
  values: 'files',
  help: 'key files or directories (default: beside the bulletin)',
}

export const VERBS: readonly Verb[] = [
  {
    name: 'start',
    topics: ['forward-seal', 'hold', 'plain'],
    options: [
      {
        flag: '--bulletin',
        value: 'ID|FILE',
        values: 'bulletins',
        help: 'the bulletin this update is for',
      },
      KEYS,
      {
        flag: '--protect',
        value: 'WAY',
        values: ['forward-seal', 'hold', 'plain'] satisfies readonly Protection[],
        help: 'forward-seal, hold or plain',
      },
      {
        flag: '--restart',
        value: 'WHEN',
        values: ['now', 'manual'],
        help: 'now, +MIN, HH:MM or manual',
      },
    ],
    root: 'needed',
    help: 'the wizard after an update, before the restart',
    more: 'WAY is `forward-seal`, `hold` or `plain`; WHEN is `now`, `+MIN`, `HH:MM` or `manual`.',
    clearsLeftovers: true,
    async run({ io, options, open, textOf, listOf }) {
      const { runStart } = await import('./session.ts')
      return runStart(io, options, await open(), {
        bulletin: textOf('bulletin'),
        keys: listOf('keys'),
        protect: textOf('protect'),
        restart: textOf('restart'),
      })
    },
  },
  {
    name: 'resume',
    topics: ['alarm'],
    root: 'needed',
    help: 'go on from the checkpoint, before or after the restart',
    clearsLeftovers: true,
    async run({ io, options, open }) {
      const { runResume } = await import('./session.ts')
      return runResume(io, options, await open())
    },
  },
  {
    name: 'rehearse',
    options: [
      {
        flag: '--scenario',
        value: 'NAME',
        values: 'scenarios',
        help: 'on the built-in machine, with this story',
      },
      { flag: '--list', help: 'the scenarios' },
    ],
    root: 'own',
    help: 'dry run of the whole job',
    more: 'In a dom0 with Anti Evil Maid reads are real and writes are only told; elsewhere, and with `--scenario`, a built-in machine plays dom0.',
    async run({ io, options, open, textOf, isSet, rerunAsRoot }) {
      const { hasAem, listScenarios, rehearseBuiltIn, rehearseHere } = await import('./rehearse.ts')
      if (isSet('list')) return listScenarios(io, options)
      const scenario = textOf('scenario')
      if (scenario !== null) return rehearseBuiltIn(io, options, scenario)
      const host = await open()
      if (!(await hasAem(host))) return rehearseBuiltIn(io, options, null)
      // On a real dom0 the rehearsal reads the TPM and AEM's files: only root can.
      const mustBeRoot = options.machine === null && io.uid !== 0
      return mustBeRoot ? rerunAsRoot() : rehearseHere(io, options, host)
    },
  },
  {
    name: 'status',
    root: 'needed',
    help: 'one look at AEM, TPM, devices, Xen and the session',
    async run({ io, options, open }) {
      const { runStatus } = await import('./status.ts')
      return runStatus(io, options, await open())
    },
  },
  {
    name: 'predict',
    root: 'needed',
    help: 'the PCRs of the next boot, from the files on its device now',
    async run({ io, options, open }) {
      const { runPredict } = await import('./predict.ts')
      return runPredict(io, options, await open())
    },
  },
  {
    name: 'explain',
    topics: ['alarm'],
    root: 'needed',
    help: 'what changed since the session began, and why',
    async run({ io, options, open }) {
      const { runExplain } = await import('./explain.ts')
      return runExplain(io, options, await open())
    },
  },
  {
    name: 'verify',
    options: [{ flag: '--device', value: 'SUFFIX', values: 'devices', help: 'only this device' }],
    root: 'needed',
    help: "check the devices' own sealed copies",
    clearsLeftovers: true,
    async run({ io, options, open, textOf }) {
      const { runVerify } = await import('./verify.ts')
      return runVerify(io, options, await open(), textOf('device'))
    },
  },
  {
    name: 'bulletin',
    root: 'not-needed',
    help: 'what the Qubes Security Bulletins ask, and whether it is met here',
    run: null,
  },
  {
    name: 'bulletin list',
    root: 'needed',
    help: 'all bulletins for this release',
    more: 'The newest first; each says whether it is met here.',
    async run({ io, options, open }) {
      const { runBulletinList } = await import('./bulletin.ts')
      return runBulletinList(io, options, await open())
    },
  },
  {
    name: 'bulletin show',
    argument: { name: 'ID|FILE', isRequired: true, isMany: true, values: 'bulletins' },
    options: [KEYS],
    root: 'not-needed',
    help: 'one bulletin in full, or several',
    more: 'The status of each signature stands with it.',
    async run({ io, options, args, listOf }) {
      const { runBulletinShow } = await import('./bulletin.ts')
      return runBulletinShow(io, options, args, listOf('keys'))
    },
  },
  {
    name: 'bulletin check',
    argument: { name: 'ID|FILE', isRequired: false, values: 'bulletins' },
    options: [KEYS],
    root: 'needed',
    help: 'the one answer: met, not met, restart due',
    async run({ io, options, open, args, listOf }) {
      const { runBulletinCheck } = await import('./bulletin.ts')
      return runBulletinCheck(io, options, await open(), args[0] ?? null, listOf('keys'))
    },
  },
  {
    name: 'devices',
    topics: ['devices'],
    root: 'needed',
    help: 'every AEM device, its state and what it needs',
    isChoice: true,
    async run({ io, options, open }) {
      const { runDevices } = await import('./devices.ts')
      return runDevices(io, options, await open())
    },
  },
  {
    name: 'devices refresh',
    argument: DEVICE,
    root: 'needed',
    help: "bring a device's boot files up to date; asks first",
    more: "They come from dom0's own. Without a name: the device this boot came from.",
    isChoice: true,
    clearsLeftovers: true,
    run: (call) => runDeviceAct(call, 'refresh'),
  },
  {
    name: 'devices forward-seal',
    topics: ['devices', 'forward-seal'],
    argument: { ...DEVICE, isRequired: true },
    root: 'needed',
    help: 'seal a device that was not booted from, for its own next boot',
    isChoice: true,
    clearsLeftovers: true,
    wrongArguments:
      'devices forward-seal takes the device, as `aem.stick`; the one this boot came from is sealed forward by `aem-reseal start`',
    run: (call) => runDeviceAct(call, 'forward-seal'),
  },
  {
    name: 'devices repair-slots',
    root: 'needed',
    help: 'give devices with the same freshness slot one each; asks first',
    isChoice: true,
    clearsLeftovers: true,
    wrongArguments: 'devices repair-slots takes no device: it looks at all of them',
    run: (call) => runDeviceAct(call, 'repair-slots'),
  },
  {
    name: 'gate',
    topics: ['hold'],
    root: 'own',
    help: "for systemd: may AEM's automatic seal run now?",
    more: 'Exit status 0 lets it run, 1 holds it; whatever goes wrong is a no.',
    async run({ io, options, open }) {
      // Asked by systemd in early boot: no sudo, and every answer but yes is no.
      const { runGate } = await import('./gate.ts')
      return runGate(io, options, open)
    },
  },
  {
    name: 'gate install',
    root: 'needed',
    help: 'install the drop-in that makes systemd ask; asks first',
    run: (call) => runDropInAct(call, 'install'),
  },
  {
    name: 'gate show',
    root: 'needed',
    help: 'show the drop-in, and whether systemd took it',
    run: (call) => runDropInAct(call, 'show'),
  },
  {
    name: 'gate remove',
    root: 'needed',
    help: 'remove the drop-in; asks first',
    run: (call) => runDropInAct(call, 'remove'),
  },
  {
    name: 'cancel',
    root: 'needed',
    help: 'cancel a scheduled restart and the session',
    clearsLeftovers: true,
    async run({ io, options, open }) {
      const { runCancel } = await import('./session.ts')
      return runCancel(io, options, await open())
    },
  },
  {
    name: 'record',
    options: [{ flag: '--out', value: 'DIR', isRequired: true, values: 'files', help: 'a new directory' }],
    root: 'needed',
    help: 'write this machine as a recorded machine, without secrets',
    async run({ io, options, open, textOf }) {
      const { runRecord } = await import('./record.ts')
      return runRecord(io, options, await open(), textOf('out') ?? '')
    },
  },
  {
    name: 'report',
    argument: { name: 'ID', isRequired: false, values: 'reports' },
    root: 'needed',
    help: 'the reports that are kept, or one of them',
    more: 'ID is the name of its files without their ending, or a beginning that no other report has.',
    async run({ io, options, open, args }) {
      const { runReport } = await import('./report.ts')
      return runReport(io, options, await open(), args[0] ?? null)
    },
  },
  {
    name: 'commands',
    root: 'not-needed',
    help: 'every program that may ever run',
    async run({ io, options }) {
      const { runCommands } = await import('./commands.ts')
      return runCommands(io, options)
    },
  },
  {
    name: 'plan',
    argument: { name: 'FLOW', isRequired: false, values: 'flows' },
    options: [{ flag: '--mermaid', help: 'as a Mermaid flowchart' }],
    root: 'not-needed',
    help: 'the flow, as text or Mermaid',
    more: 'Without a name: every flow but the rehearsal.',
    async run({ io, options, args, isSet }) {
      const { runPlan } = await import('./plan.ts')
      return runPlan(io, options, args[0] ?? null, isSet('mermaid'))
    },
  },
  {
    name: 'help',
    argument: { name: 'TOPIC', isRequired: false, isMany: true, values: 'topics' },
    root: 'not-needed',
    help: 'topics such as alarm, or the help of a command',
    more: 'Without a name: all topics and commands.',
    async run({ io, options, args, help }) {
      const { runHelp } = await import('./help-topic.ts')
      return runHelp(io, options, help, args.join(' '))
    },
  },
]

async function runDeviceAct(
  { io, options, open, args }: Call,
  act: 'refresh' | 'forward-seal' | 'repair-slots',
): Promise<number> {
  const devices = await import('./devices.ts')
  return devices.runDeviceAct(io, options, await open(), act, args[0] ?? null)
}

async function runDropInAct({ io, options, open }: Call, act: DropInAct): Promise<number> {
  const { runDropIn } = await import('./gate.ts')
  return runDropIn(io, options, await open(), act)
}
