import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { renderDropIn } from '../../src/core/hold/drop-in.ts'
import { command } from '../../src/tables/commands.ts'
import { HOLD_DROP_IN, PROGRAM_PLACES } from '../../src/tables/paths.ts'
import { must } from '../stage/process.ts'
import { ROOT } from '../support/sources.ts'

const FORMULA = join(ROOT, 'packaging/salt/aem-reseal')

/** As Salt renders a state: Jinja2 with `salt['pillar.get']`, then YAML (Salt, renderers jinja|yaml). */
const RENDER = `
import json, sys, jinja2, yaml
pillar = json.loads(sys.argv[2])
def get(name, default):
    value = pillar
    for key in name.split(":"):
        if not isinstance(value, dict) or key not in value:
            return default
        value = value[key]
    return value
environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
text = environment.from_string(open(sys.argv[1]).read()).render(salt={"pillar.get": get}, pillar=pillar)
print(json.dumps(yaml.safe_load(text)))
`

type Settings = Record<string, unknown>
type State = Record<string, Record<string, readonly Settings[]>>

async function render(name: string, pillar: Settings = {}): Promise<State & { include?: readonly string[] }> {
  const argv = ['/usr/bin/python3', '-c', RENDER, join(FORMULA, name), JSON.stringify(pillar)]
  return JSON.parse(await must(argv))
}

const settingsOf = (state: State, id: string, call: string): Settings =>
  Object.assign({}, ...(state[id]?.[call] ?? [{ missing: `${id} ${call}` }]))

describe('the Salt formula', () => {
  it('has states that all render', async () => {
    const names = readdirSync(FORMULA)
    expect(names.sort()).toEqual(['hold.sls', 'init.sls', 'status.sls'])
    for (const name of names) expect(Object.keys(await render(name)).length).toBeGreaterThan(0)
  })

  it('installs the package that lies beside it, and holds nothing unless it is told to', async () => {
    const state = await render('init.sls')
    expect(state.include).toBeUndefined()
    expect(settingsOf(state, 'aem-reseal-package', 'pkg.installed')).toEqual({
      sources: [{ 'aem-reseal': 'salt://aem-reseal/aem-reseal-0.1.0-1.noarch.rpm' }],
    })
    const told = await render('init.sls', {
      'aem-reseal': { hold: true, package: 'aem-reseal-0.2.0-1.noarch.rpm' },
    })
    expect(told.include).toEqual(['aem-reseal.hold'])
    expect(JSON.stringify(told)).toContain('salt://aem-reseal/aem-reseal-0.2.0-1.noarch.rpm')
  })

  it('writes the drop-in as the program does, byte for byte, and makes systemd read it', async () => {
    const state = await render('hold.sls')
    const file = settingsOf(state, 'aem-reseal-hold', 'file.managed')
    expect(file).toMatchObject({ name: HOLD_DROP_IN, user: 'root', mode: '0644' })
    expect(file.contents).toBe(renderDropIn(command('gate-asked', { program: PROGRAM_PLACES[0] ?? '' }).argv))
    expect(settingsOf(state, 'aem-reseal-hold', 'cmd.run')).toEqual({
      name: '/usr/bin/systemctl daemon-reload',
      onchanges: [{ file: 'aem-reseal-hold' }],
    })
  })

  it('reports what status says', async () => {
    const state = await render('status.sls')
    expect(settingsOf(state, 'aem-reseal-status', 'cmd.run').name).toBe('/usr/bin/aem-reseal status --json')
  })
})
