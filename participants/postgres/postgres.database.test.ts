import { inject } from 'vitest'
import { describeServerBranches } from '../testing/servers/branch-suite.ts'
import { openLedger, psql, seededDatabase } from '../testing/servers/postgres.ts'

const work = (sql: string): string => JSON.stringify({ statements: [{ sql }] })

describeServerBranches({
  seeded: () => seededDatabase(inject('postgresUrl')),
  open: (url, options = {}) => openLedger(url, options),
  first: work('UPDATE accounts SET balance = balance - 10 WHERE id = 1'),
  second: work(
    'INSERT INTO accounts (id, balance) SELECT coalesce(max(id), 0) + 1 + (random() * 1e8)::int, 5 FROM accounts',
  ),
  conflicting: work('UPDATE accounts SET balance = balance + 1 WHERE id = 1'),
  reading: work('SELECT * FROM accounts'),
  refused: work('INSERT INTO accounts VALUES (1, 1)'),
  applied: async (url) => {
    const [row] = await psql(
      url,
      `SELECT (SELECT count(*) FROM accounts WHERE id > 2)::int +
              (SELECT count(*) FROM accounts WHERE id = 1 AND balance < 100)::int AS applied`,
    )
    return Number(row?.['applied'])
  },
  endByHand: async (url, verb, xid, branch) => {
    await psql(url, `${verb === 'commit' ? 'COMMIT' : 'ROLLBACK'} PREPARED 'pledged/${xid}/${branch}'`)
  },
})
