/** Who is at the keyboard, for the audit: a name for people, which proves nothing. */
import { hostname, userInfo } from 'node:os'

const LENGTH_MAX = 100

/** `alice@db1`: in printable ASCII, as gRPC's metadata has to be. */
export function operatorName(environment: NodeJS.ProcessEnv = process.env): string {
  // Behind sudo everybody is root: who asked for it is meant.
  const user = environment['SUDO_USER'] ?? loginName()
  return `${user}@${hostname()}`.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, LENGTH_MAX)
}

/** A container may run as a number that has no name. */
function loginName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid-${process.getuid?.() ?? '?'}`
  }
}
