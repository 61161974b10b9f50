import { describe, expect, it } from 'vitest'
import { inspectStatement, namesIn, onlyReads } from './statement-text.ts'

describe('inspectStatement', () => {
  it.each([
    ['INSERT INTO t VALUES (?, ?)', 2],
    ['/* a ; ? */ SELECT 1 -- ; ?\n + ? # ; ?', 1],
    [`SELECT ';', ';''?', ";""?", ';\\'?', "\\";?", \`;?\`, ?;`, 1],
    ['SELECT 5--1, ?', 1],
    ['SELECT 1 --\t?', 0],
    ['SELECT @@version, /*+ MAX_EXECUTION_TIME(5) */ 1;;  ; -- end', 0],
    ['WITH a AS (SELECT 1) SELECT * FROM a', 0],
    ['REPLACE INTO a$b VALUES (0x1F, 1e5, x\'4D\', _utf8mb4"?", ?)', 1],
    ['UPDATE größe SET ñ = ? WHERE into_outfile = ?', 2],
    ["SELECT 'pledged_witness', 'GET_LOCK', '@a'", 0],
  ])('takes %j, with %i parameters', (sql, parameterCount) => {
    expect(inspectStatement(sql)).toEqual({ parameterCount })
  })

  const refused: readonly (readonly [string, RegExp])[] = [
    ['INSERT INTO t VALUES (1); DROP TABLE t', /more than one statement/],
    ["SELECT '\\\\'; COMMIT", /more than one statement/],
    ['SELECT "a\\"b"; COMMIT', /more than one statement/],
    ['SELECT 1 /* ; */ ; # \n COMMIT', /more than one statement/],
    ['', /is empty/],
    [' ; -- SELECT', /is empty/],
    ['SELECT 1 \0; COMMIT', /NUL/],
    ['SELECT 1 /*! INTO OUTFILE "/tmp/x" */', /comment that the server executes/],
    ['/*M!100000 COMMIT */', /comment that the server executes/],
    ["SELECT 'a", /without an end/],
    ['SELECT `a', /without an end/],
    ['SELECT 1 /* ', /without an end/],
    ['SELECT @a := 1', /user variable/],
    ["SELECT @'a'", /user variable/],
    ["SELECT GET_LOCK ('a', 1)", /GET_LOCK/],
    ["SELECT `get_lock`('a', 1)", /GET_LOCK/],
    ["SELECT 1 INTO OUTFILE '/tmp/x'", /writes a file/],
    ["SELECT 1 INTO/**/DUMPFILE '/tmp/x'", /writes a file/],
    ['DELETE FROM pledged_witness', /belongs to Pledged/],
    ['DELETE FROM `Pledged_logs`', /belongs to Pledged/],
    ...[
      'BEGIN',
      'COMMIT',
      'ROLLBACK',
      'SAVEPOINT a',
      "XA END 'a'",
      "XA ROLLBACK 'a'",
      'SET autocommit = 1',
      'START TRANSACTION',
      'LOCK TABLES t READ',
      'CALL p()',
      'DO 1',
      'CREATE TABLE x (a INT)',
      'TRUNCATE t',
      'ALTER TABLE t ADD a INT',
      'HANDLER t OPEN',
      "LOAD DATA INFILE 'x' INTO TABLE t",
      'EXECUTE a',
      'DELIMITER //',
      'VALUES (1)',
      'EXPLAIN SELECT 1',
      '(SELECT 1)',
      'BEGIN NOT ATOMIC COMMIT; END',
      '\ufeffSELECT 1',
    ].map((sql) => [sql, /a branch may run INSERT|more than one statement/] as const),
  ]
  it.each(refused)('refuses %j', (sql, problem) => {
    expect(inspectStatement(sql)).toEqual({ problem: expect.stringMatching(problem) as string })
  })

  it('reads a text of a megabyte', () => {
    expect(inspectStatement(`SELECT '${"''".repeat(500_000)}'; COMMIT`)).toHaveProperty('problem')
    expect(inspectStatement(`SELECT '${'\\'.repeat(500_001)}; COMMIT`)).toHaveProperty('problem')
  })
})

describe('onlyReads', () => {
  it.each([
    [' -- a\n select 1', true],
    ['WITH a AS (SELECT 1) SELECT 1', false],
    ['INSERT INTO t SELECT 1', false],
    ['', false],
  ])('of %j says %s', (sql, answer) => {
    expect(onlyReads(sql)).toBe(answer)
  })
})

describe('namesIn', () => {
  it('finds every name, with the one before its dot, in lower case', () => {
    expect(namesIn('INSERT INTO `My``DB` . /* x */ T (a) SELECT b.C FROM "no" b')).toEqual([
      { qualifier: undefined, name: 'insert' },
      { qualifier: undefined, name: 'into' },
      { qualifier: undefined, name: 'my`db' },
      { qualifier: 'my`db', name: 't' },
      { qualifier: undefined, name: 'a' },
      { qualifier: undefined, name: 'select' },
      { qualifier: undefined, name: 'b' },
      { qualifier: 'b', name: 'c' },
      { qualifier: undefined, name: 'from' },
      { qualifier: undefined, name: 'b' },
    ])
  })
})
