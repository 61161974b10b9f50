import { inject } from 'vitest'
import { describeServerBranches } from '../testing/servers/branch-suite.ts'
import { endXa, openLedger, seededDatabase, sql } from '../testing/servers/mysql.ts'

const work = (statement: string): string => JSON.stringify({ statements: [{ sql: statement }] })

describeServerBranches({
  seeded: () => seededDatabase(inject('mariadbUrl')),
  open: (url, options = {}) => openLedger(url, options),
  first: work('UPDATE accounts SET balance = balance - 10 WHERE id = 1'),
  second: work('INSERT INTO accounts (id, balance) VALUES (3 + FLOOR(RAND() * 2000000000), 5)'),
  conflicting: work('UPDATE accounts SET balance = balance + 1 WHERE id = 1'),
  reading: work('SELECT * FROM accounts'),
  refused: work('INSERT INTO accounts VALUES (1, 1)'),
  applied: async (url) => {
    const [row] = await sql(
      url,
      `SELECT (SELECT COUNT(*) FROM accounts WHERE id > 2) +
              (SELECT COUNT(*) FROM accounts WHERE id = 1 AND balance < 100) AS applied`,
    )
    return Number(row?.['applied'])
  },
  endByHand: (url, verb, xid) => endXa(url, verb, xid),
})
