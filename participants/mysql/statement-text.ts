/**
 * What the text of a statement shows: that it is one statement, of a kind that can't end the transaction it runs in
 * (R14), how many parameters it takes, and which names it uses. The server has the last word: within an XA branch it
 * refuses whatever would end it (XAER_RMFAIL), and a prepared statement is one statement.
 *
 * It is read as the server reads it under the sql_mode that this participant sets (./session-settings.ts): a double
 * quote opens a string, a backslash escapes.
 */
import { inspectTokens, type Token, tokensOf } from '../shared/statement-tokens.ts'
import type { StatementText } from '../shared/statement-work.ts'

const KEYWORDS: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'REPLACE', 'WITH', 'SELECT'])
/** Locks by name belong to the session, and outlive the branch. */
const SESSION_LOCKS: ReadonlySet<string> = new Set(['GET_LOCK', 'RELEASE_LOCK', 'RELEASE_ALL_LOCKS'])
const OWN = /^pledged_/i

/** "Language Structure" in MySQL's manual, as far as a token can hide a semicolon, a `?`, a name or a comment. */
const TOKENS = new RegExp(
  [
    String.raw`(?<executable>/\*M?!)`,
    String.raw`(?<space>[ \t\n\v\f\r]+|#[^\n]*|--(?=[\x00-\x20]|$)[^\n]*|/\*[^]*?\*/)`,
    String.raw`(?<string>'[^'\\]*(?:(?:\\[^]|'')[^'\\]*)*'|"[^"\\]*(?:(?:\\[^]|"")[^"\\]*)*")`,
    String.raw`(?<name>\x60[^\x60]*(?:\x60\x60[^\x60]*)*\x60)`,
    String.raw`(?<open>/\*|['"\x60])`,
    '(?<parameter>\\?)',
    String.raw`(?<system>@@)`,
    '(?<variable>@)',
    String.raw`(?<word>[0-9A-Za-z_$\u0080-\uffff]+)`,
    '(?<end>;)',
    '(?<other>[^])',
  ].join('|'),
  'y',
)

export function statementTokens(sql: string): Iterable<Token> {
  return tokensOf(TOKENS, sql)
}

export function inspectStatement(sql: string): StatementText {
  if (sql.includes('\0')) return { problem: 'contains a NUL character' }
  return inspectTokens(tokensOf(TOKENS, sql), {
    keywords: KEYWORDS,
    problemOf,
    countParameter: (count) => count + 1,
  })
}

/** Of a statement that begins so, only what it calls can write. */
export function onlyReads(sql: string): boolean {
  for (const token of tokensOf(TOKENS, sql)) {
    if (token.kind !== 'space') return token.text.toUpperCase() === 'SELECT'
  }
  return false
}

/** A name as it stands in the text, with the one before its dot, both in lower case. */
export interface UsedName {
  readonly qualifier: string | undefined
  readonly name: string
}

/** All that could be the name of a table, a view or a routine: more than those that are, never less. */
export function namesIn(sql: string): readonly UsedName[] {
  const names: UsedName[] = []
  let qualifier: string | undefined
  let last: string | undefined
  for (const { kind, text } of tokensOf(TOKENS, sql)) {
    if (kind === 'space') continue
    const name = kind === 'word' ? text : kind === 'name' ? unquote(text) : undefined
    if (name !== undefined) {
      names.push({ qualifier, name: name.toLowerCase() })
      last = name.toLowerCase()
      qualifier = undefined
    } else {
      qualifier = text === '.' ? last : undefined
      last = undefined
    }
  }
  return names
}

function problemOf(token: Token, previous: Token | undefined): string | undefined {
  switch (token.kind) {
    case 'executable':
      return 'has a comment that the server executes (/*! ... */): write it as plain text'
    case 'open':
      return 'has a string, a name or a comment without an end'
    case 'variable':
      return 'uses a user variable: it would outlive the branch; give the value as a parameter'
    case 'name':
      return problemOfName(unquote(token.text))
    case 'word':
      return problemOfName(token.text) ?? problemOfWord(token.text, previous)
    default:
      return undefined
  }
}

/** In backquotes or not: a function can be called either way. */
function problemOfName(name: string): string | undefined {
  if (OWN.test(name)) return `names ${name}: what begins with pledged_ belongs to Pledged`
  const upper = name.toUpperCase()
  return SESSION_LOCKS.has(upper)
    ? `calls ${upper}: such a lock belongs to the session, not to the branch`
    : undefined
}

function problemOfWord(word: string, previous: Token | undefined): string | undefined {
  const upper = word.toUpperCase()
  if ((upper === 'OUTFILE' || upper === 'DUMPFILE') && previous?.text.toUpperCase() === 'INTO') {
    return 'writes a file, which no abort takes back'
  }
  return undefined
}

function unquote(name: string): string {
  return name.slice(1, -1).replaceAll('``', '`')
}
