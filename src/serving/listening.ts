/**
 * The listening sockets of a server. They are ours, and not gRPC's, which takes as many connections as come, for as long as
 * they like.
 */
import { lookup } from 'node:dns/promises'
import { chmod } from 'node:fs/promises'
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net'
import { type ListenAddress, removeStaleSocket } from './listen-address.ts'

export interface Listening {
  /** Undefined for a unix socket. */
  readonly port: number | undefined
  /** Nobody connects any more; who has connected stays. Resolves when the last of them has gone. */
  stop(): Promise<void>
}

type Connected = (socket: Socket) => void

/** Rejects with what the system says. */
export async function listenAt(address: ListenAddress, connected: Connected): Promise<Listening> {
  const servers =
    address.type === 'unix'
      ? [await listenOnSocket(address.path, connected)]
      : await listenOnHost(address, connected)
  let stopped: Promise<unknown> | undefined
  return {
    port: portOf(servers[0]),
    stop: async () => {
      stopped ??= Promise.all(servers.map(closed))
      await stopped
    },
  }
}

async function listenOnSocket(path: string, connected: Connected): Promise<Server> {
  await removeStaleSocket(path)
  const server = createServer(connected)
  // From its first moment the socket is its owner's alone; a mode set afterwards would leave a gap. The rest of the
  // process keeps what an owner needs of the files that it happens to make meanwhile.
  const umask = process.umask(0o077)
  try {
    await listening(server, { path })
  } finally {
    process.umask(umask)
  }
  await chmod(path, 0o600)
  return server
}

interface Host {
  readonly host: string
  readonly port: number
}

/** A name may have several addresses, as `localhost` has, and a client may try any of them. One has to be had. */
async function listenOnHost({ host, port }: Host, connected: Connected): Promise<Server[]> {
  const servers: Server[] = []
  let failure: unknown
  for (const { address } of await lookup(host, { all: true })) {
    const server = createServer(connected)
    try {
      await listening(server, { host: address, port: portOf(servers[0]) ?? port })
      servers.push(server)
    } catch (error) {
      failure ??= error
    }
  }
  if (servers.length === 0) throw failure
  return servers
}

function listening(server: Server, where: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.off('error', reject)
      // It can't accept one more, for want of file descriptors: those that it has go on, and the next may fit.
      server.on('error', () => {})
      resolve()
    })
  })
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}

function portOf(server: Server | undefined): number | undefined {
  const bound = server?.address()
  return typeof bound === 'object' && bound !== null ? bound.port : undefined
}
