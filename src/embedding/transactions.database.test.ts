/** Branches on the application's own connections, in the process of the coordinator itself, on real servers. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, inject, it, onTestFinished } from 'vitest'
import { mysqlBranch } from '../../participants/mysql/branch/index.ts'
import { postgresBranch } from '../../participants/postgres/branch/index.ts'
import { seededDatabase as seededMysql } from '../../participants/testing/servers/mysql.ts'
import * as stock from '../../participants/testing/servers/mysql-application.ts'
import { seededDatabase as seededPostgres } from '../../participants/testing/servers/postgres.ts'
import * as ledger from '../../participants/testing/servers/postgres-application.ts'
import type { BranchOpening, Transaction } from '../sdk/client/index.ts'
import { type EmbeddedCoordinator, openCoordinator } from './index.ts'

let urls: { readonly ledger: string; readonly stock: string }
let dataDirectory: string

beforeEach(async () => {
  urls = {
    ledger: await seededPostgres(inject('postgresUrl')),
    stock: await seededMysql(inject('mariadbUrl')),
  }
  dataDirectory = mkdtempSync(join(tmpdir(), 'pledged-embedded-'))
  onTestFinished(() => rmSync(dataDirectory, { recursive: true }))
})

async function open(ledgerUrl = urls.ledger): Promise<EmbeddedCoordinator> {
  const coordinator = await openCoordinator({
    dataDirectory,
    participants: {
      ledger: { kind: 'postgres', url: ledgerUrl },
      stock: { kind: 'mysql', url: urls.stock },
    },
  })
  onTestFinished(() => coordinator.close())
  expect(coordinator.status().participants.map(({ up }) => up)).toEqual([true, true])
  return coordinator
}

async function debitBoth(tx: Transaction): Promise<void> {
  await postgresBranch(tx, 'ledger', ledger.poolAt(urls.ledger), (sql) => sql.query(ledger.DEBIT))
  await mysqlBranch(tx, 'stock', stock.poolAt(urls.stock), (sql) => sql.query(stock.DEBIT))
}

async function balances(): Promise<unknown[]> {
  return [await ledger.balance(urls.ledger), await stock.balance(urls.stock)]
}

async function settled(coordinator: EmbeddedCoordinator): Promise<void> {
  await expect.poll(() => coordinator.status().inDoubt, { timeout: 30_000 }).toBe(0)
  expect(await ledger.prepared(urls.ledger)).toEqual([])
}

describe('transaction(), embedded', () => {
  it('commits on both connections, beside a branch that the coordinator prepares', async () => {
    const coordinator = await open()
    const { outcome, value } = await coordinator.transaction(async (tx) => {
      await postgresBranch(tx, 'ledger', ledger.poolAt(urls.ledger), (sql) => sql.query(ledger.DEBIT))
      tx.add({ participant: 'stock', work: { statements: [{ sql: stock.DEBIT, expect_rows: 1 }] } })
      return 'done'
    })
    expect({ outcome, value }).toEqual({ outcome: 'committed', value: 'done' })
    await settled(coordinator)
    expect(await balances()).toEqual([90, 90])
    await coordinator.transaction(debitBoth)
    await settled(coordinator)
    expect(await balances()).toEqual([80, 80])
  })

  it('rolls both back where the callback throws, and throws what it threw', async () => {
    const coordinator = await open()
    const work = coordinator.transaction(async (tx) => {
      await debitBoth(tx)
      throw new Error('second thoughts')
    })
    await expect(work).rejects.toThrow('second thoughts')
    await settled(coordinator)
    expect(await balances()).toEqual([100, 100])
  })

  it('refuses a connection to another database than the participant’s (R10)', async () => {
    const coordinator = await open(await seededPostgres(inject('postgresUrl')))
    await expect(coordinator.transaction(debitBoth)).rejects.toThrow(/ledger/)
    await settled(coordinator)
    expect(await balances()).toEqual([100, 100])
  })

  it('leaves what was pledged to the coordinator, which ends it as was decided', async () => {
    const coordinator = await open()
    const lazy = new Lazy()
    await coordinator.transaction(async (tx) => {
      const pool = ledger.poolAt(urls.ledger)
      await postgresBranch(lazy.over(tx), 'ledger', pool, (sql) => sql.query(ledger.DEBIT))
      await mysqlBranch(tx, 'stock', stock.poolAt(urls.stock), (sql) => sql.query(stock.DEBIT))
    })
    expect(lazy.left).toBe(1)
    await settled(coordinator)
    expect(await balances()).toEqual([90, 90])
  })

  it('that is under way when the coordinator is closed is rolled back, and nothing waits for its return', async () => {
    const first = await open()
    const tx = await first.begin()
    await debitBoth(tx)
    await first.close()
    await expect(tx.commit()).rejects.toBeInstanceOf(Error)
    const second = await open()
    await settled(second)
    expect(await balances()).toEqual([100, 100])
  })
})

/** An application whose connection is lost after its prepare, each time: it never ends a branch by itself. */
class Lazy {
  left = 0

  over(tx: Transaction): Transaction {
    return {
      xid: tx.xid,
      signal: tx.signal,
      add: (branch) => tx.add(branch),
      branch: (opening, work) => tx.branch(this.#leaving(opening), work),
    }
  }

  #leaving<Handle>(opening: BranchOpening<Handle>): BranchOpening<Handle> {
    return {
      participant: opening.participant,
      source: opening.source,
      open: async (context) => {
        const branch = await opening.open(context)
        return {
          resourceId: branch.resourceId,
          connectionId: branch.connectionId,
          handle: branch.handle,
          prepare: () => branch.prepare(),
          commit: async () => {
            this.left += 1
            branch.leave()
            return false
          },
          rollBack: () => branch.rollBack(),
          leave: () => branch.leave(),
        }
      },
    }
  }
}
