import { randomUUID } from 'node:crypto'
import type { Holder } from './namespace.ts'

/** A loop device of the stage with what is on it. */
export interface Disk {
  /** Kernel name, e.g. loop3. */
  name: string
  uuid: string
  label: string
  type: 'ext4' | 'crypto_LUKS'
}

/**
 * Puts an image on a free loop device. A process of the stage keeps it open and it is marked to be let go
 * with the last user, so it is free again however the stage ends.
 */
export async function attach(holder: Holder, image: string): Promise<string> {
  const script = [
    'device=$(losetup --find --show "$1")',
    'exec 3<"$device"', // open before it is let go
    'sleep infinity <&3 >/dev/null 2>&1 &',
    'losetup --detach "$device"',
    'echo "$device"',
  ]
  for (let tries = 0; ; tries++) {
    const result = await holder.run(['sh', '-ec', script.join('\n'), 'attach', image])
    if (result.exit === 0) return result.stdout.trim().replace('/dev/', '')
    // another process can take the free number between finding and using it
    if (tries === 5) throw new Error(`no loop device for ${image}: ${result.stderr}`)
  }
}

/** An ext4 file system with the contents of a folder, owners and times kept. */
export async function makeExt4(
  holder: Holder,
  label: string,
  contents: string,
  megabytes = 96,
): Promise<Disk> {
  const uuid = randomUUID()
  const image = `${holder.folder}/disk-${uuid}.img`
  await holder.must(['mkfs.ext4', '-q', '-L', label, '-U', uuid, '-d', contents, image, `${megabytes}M`])
  return { name: await attach(holder, image), uuid, label, type: 'ext4' }
}

/** A disk with a LUKS header; its passphrase is "disk". Small areas keep the header backup quick. */
export async function makeLuks(holder: Holder, version: 1 | 2): Promise<Disk> {
  const uuid = randomUUID()
  const image = `${holder.folder}/disk-${uuid}.img`
  await holder.must(['truncate', '--size', '20M', image])
  const name = await attach(holder, image)
  const small = version === 2 ? ['--luks2-metadata-size', '16k', '--luks2-keyslots-size', '256k'] : []
  await holder.must(
    [
      'cryptsetup',
      'luksFormat',
      '--batch-mode',
      '--type',
      `luks${version}`,
      '--uuid',
      uuid,
      '--pbkdf',
      'pbkdf2',
      '--pbkdf-force-iterations',
      '1000',
      ...small,
      '--key-file',
      '-',
      `/dev/${name}`,
    ],
    { input: 'disk' },
  )
  return { name, uuid, label: '', type: 'crypto_LUKS' }
}
