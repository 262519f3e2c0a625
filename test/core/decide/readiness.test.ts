import { describe, expect, it } from 'vitest'
import {
  checkDevice,
  checkLabel,
  checkRegisters,
  checkSpace,
  isReady,
  parseMountOptions,
} from '../../../src/core/decide/readiness.ts'

const device = { label: 'aem', uuid: 'aaaa-1111', present: true, isReadOnly: false }

describe('parseMountOptions', () => {
  const mounts = [
    'proc /proc proc rw 0 0',
    '/dev/sda1 /boot ext4 rw,relatime 0 0',
    '/dev/sda1 /boot ext4 ro 0 0',
  ].join('\n')
  it('takes the last mount of a place', () => {
    expect(parseMountOptions(mounts, '/boot')).toEqual(['ro'])
    expect(parseMountOptions(mounts, '/')).toBeNull()
    expect(parseMountOptions('/dev/sdb1 /mnt/my\\040stick ext4 rw 0 0', '/mnt/my stick')).toEqual(['rw'])
  })
})

describe('checkDevice', () => {
  const ids = (checks: ReturnType<typeof checkDevice>) =>
    Object.fromEntries(checks.map(({ id, ok }) => [id, ok]))

  it('is ready when the booted device is there, alone and writable', () => {
    expect(isReady(checkDevice(device, [device], false))).toBe(true)
    expect(isReady(checkDevice(device, [device], null))).toBe(true)
  })

  it('finds it absent, read-only, or one of two', () => {
    expect(ids(checkDevice(null, [], null))['device-present']).toBe(false)
    expect(ids(checkDevice({ ...device, present: false }, [], null))['device-present']).toBe(false)
    expect(ids(checkDevice({ ...device, isReadOnly: true }, [device], null))['device-writable']).toBe(false)
    expect(ids(checkDevice(device, [device], true))['device-writable']).toBe(false)
    expect(ids(checkDevice({ ...device, isReadOnly: null }, [device], null))['device-writable']).toBeNull()
    const other = { ...device, uuid: 'bbbb-2222' }
    expect(ids(checkDevice(device, [device, other], false))['device-unique']).toBe(false)
  })
})

describe('checkLabel', () => {
  const labelled = (suffix: string) => ({ label: `aem${suffix}`, suffix, uuid: 'aaaa-1111' })
  it('is what the initrd saw, or not', () => {
    expect(checkLabel(labelled('.a'), '.a')).toMatchObject([{ id: 'device-label', ok: true }])
    const [other] = checkLabel(labelled('.b'), '')
    expect(other).toMatchObject({ ok: false })
    expect(other?.detail).toMatch(/labelled aem in this boot and is aem\.b now: `e2label`/)
  })

  it('is not known without the device, and not asked without the name of this boot', () => {
    expect(checkLabel(null, '')).toMatchObject([{ ok: null }])
    expect(checkLabel(labelled(''), null)).toEqual([])
  })
})

it('wants room, and knows when it could not look', () => {
  expect(checkSpace('device-space', 'aem', 10 * 1024 * 1024).ok).toBe(true)
  expect(checkSpace('device-space', 'aem', 1024).ok).toBe(false)
  expect(checkSpace('device-space', 'aem', null).ok).toBeNull()
})

describe('checkRegisters', () => {
  const sane = { measured: true, selected: [13, 17, 18, 19], unread: [], bad: [] }
  it.each([
    [{}, true],
    [{ unread: [18] }, null],
    [{ unread: [17], measured: null }, null],
    [{ measured: null }, null],
    [{ selected: null }, null],
    [{ selected: [] }, null],
    [{ bad: [19], unread: [18] }, false],
    [{ measured: false, unread: [13] }, false],
  ])('%j: %s', (changes, ok) => {
    const check = checkRegisters({ ...sane, ...changes })
    expect(check).toMatchObject({ id: 'pcrs-sane', ok })
    if (ok === null) expect(check.detail).toContain('could not be read')
  })
})
