/**
 * The order of ../early-pledge with Drizzle: its query builder on the branches' connections.
 *
 *   node order.ts OWNER ITEM PIECES
 */
import { and, eq, gte, sql } from 'drizzle-orm'
import { int, mysqlTable, varchar } from 'drizzle-orm/mysql-core'
import { drizzle as drizzleMysql } from 'drizzle-orm/mysql2'
import { drizzle as drizzlePostgres } from 'drizzle-orm/node-postgres'
import { bigint, pgTable, text } from 'drizzle-orm/pg-core'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { connect } from 'pledged'
import { mysqlBranch } from 'pledged/mysql'
import { postgresBranch } from 'pledged/postgres'

const account = pgTable('account', {
  owner: text().primaryKey(),
  cents: bigint({ mode: 'number' }).notNull(),
})
const stock = mysqlTable('stock', {
  item: varchar({ length: 32 }).primaryKey(),
  pieces: int().notNull(),
  cents: int().notNull(),
})

const [owner = 'alice', item = 'teapot', piecesText = '1'] = process.argv.slice(2)
const pieces = Number(piecesText)

const ledgerPool = new pg.Pool({ connectionString: process.env['LEDGER_URL'] })
const stockPool = mysql.createPool({ uri: process.env['STOCK_URL'] ?? '' })
const coordinator = connect()

try {
  const { xid, value } = await coordinator.transaction(
    async (tx) => {
      const price = await mysqlBranch(tx, 'stock', stockPool, async (client) => {
        // Its transaction is Pledged's: db.transaction() is refused.
        const db = drizzleMysql({ client })
        const [taken] = await db
          .update(stock)
          .set({ pieces: sql`${stock.pieces} - ${pieces}` })
          .where(and(eq(stock.item, item), gte(stock.pieces, pieces)))
        if (taken.affectedRows === 0) throw new Error(`not enough of "${item}"`)
        const [found] = await db.select({ cents: stock.cents }).from(stock).where(eq(stock.item, item))
        return (found?.cents ?? 0) * pieces
      })
      await postgresBranch(tx, 'ledger', ledgerPool, async (client) => {
        const paid = await drizzlePostgres({ client })
          .update(account)
          .set({ cents: sql`${account.cents} - ${price}` })
          .where(and(eq(account.owner, owner), gte(account.cents, price)))
        if (paid.rowCount === 0) throw new Error(`${owner} can't pay ${price} cents`)
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
  await Promise.all([ledgerPool.end(), stockPool.end()])
}
