/**
 * Sells from the stock in MariaDB, and takes the money from an account in PostgreSQL, on connections of its own: both
 * happen, or neither.
 *
 *   node order.ts OWNER ITEM PIECES
 */
import mysql, { type ResultSetHeader, type RowDataPacket } from 'mysql2/promise'
import pg from 'pg'
import { connect } from 'pledged'
import { mysqlBranch } from 'pledged/mysql'
import { postgresBranch } from 'pledged/postgres'

const [owner = 'alice', item = 'teapot', piecesText = '1'] = process.argv.slice(2)
const pieces = Number(piecesText)

const ledger = new pg.Pool({ connectionString: process.env['LEDGER_URL'] })
const stock = mysql.createPool({ uri: process.env['STOCK_URL'] ?? '' })
const coordinator = connect() // PLEDGED_ADDRESS, or 127.0.0.1:7420

try {
  const { xid, value } = await coordinator.transaction(
    async (tx) => {
      const price = await mysqlBranch(tx, 'stock', stock, async (sql) => {
        const [taken] = await sql.execute<ResultSetHeader>(
          'UPDATE stock SET pieces = pieces - ? WHERE item = ? AND pieces >= ?',
          [pieces, item, pieces],
        )
        if (taken.affectedRows === 0) throw new Error(`not enough of "${item}"`)
        const [rows] = await sql.execute<RowDataPacket[]>('SELECT cents FROM stock WHERE item = ?', [item])
        return Number(rows[0]?.['cents']) * pieces
      })
      await postgresBranch(tx, 'ledger', ledger, async (sql) => {
        const paid = await sql.query({
          text: 'UPDATE account SET cents = cents - $1 WHERE owner = $2 AND cents >= $1',
          values: [price, owner],
        })
        if (paid.rowCount === 0) throw new Error(`${owner} can't pay ${price} cents`)
      })
      return price
    },
    // A deadlock, or a lock that another transaction holds for long: the callback runs again.
    { retries: 3 },
  )
  console.log(`sold ${pieces} ${item} to ${owner} for ${value} cents: ${xid}`)
} catch (error) {
  // Nothing has changed; but for an OutcomeUnknownError, which says so.
  console.log(`not sold: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
} finally {
  await coordinator.close()
  await Promise.all([ledger.end(), stock.end()])
}
