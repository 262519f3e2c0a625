import { cpSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { makeRealHost } from '../../src/host/real.ts'
import { keyDirectoriesOf, observeBulletinFile } from '../../src/observe/bulletin/bulletin-file.ts'
import { makeSignatureChecker } from '../../src/observe/bulletin/signature-checker.ts'
import { CORPUS, fileOf } from '../core/bulletin/corpus.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** A directory as somebody hands it over: bulletin 103 with its two signatures and the keys. */
function handedOver() {
  const directory = temporaryDirectory()
  const path = join(directory, fileOf(103))
  cpSync(join(CORPUS, fileOf(103)), path)
  for (const signer of ['marmarek', 'simon'])
    cpSync(join(CORPUS, `${fileOf(103)}.sig.${signer}`), `${path}.sig.${signer}`)
  cpSync(join(CORPUS, 'keys'), join(directory, 'keys'), { recursive: true })
  const host = makeRealHost({
    stateDir: '/var/lib/aem-reseal',
    userDirectories: [directory, ...keyDirectoriesOf(path)],
  })
  const checker = makeSignatureChecker(host)
  onTestFinished(async () => {
    await checker.close()
    await host.close()
  })
  return { directory, path, look: () => observeBulletinFile(host, checker, path, []) }
}

it('checks two signatures', async () => {
  const { signatures } = await handedOver().look()
  expect(signatures.map(({ status }) => status)).toEqual(['good', 'good'])
})

it('asks gpg about no endless number of signatures', async () => {
  const { path, look } = handedOver()
  for (let count = 0; count < 15; count++) writeFileSync(`${path}.sig.more${count}`, 'x')
  await expect(look()).rejects.toMatchObject({
    text: { code: 'bulletin-unreadable', what: expect.stringContaining('17 signature files') },
  })
})

it('reads no key files that are none by their size, and is not ended by them', async () => {
  const { directory, look } = handedOver()
  mkdirSync(join(directory, 'keys'), { recursive: true })
  for (let count = 0; count < 3; count++) {
    const file = join(directory, 'keys', `0${count}.asc`)
    writeFileSync(file, '')
    truncateSync(file, 60 * 1024 * 1024)
  }
  const { signatures } = await look()
  expect(signatures.map(({ status }) => status)).toEqual(['good', 'good'])
})

it('makes its ring anew after it was closed: what it made before is gone', async () => {
  const directory = temporaryDirectory()
  const path = join(directory, fileOf(103))
  cpSync(join(CORPUS, fileOf(103)), path)
  cpSync(join(CORPUS, `${fileOf(103)}.sig.marmarek`), `${path}.sig.marmarek`)
  cpSync(join(CORPUS, 'keys'), join(directory, 'keys'), { recursive: true })
  const host = makeRealHost({
    stateDir: '/var/lib/aem-reseal',
    userDirectories: [directory, ...keyDirectoriesOf(path)],
  })
  onTestFinished(() => host.close())
  const checker = makeSignatureChecker(host)
  for (let time = 0; time < 2; time++) {
    const { signatures } = await observeBulletinFile(host, checker, path, [])
    expect(signatures.map(({ status }) => status)).toContain('good')
    await checker.close()
  }
})
