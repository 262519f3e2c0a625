import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Bulletin } from '../../../src/core/bulletin/bulletin.ts'
import { parseBulletin } from '../../../src/core/bulletin/parse.ts'
import { Failure } from '../../../src/core/failure.ts'

/**
 * All public bulletins, their detached signatures and the keys, unchanged from
 * https://github.com/QubesOS/qubes-secpack (QSBs/, keys/), with the template of that directory.
 */
export const CORPUS = fileURLToPath(new URL('./fixtures/qsb/', import.meta.url))

export const bulletinFiles: readonly string[] = readdirSync(CORPUS)
  .filter((name) => /^qsb-\d{3}-\d{4}\.txt$/.test(name))
  .sort()

export const readCorpus = (name: string): Uint8Array => readFileSync(`${CORPUS}${name}`)

export const fileOf = (id: number): string =>
  bulletinFiles.find((name) => name.startsWith(`qsb-${String(id).padStart(3, '0')}-`))!

export const textOf = (id: number): string => Buffer.from(readCorpus(fileOf(id))).toString('utf8')

export const parseText = (text: string): Bulletin => parseBulletin(new TextEncoder().encode(text))

export const bulletinOf = (id: number): Bulletin => parseBulletin(readCorpus(fileOf(id)))

export const allBulletins = (): Bulletin[] => bulletinFiles.map((name) => parseBulletin(readCorpus(name)))

/** Why the bytes are refused. */
export const failureOf = (bytes: Uint8Array): Failure => {
  try {
    parseBulletin(bytes)
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('no failure')
}
