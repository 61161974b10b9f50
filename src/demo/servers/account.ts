/** Under which account a server runs: PostgreSQL refuses root, and nothing here needs root. */
import { chownSync, readFileSync } from 'node:fs'
import { PledgedError } from '../../base/errors.ts'

export interface Account {
  readonly uid: number
  readonly gid: number
}

/** The first of these that exists; undefined when this process isn't root: then the server runs as who we are. */
export function unprivilegedAccount(names: readonly string[]): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
  for (const name of names) {
    const fields = lines.map((line) => line.split(':')).find(([first]) => first === name)
    if (fields !== undefined) return { uid: Number(fields[2]), gid: Number(fields[3]) }
  }
  throw new PledgedError(
    'CONFIGURATION',
    `a database server must not run as root, and there is none of the accounts ${names.join(', ')}; run this as another user.`,
  )
}

export function give(path: string, account: Account | undefined): void {
  if (account !== undefined) chownSync(path, account.uid, account.gid)
}
