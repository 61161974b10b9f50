/** Runs the application's work in an open branch, and sees that nothing of it is still under way when it has ended. */

import type { BranchOpening, Transaction } from '../../../src/sdk/client/index.ts'

/** What the application's work gets, and a way to wait for what it didn't. */
export interface GuardedWork<Connection> {
  readonly connection: Connection
  readonly settled: () => Promise<void>
}

/**
 * A statement that nobody awaited would run after the work's end, perhaps after the prepare: it is waited for, and where it
 * fails, so does the work. Nobody can have handled an error that came later.
 */
export function runGuarded<Connection, T>(
  transaction: Transaction,
  opening: BranchOpening<GuardedWork<Connection>>,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  return transaction.branch(opening, async ({ connection, settled }) => {
    const value = await work(connection)
    await settled()
    return value
  })
}
