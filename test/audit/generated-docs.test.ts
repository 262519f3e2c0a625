import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { generateDocuments, listSchemaFiles } from '../../tools/generate-docs.mjs'

const DOCS = new URL('../../docs/', import.meta.url)

describe('generated documents', async () => {
  const documents = await generateDocuments()

  it.each([...documents.keys()])('docs/%s is what `npm run docs` writes', async (path) => {
    const committed = await readFile(new URL(path, DOCS), 'utf8').catch(() => `docs/${path} is missing`)
    expect(committed, 'the program and this document say different things: run `npm run docs`').toBe(
      documents.get(path),
    )
  })

  it('has no schema file that nothing generates', async () => {
    const generated = [...documents.keys()].filter((path) => path.startsWith('schema/')).sort()
    expect(await listSchemaFiles()).toEqual(generated)
  })

  it('gives the same bytes twice', async () => {
    expect([...(await generateDocuments())]).toEqual([...documents])
  })
})
