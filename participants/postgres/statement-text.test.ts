import { describe, expect, it } from 'vitest'
import { inspectStatement } from './statement-text.ts'

describe('inspectStatement', () => {
  it.each<[string, number]>([
    ['SELECT 1', 0],
    ["SELECT 'pledged_witness', $1", 1],
    ['select $1, $2, $1 ;  -- done', 2],
    ['(SELECT 1)', 0],
    ["INSERT INTO t VALUES ('a;b''; COMMIT', $1)", 1],
    ["SELECT E'\\'; COMMIT; --', $1", 1],
    ["SELECT E'a'\n'\\'; $2', $1", 1],
    ["SELECT E'a' \r\n\t'\\'; $2', $1", 1],
    ["SELECT E'a'\r'\\'; $2', $1", 1],
    [`SELECT E'a'${'\n'.repeat(900_000)}, $1`, 1],
    ["SELECT 'a\\', $1", 1],
    ['SELECT "a;""$3", $1', 1],
    ['SELECT $$ ; $2 $$, $1', 1],
    ['DO $body$ BEGIN PERFORM $$;$$; END $body$', 0],
    ['SELECT a$b$c FROM t WHERE $1', 1],
    ['/* ; /* nested ; */ $4 */ UPDATE t SET n = $1', 1],
    ['-- ; \nDELETE FROM t', 0],
    ['WITH a AS (SELECT $2) SELECT 1', 2],
    ['CALL p($1)', 1],
    ['MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE', 0],
  ])('takes %j with its parameters', (sql, parameterCount) => {
    expect(inspectStatement(sql)).toEqual({ parameterCount })
  })

  it.each([
    ['', 'is empty'],
    [' ; ', 'is empty'],
    ['/* nothing */ -- at all', 'is empty'],
    ['SELECT 1; SELECT 2', 'more than one statement'],
    ["SELECT ''; COMMIT", 'more than one statement'],
    ["SELECT '\\'; COMMIT; --'", 'more than one statement'],
    ['SELECT $a$ $b$; $a$; COMMIT', 'more than one statement'],
    ['SELECT /* a /* b */ 1; COMMIT', 'a comment that is not closed'],
    ['SELECT $a$ 1', 'quote $a$ that is not closed'],
    ['DELETE FROM Pledged_Witness', 'names Pledged_Witness: what begins with pledged_'],
    ['TRUNCATE public."pledged_logs"', 'belongs to Pledged'],
    ['COMMIT', 'begins with COMMIT'],
    ['/**/abort', 'begins with ABORT'],
    ['END', 'begins with END'],
    ["COMMIT PREPARED 'x'", 'begins with COMMIT'],
    ['SET x = 1', 'begins with SET'],
    ['LISTEN bell', 'begins with LISTEN'],
    ['COPY t FROM STDIN', 'begins with COPY'],
    ['SELECT 1\0', 'NUL'],
  ])('refuses %j', (sql, problem) => {
    expect(inspectStatement(sql)).toEqual({ problem: expect.stringContaining(problem) as string })
  })
})
