#!/usr/bin/node
// What /usr/bin/aem-reseal leads to: the program beside it, with Node's compile cache. That serves only what is loaded after
// the call (module.enableCompileCache, Node 22.8), so the program cannot turn it on for itself.
'use strict'
const { lstatSync, readFileSync } = require('node:fs')
const Module = require('node:module')
const { dirname, join } = require('node:path')

const CACHE = '@CACHE@'
/** Writable by group or others. */
const FOREIGN_WRITE = 0o022
/** In such a directory only its owner removes or renames a file (inode(7), S_ISVTX). */
const STICKY = 0o1000

/** Node runs what it finds in its cache: can root alone write there, and lead the way there? Absent, Node makes it. */
function isOfRootAlone(path) {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return path === CACHE && isOfRootAlone(dirname(path))
  const isSafeAbove = path !== CACHE && (stat.mode & STICKY) !== 0
  if (!stat.isDirectory() || stat.uid !== 0) return false
  if ((stat.mode & FOREIGN_WRITE) !== 0 && !isSafeAbove) return false
  return path === '/' || isOfRootAlone(dirname(path))
}

// Node keeps a directory of the cache for each user id, so nobody else gains by it.
if (Module.enableCompileCache !== undefined && process.getuid() === 0 && isOfRootAlone(CACHE)) {
  process.umask(0o022)
  Module.enableCompileCache(CACHE)
}

// The program is a script that runs under either loader (docs/contract.md, Nodes). As CommonJS it starts sooner: Node's loader
// of modules takes longer to begin than `status` does. Its file is pure ASCII (tools/build.mjs), which latin1 reads fastest.
const path = join(__dirname, 'aem-reseal.mjs')
const program = new Module(path, module)
program.filename = path
program._compile(readFileSync(path, 'latin1'), path)
