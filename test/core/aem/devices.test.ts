import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { labelOf, listAemDevices, parseAemLabel, parseLsblk } from '../../../src/core/aem/devices.ts'

/** lsblk of util-linux 2.38.1, shortened: `lsblk --json --bytes --paths --list --output NAME,TYPE,FSTYPE,LABEL,UUID,MOUNTPOINT,RM,RO,SIZE`. */
const LSBLK = `{
   "blockdevices": [
      {"name":"/dev/sda","type":"disk","fstype":null,"label":null,"uuid":null,"mountpoint":null,"rm":true,"ro":false,"size":31457280},
      {"name":"/dev/sda1","type":"part","fstype":"ext4","label":"aem.stick","uuid":"b1f7e0aa-91c2-4a0b-8d57-77c2f3a0c4d2","mountpoint":null,"rm":true,"ro":true,"size":31456256},
      {"name":"/dev/nvme0n1p2","type":"part","fstype":"ext4","label":"aem","uuid":"6d2f1c8e-5b0a-4f0e-9a57-3f4c1f0a9d11","mountpoint":"/boot","rm":false,"ro":false,"size":1073741824}
   ]
}`

describe('parseLsblk', () => {
  it('reads what lsblk prints', () => {
    expect(parseLsblk(LSBLK)?.[1]).toEqual({
      name: '/dev/sda1',
      fileSystem: 'ext4',
      label: 'aem.stick',
      uuid: 'b1f7e0aa-91c2-4a0b-8d57-77c2f3a0c4d2',
      mountPoint: null,
      isRemovable: true,
      isReadOnly: true,
      sizeBytes: 31456256,
    })
  })

  it.each([
    ['aem.sd.rm=1', false, true],
    ['aem.sd.rm=0', true, false],
    ['aem.rm=2', true, true],
  ])('%s is removable as AEM takes it, where the kernel says %s', (label, rm, expected) => {
    const printed = JSON.stringify({ blockdevices: [{ name: 'sda1', label, rm }] })
    expect(parseLsblk(printed)?.[0]?.isRemovable).toBe(expected)
  })

  it('reads the older form, with everything as text', () => {
    const old = '{"blockdevices": [{"name": "sda1", "label": "aem", "rm": "1", "ro": "0", "size": "1024"}]}'
    expect(parseLsblk(old)?.[0]).toMatchObject({
      isRemovable: true,
      isReadOnly: false,
      sizeBytes: 1024,
      uuid: null,
    })
  })

  it.each([
    '',
    '{}',
    '{"blockdevices": {}}',
    '{"blockdevices": [{}]}',
    '{"blockdevices": [{"name": "x", "rm": 2}]}',
    'lsblk: error',
  ])('of %j knows nothing', (text) => {
    expect(parseLsblk(text)).toBeNull()
  })

  it('never fails', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => Array.isArray(parseLsblk(text) ?? [])))
  })
})

describe('labels', () => {
  it.each([
    ['aem', ''],
    ['aem.stick', '.stick'],
    ['aem-1=a', '-1=a'],
    ['aem1234567890123', '1234567890123'],
  ])('%s is an AEM device with the suffix %j', (label, suffix) => {
    expect(parseAemLabel(label)).toBe(suffix)
    expect(labelOf(suffix)).toBe(label)
  })

  it.each([
    '',
    'ae',
    'AEM',
    'xaem',
    'aem stick',
    'aem_1',
    'aem12345678901234',
    'aem/..',
    'aem\n',
    'aem\u202e',
    'aem\u001b[m',
  ])('%j is none', (label) => {
    expect(parseAemLabel(label)).toBeNull()
  })
})

describe('listAemDevices', () => {
  const blocks = parseLsblk(LSBLK)

  it('lists what is plugged in and what dom0 knows, each once, by suffix', () => {
    const listed = listAemDevices(blocks, ['aem', 'aem.away', 'not-aem', 'aem.stick'])
    expect(listed.map(({ suffix, block }) => [suffix, block?.name ?? null])).toEqual([
      ['', '/dev/nvme0n1p2'],
      ['.away', null],
      ['.stick', '/dev/sda1'],
    ])
  })

  it('lists two devices of one label both: which is which is for the user to say', () => {
    const twice = [...(blocks ?? []), ...(blocks ?? []).filter(({ label }) => label === 'aem')]
    expect(listAemDevices(twice, []).filter(({ suffix }) => suffix === '')).toHaveLength(2)
  })

  it('works with either list missing', () => {
    expect(listAemDevices(null, ['aem'])).toEqual([{ suffix: '', block: null }])
    expect(listAemDevices(blocks, null)).toHaveLength(2)
    expect(listAemDevices(null, null)).toEqual([])
  })
})
