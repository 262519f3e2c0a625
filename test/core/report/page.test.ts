import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { ChainRow } from '../../../src/core/launch/chain.ts'
import { renderHtml } from '../../../src/core/report/html.ts'
import type { ReportInput } from '../../../src/core/report/input.ts'
import { makeReportPage } from '../../../src/core/report/make-page.ts'
import { renderMarkdown } from '../../../src/core/report/markdown.ts'
import type { Session } from '../../../src/core/session/checkpoint.ts'
import { aSession } from '../../support/built-in.ts'

/** What a stranger can put into a label, a file name, a command line or a bulletin. */
const HOSTILE =
  '</td><script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)>"\'><style>*{display:none}</style>\u202egpj\u0007\n# All is well | `x` <!-- ]]> &amp;'
const [BEFORE, AFTER] = ['aa'.repeat(32), 'bb'.repeat(32)]

const step = (name: string, outcome: string) => ({
  at: '2024-07-17T08:00:00.000Z',
  flow: 'resume',
  step: name,
  outcome,
})

function answer(id: string, by: 'person' | 'yes-option' = 'person') {
  return { at: '2024-07-17T08:00:00.000Z', step: 's', id, question: 'Is it so?', answer: 'yes', by }
}

/** A session that came to a good end. @param text stands wherever foreign text can stand */
function finished(text: string, changes: Partial<Session> = {}): Session {
  const signed = { signature: 'ok', changedFiles: [], keyId: 'e022e58f8e34d89f', signer: text }
  const component = { role: 'xen', path: text, commandLine: text, changed: true }
  return aSession({
    devicesLeft: [],
    restart: text,
    expectation: {
      bulletins: [103],
      bulletinPcrs: [18],
      mayChange: [18],
      changedPackages: [text],
      downgrades: [],
      xenBuildId: null,
      deviceUuid: null,
    },
    approved: { at: '2024-07-17T08:00:00.000Z', bootId: 'boot-2', pcrs: { 18: AFTER } },
    prediction: {
      calibrated: true,
      refusal: null,
      pcrs: [
        {
          index: 18,
          bank: 'sha256',
          predicted: AFTER,
          components: [{ ...component, vouchedBy: { rule: 'packaged', why: text } }],
        },
      ],
    },
    baseline: {
      takenAt: '2024-07-16T18:00:00.000Z',
      bootId: text,
      bootTime: null,
      bank: 'sha256',
      selectedPcrs: [18],
      pcrs: { sha256: { 18: BEFORE } },
      kernelCommandLine: text,
      xenCommandLine: text,
      runningXen: { version: null, buildId: null },
      bootFiles: [{ path: text, role: 'xen', digests: null }],
      packages: [],
      sealedFiles: [],
      launchLog: null,
      components: null,
    },
    findings: {
      'confirm-update': {
        packages: [{ ...signed, name: text, component: 'xen', evr: text, changedSinceBoot: true }],
        bulletin: { id: 103, date: text, met: true },
        given: { id: 103, approval: 'single', file: text },
      },
      'check-boot-device': { device: text, uuid: text },
      'detect-aem': { tpm: text, flavour: text },
      'check-ground': { state: 'vouched' },
      explain: { verdict: 'unchanged', pcrs: [], reasons: [] },
    },
    answers: [
      answer('accept-change'),
      answer('secret-shown'),
      { ...answer('x'), question: text, answer: text },
    ],
    history: [step('explain', text), step('verify', 'verified'), step('confirm-secret', 'shown')],
    ...changes,
  })
}

function chainOf(path: string): readonly ChainRow[] {
  return [
    {
      index: 18,
      bank: 'sha256',
      steps: [{ role: 'xen', path, digest: AFTER, state: 'changed' }],
      isReordered: false,
      isReplayed: true,
      before: BEFORE,
      value: AFTER,
      predicted: AFTER,
    },
  ]
}

function inputOf(text: string, changes: Partial<Session> = {}, more: Partial<ReportInput> = {}): ReportInput {
  const closedAt = '2024-07-17T09:00:00.000Z'
  return { session: finished(text, changes), closedAt, values: { 18: AFTER }, chain: chainOf(text), ...more }
}

