/** Binds a gRPC server to its address. */
import type { ServerCredentials } from '@grpc/grpc-js'
import { messageOf, PledgedError } from '../base/errors.ts'
import type { BoundedServer } from './bounded-server.ts'
import { formatListenAddress, type ListenAddress, parseListenAddress } from './listen-address.ts'

/** The address that was bound. Rejects with CONFIGURATION, naming the address and what is wrong with it. */
export async function bind(
  server: BoundedServer,
  listen: string,
  credentials: ServerCredentials,
): Promise<string> {
  const address = parseListenAddress(listen)
  try {
    return formatListenAddress(address, await server.listen(address, credentials))
  } catch (error) {
    throw error instanceof PledgedError ? error : bindFailure(address, error)
  }
}

function bindFailure(address: ListenAddress, error: unknown): PledgedError {
  const text = formatListenAddress(address)
  return new PledgedError('CONFIGURATION', `can't listen on ${text}: ${reasonOf(address, error)}`, {
    cause: error,
  })
}

function reasonOf(address: ListenAddress, error: unknown): string {
  const text = messageOf(error)
  if (text.includes('EADDRINUSE')) return 'another process listens there; stop it, or choose another port'
  if (text.includes('EADDRNOTAVAIL')) return 'this machine has no such address'
  if (text.includes('EACCES')) {
    // libuv says EACCES also for ENOENT.
    return address.type === 'tcp'
      ? 'this user may not listen there'
      : 'its folder does not exist, or this user may not write to it'
  }
  if (/ENOTFOUND|EAI_AGAIN/.test(text)) return 'the name has no address'
  return text
}
