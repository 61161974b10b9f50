/** Where the daemon part listens: a socket of its own, in a directory that nobody else may enter. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { messageOf, PledgedError } from '../../base/errors.ts'
import { checkSocketPath, Mistake, parseAddress } from '../values.ts'

export interface SocketPlace {
  /** unix:PATH */
  readonly listen: string
  /** For the probes, where nobody asked for another address: two sidecars on one machine must not want one port. */
  readonly httpListen: string
  /** Made for this run, and removed after it. */
  readonly temporaryDirectory: string | undefined
  remove(): void
}

const SOCKET = 'pledged.sock'
const HTTP_SOCKET = 'http.sock'
/** A temporary directory may have too long a name for a socket's path. */
const SHORT_DIRECTORY = '/tmp'

/** `listen`: what --listen says. Throws CONFIGURATION. */
export function makeSocketPlace(listen: string | undefined): SocketPlace {
  return listen === undefined ? temporaryPlace() : chosenPlace(listen)
}

function chosenPlace(listen: string): SocketPlace {
  const path = resolve(unixPath(listen))
  const directory = dirname(path)
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new PledgedError(
      'CONFIGURATION',
      `--listen: the directory of the socket, ${directory}, can't be made: ${messageOf(error)}`,
      { cause: error },
    )
  }
  return {
    listen: `unix:${path}`,
    httpListen: `unix:${join(directory, HTTP_SOCKET)}`,
    temporaryDirectory: undefined,
    remove: () => {},
  }
}

function unixPath(listen: string): string {
  try {
    const address = parseAddress(listen)
    if (address.kind === 'tcp') throw new Mistake('it is a network address')
    checkSocketPath(resolve(address.path))
    return address.path
  } catch (error) {
    if (!(error instanceof Mistake)) throw error
    throw new PledgedError(
      'CONFIGURATION',
      `--listen: ${error.message}; run serves its application over a unix socket: write unix:PATH, or leave it out (pledged serve listens elsewhere)`,
    )
  }
}

function temporaryPlace(): SocketPlace {
  const within = [tmpdir(), SHORT_DIRECTORY].find((directory) =>
    fits(join(directory, 'pledged-XXXXXX', SOCKET)),
  )
  try {
    // mkdtemp(3) makes it 0700.
    const directory = mkdtempSync(join(within ?? SHORT_DIRECTORY, 'pledged-'))
    return {
      listen: `unix:${join(directory, SOCKET)}`,
      httpListen: `unix:${join(directory, HTTP_SOCKET)}`,
      temporaryDirectory: directory,
      remove: () => rmSync(directory, { recursive: true, force: true }),
    }
  } catch (error) {
    throw new PledgedError(
      'CONFIGURATION',
      `no directory for the socket can be made in ${within}: ${messageOf(error)}; set TMPDIR to one that can be written, or choose a path with --listen unix:PATH`,
      { cause: error },
    )
  }
}

function fits(path: string): boolean {
  try {
    checkSocketPath(path)
    return true
  } catch {
    return false
  }
}
