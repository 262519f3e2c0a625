import { type ConfigFile, findConfigObstacle, sortDropIns } from '../../core/initramfs/dracut-config.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { readTextOrNull } from '../read-text.ts'

/** Why dom0's dracut makes another image each time, as its configuration says it; null where nothing is seen. */
export async function observeConfigObstacle(host: Host): Promise<string | null> {
  const etc = valueOrNull(await host.listDirectory('/etc/dracut.conf.d')) ?? []
  const usr = valueOrNull(await host.listDirectory('/usr/lib/dracut/dracut.conf.d')) ?? []
  const files: ConfigFile[] = []
  for (const path of ['/etc/dracut.conf', ...sortDropIns(etc, usr)]) {
    const text = await readTextOrNull(host, path)
    if (text !== null) files.push({ path, text })
  }
  return findConfigObstacle(files)
}
