/** Where the server listens: HOST:PORT, or unix:PATH. */
import { lstat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { resolve } from 'node:path'
import { PledgedError } from '../base/errors.ts'

export type ListenAddress =
  | { readonly type: 'tcp'; readonly host: string; readonly port: number }
  | { readonly type: 'unix'; readonly path: string }

/** sockaddr_un(7): 108 bytes with the closing zero; a longer path would be cut, silently. */
const SOCKET_PATH_BYTES_MAX = 107
const PORT_MAX = 65_535

/** Throws CONFIGURATION. */
export function parseListenAddress(listen: string): ListenAddress {
  if (listen.startsWith('unix:')) return { type: 'unix', path: socketPath(listen.slice('unix:'.length)) }
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^\s:[\]/]+)):([0-9]{1,5})$/.exec(listen)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > PORT_MAX) {
    throw new PledgedError(
      'CONFIGURATION',
      `listen is ${JSON.stringify(listen)}: expected HOST:PORT, for example 127.0.0.1:7420, or unix:PATH`,
    )
  }
  return { type: 'tcp', host, port }
}

/** The inverse; with the port that was bound, where another was asked for. */
export function formatListenAddress(address: ListenAddress, boundPort?: number): string {
  if (address.type === 'unix') return `unix:${address.path}`
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${host}:${boundPort ?? address.port}`
}

/** Reached from this machine alone. */
export function isLocal(address: ListenAddress): boolean {
  if (address.type === 'unix') return true
  const { host } = address
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)
}

/**
 * Removes what a killed process has left at the path. A socket on which somebody listens is left alone, and so is
 * whatever isn't a socket: both are CONFIGURATION.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return undefined
    throw unusable(path, String(error), error)
  })
  if (found === undefined) return
  if (!found.isSocket()) throw unusable(path, 'it exists and is not a socket')
  if (await someoneListens(path)) {
    throw unusable(path, 'another process listens on it; stop that one, or choose another path')
  }
  await unlink(path).catch((error: unknown) => {
    if (!isErrno(error, 'ENOENT')) throw unusable(path, String(error), error)
  })
}

function someoneListens(path: string): Promise<boolean> {
  return new Promise((settle) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      settle(true)
    })
    // Only a refusal proves that nobody is there: a full backlog (EAGAIN) or EACCES doesn't.
    probe.once('error', (error) => settle(!isErrno(error, 'ECONNREFUSED') && !isErrno(error, 'ENOENT')))
  })
}

function socketPath(text: string): string {
  const path = text === '' ? '' : resolve(text)
  const bytes = Buffer.byteLength(path)
  if (bytes >= 1 && bytes <= SOCKET_PATH_BYTES_MAX) return path
  throw new PledgedError(
    'CONFIGURATION',
    bytes === 0
      ? 'listen is "unix:" without a path: expected unix:PATH'
      : `listen names a socket path of ${bytes} bytes; the system takes ${SOCKET_PATH_BYTES_MAX}: choose a shorter one`,
  )
}

function unusable(path: string, why: string, cause?: unknown): PledgedError {
  return new PledgedError('CONFIGURATION', `can't listen on unix:${path}: ${why}`, { cause })
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
