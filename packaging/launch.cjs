#!/usr/bin/node
// What /usr/bin/aem-reseal leads to: it runs the program beside it, from code that an earlier run of root's left. Compiling
// takes longer than `status` does. Node's own compile cache (module.enableCompileCache) keeps only what was compiled before the
// program ran, which is little, and Node 20 has none.
'use strict'
const {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} = require('node:fs')
const { dirname, join } = require('node:path')
const { Script } = require('node:vm')
const { crc32 } = require('node:zlib')

const CACHE = '@CACHE@'
/** Writable by group or others. */
const FOREIGN_WRITE = 0o022
/** In such a directory only its owner removes or renames a file (inode(7), S_ISVTX). */
const STICKY = 0o1000
/** Before V8's code: CRC-32 of the program, CRC-32 of the code, big-endian. V8 compares no more of its source than the length. */
const HEADER_BYTES = 8

/** Root runs what it finds in the cache: can root alone write there, and lead the way there? Absent, it is made. */
function isOfRootAlone(path) {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return path === CACHE && isOfRootAlone(dirname(path))
  const isSafeAbove = path !== CACHE && (stat.mode & STICKY) !== 0
  if (!stat.isDirectory() || stat.uid !== 0) return false
  if ((stat.mode & FOREIGN_WRITE) !== 0 && !isSafeAbove) return false
  return path === '/' || isOfRootAlone(dirname(path))
}

/** The code kept of these bytes; undefined where there is none, or where the file is damaged. */
function readCode(file, program) {
  try {
    const kept = readFileSync(file)
    const code = kept.subarray(HEADER_BYTES)
    if (kept.readUInt32BE(0) === crc32(program) && kept.readUInt32BE(4) === crc32(code)) return code
  } catch {
    // The program starts without it as well.
  }
}

/** In one step, so that no other run finds half of it; a machine that goes off in between leaves what the next run writes over. */
function keepCode(file, program, code) {
  try {
    process.umask(0o022)
    mkdirSync(CACHE, { recursive: true })
    const header = Buffer.alloc(HEADER_BYTES)
    header.writeUInt32BE(crc32(program), 0)
    header.writeUInt32BE(crc32(code), 4)
    const handle = openSync(`${file}.new`, 'w', 0o644)
    writeSync(handle, Buffer.concat([header, code]))
    fsyncSync(handle)
    closeSync(handle)
    renameSync(`${file}.new`, file)
  } catch {
    // The next start is as slow as this one.
  }
}

// The program is a script that runs under either loader (docs/contract.md, Nodes), and pure ASCII (tools/build.mjs), which latin1
// reads fastest.
const path = join(__dirname, 'aem-reseal.mjs')
const program = readFileSync(path)
const file =
  process.getuid() === 0 && isOfRootAlone(CACHE) ? join(CACHE, `${process.version}-${process.arch}`) : null
const cachedData = file === null ? undefined : readCode(file, program)
const script = new Script(program.latin1Slice(), { filename: path, cachedData })
// At the end, so that what ran is in it: V8 compiles a function when it is first called.
if (file !== null && (cachedData === undefined || script.cachedDataRejected))
  process.on('exit', () => keepCode(file, program, script.createCachedData()))
script.runInThisContext()
