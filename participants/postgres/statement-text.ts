/**
 * What the text of a statement shows: that it is one statement, of a kind that can't end the transaction it runs
 * in (R14), and how many parameters it takes. The server itself takes one statement a call and refuses a COMMIT in a
 * procedure or a DO block within a transaction; the text is read first so that a mistake is named before anything runs.
 */
import { inspectTokens, type Token, tokenAt } from '../shared/statement-tokens.ts'
import type { StatementText } from '../shared/statement-work.ts'

const KEYWORDS: ReadonlySet<string> = new Set([
  'INSERT',
  'UPDATE',
  'DELETE',
  'MERGE',
  'SELECT',
  'WITH',
  'VALUES',
  'TABLE',
  'CALL',
  'DO',
  'TRUNCATE',
  'LOCK',
])

/** A table's name; without quotes PostgreSQL takes it in lower case, in them as it is. */
const OWN = /^(?:pledged_|"pledged_)/i

/**
 * PostgreSQL's tokens (its manual, "Lexical Structure"), as far as they can hide a semicolon or a `$1`, with
 * standard_conforming_strings on, as each branch sets it. A word takes the `$` within it, so that `a$b$c` opens no
 * quote; a string in quotes goes on after white space with a line's end in it.
 */
const TOKENS = new RegExp(
  [
    String.raw`(?<space>[ \t\n\r\f\v]+|--[^\n\r]*)`,
    String.raw`(?<comment>/\*)`,
    String.raw`(?<escaped>[eE]'(?:[^'\\]|\\[^]|''|'[ \t\f\v]*[\n\r][ \t\n\r\f\v]*')*(?:'|$))`,
    String.raw`(?<quoted>'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$))`,
    String.raw`(?<dollar>\$(?:[A-Za-z_\u0080-\uffff][0-9A-Za-z_\u0080-\uffff]*)?\$)`,
    String.raw`(?<parameter>\$[0-9]+)`,
    String.raw`(?<word>[A-Za-z_\u0080-\uffff][0-9A-Za-z_$\u0080-\uffff]*)`,
    String.raw`(?<number>[0-9][0-9A-Za-z_.]*)`,
    '(?<end>;)',
    '(?<other>[^])',
  ].join('|'),
  'y',
)

export function inspectStatement(sql: string): StatementText {
  if (sql.includes('\0')) return { problem: 'contains a NUL character' }
  return inspectTokens(statementTokens(sql), {
    keywords: KEYWORDS,
    passesOver: '(',
    problemOf,
    countParameter: (count, parameter) => Math.max(count, Number(parameter.slice(1))),
  })
}

function problemOf({ kind, text }: Token): string | undefined {
  if (kind === 'unclosed') return `has a ${text} that is not closed`
  if ((kind === 'word' || kind === 'quoted') && OWN.test(text)) {
    return `names ${text}: what begins with pledged_ belongs to Pledged`
  }
  return undefined
}

/** Of comments that nest and quotes with a name of their own, the rules find the beginning, and this the end. */
export function* statementTokens(sql: string): Iterable<Token> {
  for (let position = 0; position < sql.length; ) {
    const token = tokenAt(TOKENS, sql, position)
    if (token === undefined) return
    const { kind, text } = token
    const end = endOf(sql, token, position)
    if (end < 0) {
      yield { kind: 'unclosed', text: kind === 'comment' ? 'comment' : `quote ${text.slice(0, 20)}` }
      return
    }
    yield { kind: kind === 'comment' ? 'space' : kind, text: sql.slice(position, end) }
    position = end
  }
}

/** Where the token ends; -1 where what it opens is never closed. */
function endOf(sql: string, { kind, text }: Token, start: number): number {
  const next = start + text.length
  if (kind === 'comment') return endOfComment(sql, next)
  if (kind !== 'dollar') return next
  const closing = sql.indexOf(text, next)
  return closing < 0 ? -1 : closing + text.length
}

/** PostgreSQL's comments nest. */
function endOfComment(sql: string, from: number): number {
  const marks = /\/\*|\*\//g
  marks.lastIndex = from
  for (let depth = 1; depth > 0; ) {
    const mark = marks.exec(sql)
    if (mark === null) return -1
    depth += mark[0] === '/*' ? 1 : -1
  }
  return marks.lastIndex
}
