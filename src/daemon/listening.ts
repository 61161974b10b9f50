/** Listening, with a sentence for whoever chose an address that can't be had. */
import { chmodSync } from 'node:fs'
import type { Server } from 'node:net'
import { messageOf, PledgedError } from '../base/errors.ts'
import { removeStaleSocket } from '../serving/index.ts'
import { type Address, formatAddress } from './values.ts'

/** Rejects with CONFIGURATION. `setting` is what the address is called in the configuration. */
export async function listenOn(server: Server, address: Address, setting: string): Promise<void> {
  if (address.kind === 'tcp')
    return await listening(server, address, setting, () => server.listen(address.port, address.host))
  await removeStaleSocket(address.path)
  // From its first moment the socket is its owner's alone; a mode set afterwards would leave a gap.
  const umask = process.umask(0o077)
  try {
    await listening(server, address, setting, () => server.listen(address.path))
  } finally {
    process.umask(umask)
  }
  chmodSync(address.path, 0o600)
}

function listening(server: Server, address: Address, setting: string, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => reject(addressError(address, setting, error))
    server.once('error', failed)
    server.once('listening', () => {
      server.off('error', failed)
      // It can't accept one more, for want of file descriptors: that is no reason to end the daemon.
      server.on('error', () => {})
      resolve()
    })
    listen()
  })
}

function addressError(address: Address, setting: string, error: Error): PledgedError {
  const where = formatAddress(address)
  const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
  const why = inUse
    ? `another process listens there; stop it, or choose another ${setting}`
    : messageOf(error)
  return new PledgedError('CONFIGURATION', `can't listen on ${where} (${setting}): ${why}`, { cause: error })
}