function htmlOf(input: ReportInput): string {
  return renderHtml(makeReportPage(input), input.chain)
}

/** Names of elements in the order they begin, by HTML's own rule for what opens a tag (13.2.5.6, tag open state). */
function elementsOf(html: string): readonly string[] {
  return [...html.matchAll(/<([a-z!][a-z0-9!-]*)/gi)].map((match) => match[1]?.toLowerCase() ?? '')
}

describe('the report as HTML', () => {
  it('lets no foreign text open an element, wherever it stands', () => {
    const [hostile, honest] = [htmlOf(inputOf(HOSTILE)), htmlOf(inputOf('xen-4.17.4.gz'))]
    expect(elementsOf(hostile)).toEqual(elementsOf(honest))
    expect(hostile.match(/&lt;script&gt;/g)?.length).toBeGreaterThan(15)
    expect(hostile).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/)
    const bodyOf = (html: string): string => html.slice(html.indexOf('<body>'))
    expect(bodyOf(hostile)).not.toMatch(/<[^>]*\s(on\w+|src|href|style)=/i)
  })

  it('has a policy that allows its own style by digest, and nothing else, before anything it speaks of', () => {
    const html = htmlOf(inputOf('x'))
    const style = /<style>([^<]*)<\/style>/.exec(html)?.[1] ?? ''
    const digest = createHash('sha256').update(style).digest('base64')
    const policy = `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'`
    expect(html).toContain(`<meta http-equiv="Content-Security-Policy" content="${policy}">`)
    expect(html.indexOf('Content-Security-Policy')).toBeLessThan(html.indexOf('<style>'))
    expect(style.length).toBeGreaterThan(1000)
  })

  it('has no script, link, picture or address of its own', () => {
    const html = htmlOf(inputOf('x'))
    const elements = elementsOf(html)
    for (const name of ['script', 'img', 'a', 'link', 'iframe', 'object', 'form', 'base', 'image', 'use'])
      expect(elements).not.toContain(name)
    expect(html).not.toMatch(/https?:|\/\/|@import|javascript:|data:|url\((?!#end\))/)
    expect(elements.filter((name) => name === 'style')).toHaveLength(1)
    expect(elements).toContain('svg')
  })

  it('has the same bytes for the same session', () => {
    expect(htmlOf(inputOf('x'))).toBe(htmlOf(inputOf('x')))
  })

  it('shortens what is longer than any honest text', () => {
    const html = htmlOf(inputOf('x'.repeat(100_000)))
    expect(html.length).toBeLessThan(60_000)
    expect(html).toContain('characters more)')
  })
})

describe('the report as Markdown', () => {
  it('lets no foreign text write lines, cells or code of its own', () => {
    const [hostile, honest] = [HOSTILE, 'xen-4.17.4.gz'].map((text) =>
      renderMarkdown(makeReportPage(inputOf(text)), 'a.svg').split('\n'),
    )
    expect(hostile?.length).toBe(honest?.length)
    const cells = (lines: readonly string[] | undefined) =>
      lines?.filter((one) => one.startsWith('|')).map((one) => one.split(/(?<!\\)\|/).length)
    expect(cells(hostile)).toEqual(cells(honest))
    expect(hostile?.join('\n')).not.toMatch(/[\u202e\u0007]/)
    // Outside of code nothing is markup.
    expect(hostile?.join('\n').replaceAll(/`[^`\n]*`/g, '')).not.toContain('<')
  })

  it('links the picture, or says why there is none', () => {
    expect(renderMarkdown(makeReportPage(inputOf('x')), 'a.svg')).toContain('](a.svg)')
    const without = inputOf('x', {}, { chain: null })
    expect(renderMarkdown(makeReportPage(without), null)).toContain(
      'the launch log of this boot could not be read',
    )
    expect(htmlOf(without)).toContain('the launch log of this boot could not be read')
  })
})

describe('both', () => {
  it('say the same facts', () => {
    const input = inputOf('xen-4.17.4.gz')
    const texts = [renderMarkdown(makeReportPage(input), 'a.svg'), htmlOf(input)]
    const facts = [
      ...['Every change is consistent with the confirmed update', 'PCR 18 changed, as predicted'],
      ...[BEFORE, AFTER, 'changed, as predicted', 'QSB-103', 'e022e58f8e34d89f'],
      'Your sentence appeared: yes, you said so at 2024-07-17 08:00:00 UTC',
      ...['accepted by a person at the terminal, 2024-07-17 08:00:00 UTC', 'confirm-secret', 'Left out:'],
      'was read from a file with one valid signature where two are expected',
    ]
    for (const text of texts) for (const fact of facts) expect(text).toContain(fact)
    const long = ['packaged', 'Is it so?', 'Boot files as they were confirmed']
    expect(long.filter((fact) => !texts[1]?.includes(fact))).toEqual([])
    expect(long.filter((fact) => texts[0]?.includes(fact))).toEqual([])
  })
})

describe('the verdict', () => {
  const verdictOf = (changes: Partial<Session>, more: Partial<ReportInput> = {}) => {
    const { mark, headline, lines } = makeReportPage(inputOf('x', changes, more)).verdict
    return {
      mark,
      headline,
      text: lines.map(({ spans }) => spans.map(({ text }) => text).join('')).join('\n'),
    }
  }
  const good = finished('x')

  it('is good where everything is settled', () => {
    expect(verdictOf({})).toMatchObject({ mark: 'good' })
  })

  it('says that nothing changed where nothing did', () => {
    const approved = { ...good.approved!, pcrs: { 18: BEFORE } }
    const said = verdictOf({ approved, prediction: null }, { values: { 18: BEFORE }, chain: null })
    expect(said).toMatchObject({ mark: 'good', headline: 'Nothing that is sealed to has changed' })
  })

  it.each<[string, Partial<Session>, Partial<ReportInput>, RegExp]>([
    ['not proven', { approved: { ...good.approved!, proof: 'not-proven' } }, {}, /not proven/],
    ['nothing accepted', { approved: null }, {}, /Nobody accepted/],
    [
      'a register that is not what was accepted',
      {},
      { values: { 18: 'cc' } },
      /PCR 18 NOT what was accepted/,
    ],
    ['a register that could not be read', {}, { values: {} }, /PCR 18 not known/],
    [
      'a log that leads elsewhere',
      {},
      { chain: chainOf('x').map((row) => ({ ...row, isReplayed: false })) },
      /PCR 18 NOT what the launch log gives/,
    ],
    ['no record', { baseline: null }, {}, /No register was recorded/],
    [
      'another explanation',
      { findings: { ...good.findings, explain: { verdict: 'unexplained', pcrs: [], reasons: [] } } },
      {},
      /./,
    ],
    ['copies unchecked', { history: [step('confirm-secret', 'shown')] }, {}, /not all checked/],
    ['a secret unconfirmed', { history: [step('verify', 'verified')] }, {}, /not confirmed/],
    [
      'a secret by --yes',
      { answers: [answer('secret-shown', 'yes-option')] },
      {},
      /nobody was asked \(--yes\)/,
    ],
    ['an answer that is not recorded', { answers: [] }, {}, /was not recorded/],
    ['devices not listed', { devicesLeft: null }, {}, /not known/],
    ['devices left', { devicesLeft: ['aem2'] }, {}, /still to do: aem2/],
    [
      'a boot that nothing vouched for',
      { findings: { ...good.findings, 'check-ground': { state: 'not-vouched', goesOn: true } } },
      {},
      /a person went on/,
    ],
  ])('is not good with %s, and says so', (_, changes, more, text) => {
    const said = verdictOf(changes, more)
    expect(said.mark).toBe('attention')
    expect(said.text).toMatch(text)
  })

  it('never calls a register changed that could not be read', () => {
    expect(verdictOf({}, { values: {} }).text).not.toMatch(/changed/)
  })

  it('tells an acceptance by --yes from a person’s', () => {
    const answers = [answer('accept-change', 'yes-option'), answer('secret-shown')]
    expect(verdictOf({ answers }).text).toContain('accepted by --yes, nobody was asked')
  })
})
