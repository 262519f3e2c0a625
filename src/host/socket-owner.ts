import { readFile } from 'node:fs/promises'
import { SOCKET_TABLE, USER_TABLE } from '../tables/paths.ts'

/** The user that tcsd runs as (trousers 0.3.15, TSS_USER_NAME). */
const TSS_USER = 'tss'
/** States of a socket: include/net/tcp_states.h. */
const STATE = { established: 0x01, listen: 0x0a } as const
/** IPv4 loopback and any address, as /proc/net/tcp prints them on a little-endian machine. */
const LOOPBACK = ['0100007F', '00000000']

type SocketRow = {
  readonly localAddress: string
  readonly localPort: number
  readonly remotePort: number
  readonly state: number
  readonly uid: number
}

/**
 * Reads /proc/net/tcp (proc(5)).
 *
 * Sample: `   1: 0100007F:7533 00000000:0000 0A 00000000:00000000 00:00000000 00000000   102        0 823286 ...`
 */
function parseSockets(text: string): readonly SocketRow[] {
  return text.split('\n').flatMap((line) => {
    const match =
      /^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]{2}) \S+ \S+ \S+ +(\d+) /.exec(line)
    if (!match) return []
    const [, localAddress = '', localPort = '', remotePort = '', state = '', uid = ''] = match
    return [
      {
        localAddress,
        localPort: Number.parseInt(localPort, 16),
        remotePort: Number.parseInt(remotePort, 16),
        state: Number.parseInt(state, 16),
        uid: Number(uid),
      },
    ]
  })
}

async function readSockets(): Promise<readonly SocketRow[]> {
  return parseSockets(await readFile(SOCKET_TABLE, 'utf8'))
}

/** root, and the user of tcsd where there is one. */
async function readServiceUids(): Promise<readonly number[]> {
  const users = (await readFile(USER_TABLE, 'utf8')).split('\n').map((line) => line.split(':'))
  const tss = users.find(([name]) => name === TSS_USER)?.[2]
  return tss === undefined || !/^[0-9]+$/.test(tss) ? [0] : [0, Number(tss)]
}

/**
 * Who listens on a port of 127.0.0.1: tcsd goes on without a complaint where somebody else has its port, and its clients
 * would talk to them (seen with trousers 0.3.15).
 * @returns a uid that is neither root nor tcsd's; `nobody` where there is no listener; null where it is theirs
 */
export async function findStrangeListener(port: number): Promise<number | 'nobody' | null> {
  const own = await readServiceUids()
  const listeners = (await readSockets()).filter(
    (row) => row.state === STATE.listen && row.localPort === port && LOOPBACK.includes(row.localAddress),
  )
  if (listeners.length === 0) return 'nobody'
  return listeners.find(({ uid }) => !own.includes(uid))?.uid ?? null
}

/**
 * Does the program at the other end of a connection on 127.0.0.1 run as root or as tcsd's user? A closed connection has
 * no owner any more and reads as root's, so only an open one counts.
 */
export async function isServicePeer(peerPort: number, ownPort: number): Promise<boolean> {
  const own = await readServiceUids()
  const peers = (await readSockets()).filter(
    (row) =>
      row.state === STATE.established &&
      row.localAddress === LOOPBACK[0] &&
      row.localPort === peerPort &&
      row.remotePort === ownPort,
  )
  return peers.length === 1 && own.includes(peers[0]?.uid ?? -1)
}
