/**
 * Moves money from an account in PostgreSQL to an account in MariaDB: both change, or neither.
 *
 *   node transfer.ts FROM TO CENTS
 */
import { connect } from 'pledged'

const [from = 'alice', to = 'alice', centsText = '2500'] = process.argv.slice(2)
const cents = Number(centsText)
if (!Number.isSafeInteger(cents) || cents <= 0) throw new Error(`CENTS is ${centsText}: give a whole number`)

const coordinator = connect() // PLEDGED_ADDRESS, or 127.0.0.1:7420
const result = await coordinator.execute([
  {
    participant: 'giro',
    work: {
      statements: [
        {
          sql: 'UPDATE account SET cents = cents - $1 WHERE owner = $2 AND cents >= $1',
          params: [cents, from],
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
        { sql: 'UPDATE account SET cents = cents + ? WHERE owner = ?', params: [cents, to], expect_rows: 1 },
      ],
    },
  },
])
await coordinator.close()

if (result.outcome === 'committed') {
  console.log(`moved ${cents} cents from ${from} to ${to}: ${result.xid}`)
} else {
  console.log(`nothing was moved: ${result.message}`)
  process.exitCode = 1
}
