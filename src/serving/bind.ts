/** Binds a gRPC server to its address. */
import { chmod } from 'node:fs/promises'
import type { Server, ServerCredentials } from '@grpc/grpc-js'
import { messageOf, PledgedError } from '../base/errors.ts'
import {
  formatListenAddress,
  type ListenAddress,
  parseListenAddress,
  removeStaleSocket,
} from './listen-address.ts'

/** The address that was bound. Rejects with CONFIGURATION, naming the address and what is wrong with it. */
export async function bind(server: Server, listen: string, credentials: ServerCredentials): Promise<string> {
  const address = parseListenAddress(listen)
  if (address.type === 'tcp') {
    const port = await bindTo(server, address, credentials)
    return formatListenAddress(address, port)
  }
  await removeStaleSocket(address.path)
  // From its first moment the socket is its owner's alone; a mode set afterwards would leave a gap. The rest of the
  // process keeps what an owner needs of the files that it happens to make meanwhile.
  const umask = process.umask(0o077)
  try {
    await bindTo(server, address, credentials)
  } finally {
    process.umask(umask)
  }
  await chmod(address.path, 0o600)
  return formatListenAddress(address)
}

function bindTo(server: Server, address: ListenAddress, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(formatListenAddress(address), credentials, (error, port) => {
      if (error === null) resolve(port)
      else reject(bindFailure(address, error))
    })
  })
}

function bindFailure(address: ListenAddress, error: Error): PledgedError {
  const text = formatListenAddress(address)
  return new PledgedError('CONFIGURATION', `can't listen on ${text}: ${reasonOf(address, error)}`, {
    cause: error,
  })
}

/** gRPC keeps only the text of what the system said. */
function reasonOf(address: ListenAddress, error: Error): string {
  const text = messageOf(error)
  if (text.includes('EADDRINUSE')) return 'another process listens there; stop it, or choose another port'
  if (text.includes('EADDRNOTAVAIL')) return 'this machine has no such address'
  if (text.includes('EACCES')) {
    // libuv says EACCES also for ENOENT.
    return address.type === 'tcp'
      ? 'this user may not listen there'
      : 'its folder does not exist, or this user may not write to it'
  }
  if (/ENOTFOUND|EAI_AGAIN|Name resolution/.test(text)) return 'the name has no address'
  return text
}
