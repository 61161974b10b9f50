import { describe, expect, it } from 'vitest'
import { inspectStatement } from './statement-text.ts'

describe('inspectStatement', () => {
  it.each([
    ['INSERT INTO t VALUES (?, ?)', 2],
    ['insert into t values (?2, ?1, ?)', 3],
    ['/* a ; ? */ SELECT 1 -- ; ?', 0],
    ["SELECT ';', ';''?', \";\", `;?`, [;?] , ? ;", 1],
    ['WITH a AS (SELECT 1) DELETE FROM t WHERE x IN a;;  ; -- end', 0],
    ['REPLACE INTO a$b VALUES (0x1F, 1e5, 1.5, ?)', 1],
    ["SELECT j ->> '$.a' FROM t WHERE a = ?", 1],
    ['UPDATE t SET b = /* unterminated', 0],
    ['DELETE FROM "größe" WHERE ñ = ?', 1],
  ])('takes %j, with %i parameters', (sql, parameterCount) => {
    expect(inspectStatement(sql)).toEqual({ parameterCount })
  })

  const refused: readonly (readonly [string, RegExp])[] = [
    ['INSERT INTO t VALUES (1); DROP TABLE t', /more than one statement/],
    ["SELECT '; '' ;'; COMMIT", /more than one statement/],
    ['SELECT 1 /* ; */ ; -- \n COMMIT', /more than one statement/],
    ['SELECT [a;b]; ?', /more than one statement/],
    ['', /is empty/],
    [' ; -- SELECT', /is empty/],
    ['SELECT 1 \0; COMMIT', /NUL/],
    ['SELECT :name', /named parameter :name/],
    ['SELECT @a, $b', /named parameter @a/],
    ...[
      'BEGIN',
      'COMMIT',
      'END',
      'ROLLBACK',
      'SAVEPOINT a',
      'RELEASE a',
      'PRAGMA synchronous=OFF',
      "ATTACH 'x' AS y",
    ].map((sql) => [sql, /a branch may run INSERT/] as const),
    ...[
      'VACUUM',
      'CREATE TABLE x(a)',
      'DROP TABLE x',
      'ALTER TABLE x ADD y',
      'EXPLAIN SELECT 1',
      'VALUES (1)',
    ].map((sql) => [sql, /a branch may run INSERT/] as const),
    ['/* SELECT */ commit', /begins with COMMIT/],
    ['\ufeffSELECT 1', /a branch may run/],
    ['(SELECT 1)', /a branch may run/],
  ]
  it.each(refused)('refuses %j', (sql, problem) => {
    expect(inspectStatement(sql)).toEqual({ problem: expect.stringMatching(problem) as string })
  })

  it('reads a text of a megabyte', () => {
    expect(inspectStatement(`SELECT '${"''".repeat(500_000)}'; COMMIT`)).toHaveProperty('problem')
  })
})
