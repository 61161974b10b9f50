/**
 * Moves money between accounts in two SQLite files: both change, or neither. There is no daemon and no server: the coordinator is
 * in this process, and goes on from its log when this process was killed.
 *
 *   node transfer.ts FROM TO CENTS
 */
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { openCoordinator } from 'pledged/coordinator'

const [from = 'alice', to = 'bob', centsText = '2500'] = process.argv.slice(2)
const cents = Number(centsText)
if (!Number.isSafeInteger(cents) || cents <= 0) throw new Error(`CENTS is ${centsText}: give a whole number`)

// Before the coordinator opens them: from then on the files are its participants'.
makeAccounts('giro.db', 10_000)
makeAccounts('savings.db', 0)

const coordinator = await openCoordinator({
  dataDirectory: 'pledged-data',
  participants: {
    giro: { kind: 'sqlite', file: 'giro.db' },
    savings: { kind: 'sqlite', file: 'savings.db' },
  },
})
const result = await coordinator.execute(
  [
    {
      participant: 'giro',
      work: {
        statements: [
          {
            sql: 'UPDATE account SET cents = cents - ? WHERE owner = ? AND cents >= ?',
            params: [cents, from, cents],
            // No such row: no such account, or not enough on it. The branch votes no, and nothing happens anywhere.
            expect_rows: 1,
          },
        ],
      },
    },
    {
      participant: 'savings',
      work: {
        statements: [
          {
            sql: 'UPDATE account SET cents = cents + ? WHERE owner = ?',
            params: [cents, to],
            expect_rows: 1,
          },
        ],
      },
    },
  ],
  // What a killed run has left holds the files for a moment, until it is brought to its end.
  { retries: 100 },
)
// Delivers what is decided, and lets go of the log and the files.
await coordinator.close()

if (result.outcome === 'committed') {
  console.log(`moved ${cents} cents from ${from} to ${to}: ${result.xid}`)
} else {
  console.log(`nothing was moved: ${result.message}`)
  process.exitCode = 1
}

function makeAccounts(file: string, cents: number): void {
  if (existsSync(file)) return
  const database = new DatabaseSync(file)
  database.exec('CREATE TABLE account (owner TEXT PRIMARY KEY, cents INTEGER NOT NULL CHECK (cents >= 0))')
  const insert = database.prepare('INSERT INTO account VALUES (?, ?)')
  for (const owner of ['alice', 'bob']) insert.run(owner, cents)
  database.close()
}
