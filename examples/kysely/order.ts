/**
 * The order of ../early-pledge with Kysely: its query builder on the branches' connections.
 *
 *   node order.ts OWNER ITEM PIECES
 */
import { Kysely, MysqlDialect, PostgresDialect } from 'kysely'
import { createPool, type PoolConnection } from 'mysql2'
import pg from 'pg'
import { connect } from 'pledged'
import { mysqlBranch } from 'pledged/mysql'
import { postgresBranch } from 'pledged/postgres'

interface Ledger {
  account: { owner: string; cents: number }
}
interface Stock {
  stock: { item: string; pieces: number; cents: number }
}

/** A Kysely whose pool has one connection: the branch's. Its transaction is Pledged's; db.transaction() is refused. */
function ledgerOn(connection: pg.PoolClient): Kysely<Ledger> {
  const pool = { options: {}, connect: async () => connection, end: async () => {} }
  return new Kysely<Ledger>({ dialect: new PostgresDialect({ pool }) })
}

function stockOn(connection: PoolConnection): Kysely<Stock> {
  const pool = {
    getConnection: (give: (error: unknown, connection: PoolConnection) => void) => give(null, connection),
    end: (ended: (error: unknown) => void) => ended(null),
  }
  return new Kysely<Stock>({ dialect: new MysqlDialect({ pool }) })
}

const [owner = 'alice', item = 'teapot', piecesText = '1'] = process.argv.slice(2)
const pieces = Number(piecesText)

const ledger = new pg.Pool({ connectionString: process.env['LEDGER_URL'] })
const stock = createPool({ uri: process.env['STOCK_URL'] ?? '' })
const coordinator = connect()

try {
  const { xid, value } = await coordinator.transaction(
    async (tx) => {
      const price = await mysqlBranch(tx, 'stock', stock, async (connection) => {
        const db = stockOn(connection)
        const taken = await db
          .updateTable('stock')
          .set((eb) => ({ pieces: eb('pieces', '-', pieces) }))
          .where('item', '=', item)
          .where('pieces', '>=', pieces)
          .executeTakeFirst()
        if (taken.numUpdatedRows === 0n) throw new Error(`not enough of "${item}"`)
        const { cents } = await db
          .selectFrom('stock')
          .select('cents')
          .where('item', '=', item)
          .executeTakeFirstOrThrow()
        return cents * pieces
      })
      await postgresBranch(tx, 'ledger', ledger, async (connection) => {
        const paid = await ledgerOn(connection)
          .updateTable('account')
          .set((eb) => ({ cents: eb('cents', '-', price) }))
          .where('owner', '=', owner)
          .where('cents', '>=', price)
          .executeTakeFirst()
        if (paid.numUpdatedRows === 0n) throw new Error(`${owner} can't pay ${price} cents`)
      })
      return price
    },
    { retries: 3 },
  )
  console.log(`sold ${pieces} ${item} to ${owner} for ${value} cents: ${xid}`)
} catch (error) {
  console.log(`not sold: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
} finally {
  await coordinator.close()
  await ledger.end()
  await stock.promise().end()
}
