import { type ConfigFile, findConfigObstacle, sortDropIns } from '../../core/initramfs/dracut-config.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { readText } from '../read-text.ts'

/** Why dom0's dracut makes another image each time, as its configuration says it; null where nothing is seen, or not all could be read. */
export async function observeConfigObstacle(host: Host): Promise<string | null> {
  const etc = await host.listDirectory('/etc/dracut.conf.d')
  const usr = await host.listDirectory('/usr/lib/dracut/dracut.conf.d')
  if (etc.state === 'unknown' || usr.state === 'unknown') return null
  const files: ConfigFile[] = []
  for (const path of ['/etc/dracut.conf', ...sortDropIns(valueOrNull(etc) ?? [], valueOrNull(usr) ?? [])]) {
    const text = await readText(host, path)
    if (text.state === 'unknown') return null
    if (text.state === 'seen') files.push({ path, text: text.value })
  }
  return findConfigObstacle(files)
}
