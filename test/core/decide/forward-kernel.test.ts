import { describe, expect, it } from 'vitest'
import { checkKernel, type KernelFacts } from '../../../src/core/decide/forward-kernel.ts'

const RUNNING = '6.6.36-1.qubes.fc37.x86_64'
const facts: KernelFacts = {
  running: RUNNING,
  newest: ['kernel 1000:6.6.40-1.qubes.fc37', 'kernel-latest 1000:6.9.7-1.qubes.fc37'],
  isOtherDevice: false,
}

function predictionWith(release: string, name: string, evr: string) {
  const kernel = { role: 'kernel', path: `/vmlinuz-${release}`, package: { name, evr } }
  return { entry: { title: 'AEM Qubes' }, pcrs: [{ components: [] }, { components: [kernel] }] }
}

const running = predictionWith(RUNNING, 'kernel', '1000:6.6.36-1.qubes.fc37')
const newest = predictionWith('6.6.40-1.qubes.fc37.x86_64', 'kernel', '1000:6.6.40-1.qubes.fc37')
const latest = predictionWith('6.9.7-1.qubes.fc37.x86_64', 'kernel-latest', '1000:6.9.7-1.qubes.fc37')
const old = predictionWith('6.6.30-1.qubes.fc37.x86_64', 'kernel', '1000:6.6.30-1.qubes.fc37')

describe('checkKernel', () => {
  it.each([
    ['the kernel of this boot', running],
    ['the newest one', newest],
    ['the newest of the other series', latest],
    ['no register that measures one', { pcrs: [{ components: [{ role: 'xen', path: '/xen.gz' }] }] }],
    ['no prediction, which another check refuses', null],
  ])('takes %s', (_what, prediction) => {
    expect(checkKernel(prediction, facts).ok).toBe(true)
  })

  it('refuses an old one, and names the entry that starts it', () => {
    expect(checkKernel(old, facts)).toMatchObject({
      ok: false,
      detail: expect.stringMatching(
        /^its entry "AEM Qubes" starts \/vmlinuz-6\.6\.30-1\.qubes\.fc37\.x86_64/,
      ),
    })
  })

  it.each([newest, latest, old])(
    'refuses of another device all but the kernel of this boot',
    (prediction) => {
      expect(checkKernel(running, { ...facts, isOtherDevice: true }).ok).toBe(true)
      expect(checkKernel(prediction, { ...facts, isOtherDevice: true }).ok).toBe(false)
    },
  )

  it('refuses the old one where a second register measures the right one', () => {
    expect(checkKernel({ pcrs: [...running.pcrs, ...old.pcrs] }, facts).ok).toBe(false)
  })

  it('knows nothing where the running kernel is not known', () => {
    expect(checkKernel(running, { ...facts, running: null }).ok).toBeNull()
  })
})
