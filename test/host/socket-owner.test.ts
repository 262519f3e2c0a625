import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { findStrangeListener, isServicePeer } from '../../src/host/socket-owner.ts'

const NOBODY = 65534

/** A python of somebody else, which says when it is ready. */
async function runAsNobody(script: string): Promise<void> {
  const child = spawn('/usr/bin/python3', ['-I', '-u', '-c', script], {
    uid: NOBODY,
    gid: NOBODY,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
}

async function listen(): Promise<{ port: number; accepted: Promise<Socket> }> {
  const server = createServer()
  onTestFinished(() => void server.close())
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = accepted.then((own) => {
    onTestFinished(() => void own.destroy())
    return own
  })
  return { port: (server.address() as AddressInfo).port, accepted: socket }
}

it('knows a listener of root', async () => {
  const { port } = await listen()
  expect(await findStrangeListener(port)).toBeNull()
})

it('knows that nobody listens', async () => {
  const { port } = await listen()
  expect(await findStrangeListener(port === 65535 ? 1 : port + 1)).toBe('nobody')
})

it('finds somebody else at the port', async () => {
  const { port } = await listen()
  const free = port === 65535 ? 40_001 : port + 1
  await runAsNobody(
    `import socket,time; s=socket.socket(); s.bind(("127.0.0.1",${free})); s.listen(); print("ready"); time.sleep(60)`,
  )
  expect(await findStrangeListener(free)).toBe(NOBODY)
})

it('takes a connection of root', async () => {
  const { port, accepted } = await listen()
  const client = connect(port, '127.0.0.1')
  onTestFinished(() => void client.destroy())
  expect(await isServicePeer((await accepted).remotePort ?? 0, port)).toBe(true)
})

it.each([
  ['open', 'time.sleep(60)'],
  ['closed at once', 's.close(); time.sleep(60)'],
])('takes no connection of somebody else, %s', async (_how, then) => {
  const { port, accepted } = await listen()
  await runAsNobody(
    `import socket,time; s=socket.create_connection(("127.0.0.1",${port})); s.send(b"x"); print("ready"); ${then}`,
  )
  expect(await isServicePeer((await accepted).remotePort ?? 0, port)).toBe(false)
})
