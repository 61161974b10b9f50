import { describe, expect, it } from 'vitest'
import { classify, explain, SQLITE_ERRORS, type SqliteErrorKind, sqliteCodeOf } from './sqlite-errors.ts'

type Row = readonly [code: string, number: number, effect: SqliteErrorKind['effect'], retryable: boolean]

/** The numbers are those of https://www.sqlite.org/rescode.html. */
const ROWS: readonly Row[] = [
  ['SQLITE_ERROR', 1, 'not_done', false],
  ['SQLITE_PERM', 3, 'not_done', false],
  ['SQLITE_ABORT', 4, 'not_done', true],
  ['SQLITE_BUSY', 5, 'not_done', true],
  ['SQLITE_LOCKED', 6, 'not_done', true],
  ['SQLITE_NOMEM', 7, 'not_done', true],
  ['SQLITE_READONLY', 8, 'not_done', false],
  ['SQLITE_INTERRUPT', 9, 'not_done', true],
  ['SQLITE_IOERR', 10, 'unknown', true],
  ['SQLITE_CORRUPT', 11, 'unknown', true],
  ['SQLITE_FULL', 13, 'not_done', true],
  ['SQLITE_CANTOPEN', 14, 'not_done', true],
  ['SQLITE_PROTOCOL', 15, 'not_done', true],
  ['SQLITE_SCHEMA', 17, 'not_done', true],
  ['SQLITE_TOOBIG', 18, 'not_done', false],
  ['SQLITE_CONSTRAINT', 19, 'not_done', false],
  ['SQLITE_MISMATCH', 20, 'not_done', false],
  ['SQLITE_MISUSE', 21, 'not_done', false],
  ['SQLITE_AUTH', 23, 'not_done', false],
  ['SQLITE_RANGE', 25, 'not_done', false],
  ['SQLITE_NOTADB', 26, 'unknown', true],
]

describe('the table of SQLite errors', () => {
  it('is tested row by row', () => {
    expect(ROWS.map(([code]) => code).sort()).toEqual(Object.keys(SQLITE_ERRORS).sort())
  })

  it.each(ROWS)('%s, by its name or number, plain or extended', (code, number, effect, retryable) => {
    const errors = [
      Object.assign(new Error('x'), { code }),
      Object.assign(new Error('x'), { code: `${code}_FSYNC` }),
      Object.assign(new Error('x'), { code: 'ERR_SQLITE_ERROR', errcode: number }),
      Object.assign(new Error('x'), { code: 'ERR_SQLITE_ERROR', errcode: number | (7 << 8) }),
    ]
    for (const error of errors) {
      expect(sqliteCodeOf(error)).toBe(code)
      expect(classify(error)).toMatchObject({ effect, retryable })
    }
  })

  it('concludes nothing from what it does not know', () => {
    const others = [new Error('x'), 'x', undefined, Object.assign(new Error('x'), { errcode: 99 })]
    for (const error of others) expect(classify(error)).toMatchObject({ effect: 'unknown' })
  })

  it('puts the advice before the words of SQLite', () => {
    expect(explain(Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' }))).toBe(
      'another program holds the write lock of the database (database is locked)',
    )
    expect(explain(new Error('plain'))).toBe('plain')
  })
})
