/*
 * Runs inside the root tree of dracut-root.ts, bundled by it: makes an initramfs again on the program's real host.
 *
 *   initramfs-driver.mjs FILE RELEASE SHA256    prints what came of it, and what was said meanwhile
 */
import { makeRealHost } from '../../src/host/real.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { reproduceInitramfs } from '../../src/observe/initramfs/reproduction.ts'

// As src/bin.ts: dracut must not have it from here.
process.umask(0o077)
const [path = '', kernelRelease = '', sha256 = ''] = process.argv.slice(2)
const host = makeRealHost({ stateDir: '/var/lib/aem-reseal', userDirectories: [] })
const said: string[] = []
const request = { path, name: `/initramfs-${kernelRelease}.img`, kernelRelease, sha256 }
const result = await reproduceInitramfs(observeDom0(host), request, (what) => said.push(what))
await host.close()
console.log(JSON.stringify({ result, said }))
