import { must } from '../../stage/process.ts'
import type { Partition } from './boot-partition.ts'

const SECTOR_BYTES = 512

/** The partitions of a raw disk, in the table's order, for debugfs. */
export async function partitionsOf(disk: string): Promise<Partition[]> {
  const { partitiontable } = JSON.parse(await must(['sfdisk', '--json', disk])) as {
    partitiontable: { partitions: { start: number }[] }
  }
  return partitiontable.partitions.map(({ start }) => ({ disk, offset: start * SECTOR_BYTES }))
}
