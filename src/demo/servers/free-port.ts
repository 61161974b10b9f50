/** A TCP port that stays the server's own while it is down. */
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { PledgedError } from '../../base/errors.ts'

/**
 * Below the range from which Linux draws the ports of outgoing connections (32768 and up). From inside it, a
 * connection of anyone's could take the port while the server is down; and a client that tries to reach a dead
 * server again and again can end up connected to itself.
 */
const LOWEST = 20_000
const HIGHEST = 32_000
const TRIES_MAX = 200

export async function findFreePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = randomInt(LOWEST, HIGHEST)
    if (await isFree(port)) return port
  }
  throw new PledgedError('UNAVAILABLE', `no free port on 127.0.0.1 between ${LOWEST} and ${HIGHEST}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)))
  })
}
