/**
 * What the text of a statement shows: that it is one statement, of a kind that can't end the transaction it runs
 * in (R14), and how many parameters it takes. The server itself takes one statement a call and refuses a COMMIT in a
 * procedure or a DO block within a transaction; the text is read first so that a mistake is named before anything runs.
 */
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
  let first = ''
  let ended = false
  let parameterCount = 0
  for (const { kind, text } of tokensOf(sql)) {
    if (kind === 'space') continue
    if (kind === 'end') {
      ended = true
      continue
    }
    if (ended) return { problem: 'is more than one statement: send each as an entry of its own' }
    if (kind === 'unclosed') return { problem: `has a ${text} that is not closed` }
    if (kind === 'parameter') parameterCount = Math.max(parameterCount, Number(text.slice(1)))
    if ((kind === 'word' || kind === 'quoted') && OWN.test(text)) {
      return { problem: `names ${text}: what begins with pledged_ belongs to Pledged` }
    }
    if (first === '' && text !== '(') first = text.toUpperCase()
  }
  return first === '' ? { problem: 'is empty' } : ofKind(first, parameterCount)
}

function ofKind(keyword: string, parameterCount: number): StatementText {
  if (KEYWORDS.has(keyword)) return { parameterCount }
  const allowed = [...KEYWORDS].join(', ')
  return { problem: `begins with ${keyword.slice(0, 20)}: a branch may run ${allowed}, nothing else` }
}

interface Token {
  readonly kind: string
  readonly text: string
}

function* tokensOf(sql: string): Iterable<Token> {
  let position = 0
  while (position < sql.length) {
    TOKENS.lastIndex = position
    const match = TOKENS.exec(sql)
    if (match === null) return
    const kind = kindOf(match)
    position = endOf(sql, kind, match)
    if (position < 0) {
      yield { kind: 'unclosed', text: kind === 'comment' ? 'comment' : `quote ${match[0].slice(0, 20)}` }
      return
    }
    yield { kind: kind === 'comment' ? 'space' : kind, text: sql.slice(match.index, position) }
  }
}

function kindOf(match: RegExpExecArray): string {
  return Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined)?.[0] ?? 'other'
}

/** Where the token ends; -1 where what it opens is never closed. */
function endOf(sql: string, kind: string, match: RegExpExecArray): number {
  const start = match.index
  const next = start + match[0].length
  if (kind === 'comment') return endOfComment(sql, next)
  if (kind === 'dollar') {
    const closing = sql.indexOf(match[0], next)
    return closing < 0 ? -1 : closing + match[0].length
  }
  return next
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
