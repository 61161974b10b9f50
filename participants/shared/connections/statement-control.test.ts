/** Which statements an application may run in a branch, by each database's own lexical rules. */
import { describe, expect, it } from 'vitest'
import { objectionToStatement as ofMysql } from '../../mysql/branch/transaction-control.ts'
import { objectionToStatement as ofPostgres } from '../../postgres/branch/transaction-control.ts'

describe.each([
  { name: 'postgres', objectionTo: ofPostgres },
  { name: 'mysql', objectionTo: ofMysql },
])('$name', ({ objectionTo }) => {
  it.each([
    'SELECT 1',
    '  select 1;',
    "INSERT INTO t VALUES ('a; COMMIT')",
    'SAVEPOINT a',
    'RELEASE SAVEPOINT a',
    'ROLLBACK TO SAVEPOINT a',
    'rollback work to a',
    '-- COMMIT\nSELECT 1',
    '/* BEGIN */ UPDATE t SET n = 1',
    '',
  ])('takes %j', (sql) => {
    expect(objectionTo(sql)).toBeUndefined()
  })

  it.each([
    'BEGIN',
    'begin;',
    ' COMMIT ',
    '-- a\nCOMMIT',
    'START TRANSACTION',
    'ROLLBACK',
    'SELECT 1; ROLLBACK',
  ])('refuses %j', (sql) => {
    expect(objectionTo(sql)).toMatch(/is not for a branch/)
  })
})

describe('what one of them alone has', () => {
  it.each(['END', 'ABORT', "PREPARE TRANSACTION 'a'", "COMMIT PREPARED 'a'", "ROLLBACK PREPARED 'a'"])(
    'postgres refuses %j',
    (sql) => {
      expect(ofPostgres(sql)).toMatch(/is not for a branch/)
    },
  )

  it.each([
    'PREPARE plan AS SELECT 1',
    'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE',
    'DO $$ BEGIN COMMIT; END $$',
  ])('postgres takes %j, which the server may refuse', (sql) => {
    expect(ofPostgres(sql)).toBeUndefined()
  })

  it.each(["XA START 'a'", "xa prepare 'a'", 'SET autocommit = 0', 'SET @@SESSION.autocommit = 1'])(
    'mysql refuses %j',
    (sql) => {
      expect(ofMysql(sql)).toMatch(/is not for a branch/)
    },
  )

  it.each(['BEGIN NOT ATOMIC SELECT 1; END', "SET @a = 'autocommit'"])('mysql takes %j', (sql) => {
    expect(ofMysql(sql)).toBeUndefined()
  })
})
