/**
 * What the text of a statement shows: that it is one statement, of a kind that can't end the transaction it runs
 * in (R14), and how many parameters it takes. SQLite's driver runs the first statement of a text and passes over
 * the rest in silence, and takes a missing parameter for NULL.
 */

import type { StatementText } from '../shared/statement-work.ts'

const KEYWORDS: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'REPLACE', 'WITH', 'SELECT'])

/** SQLite's tokens (https://www.sqlite.org/draft/tokenreq.html), as far as they can hide a semicolon or a `?`. */
const TOKENS = new RegExp(
  [
    String.raw`(?<space>[ \t\n\f\r]+|--[^\n]*|/\*[^]*?(?:\*/|$))`,
    String.raw`(?<quoted>'[^']*(?:''[^']*)*(?:'|$)|"[^"]*(?:""[^"]*)*(?:"|$)|\x60[^\x60]*(?:\x60\x60[^\x60]*)*(?:\x60|$)|\[[^\]]*(?:\]|$))`,
    String.raw`(?<parameter>\?[0-9]*)`,
    String.raw`(?<named>[:@$#][0-9A-Za-z_$\u0080-\uffff]+)`,
    String.raw`(?<word>[A-Za-z_\u0080-\uffff][0-9A-Za-z_$\u0080-\uffff]*)`,
    String.raw`(?<number>[0-9][0-9A-Za-z_.]*)`,
    '(?<end>;)',
    '(?<other>[^])',
  ].join('|'),
  'y',
)

export function inspectStatement(sql: string): StatementText {
  // SQLite reads up to the first NUL.
  if (sql.includes('\0')) return { problem: 'contains a NUL character' }
  let first = ''
  let ended = false
  let parameterCount = 0
  for (const { groups, token } of tokensOf(sql)) {
    if (groups['space'] !== undefined) continue
    if (groups['end'] !== undefined) {
      ended = true
      continue
    }
    if (ended) return { problem: 'is more than one statement: send each as an entry of its own' }
    if (groups['named'] !== undefined) {
      return { problem: `has the named parameter ${token}: parameters are written ? and given in order` }
    }
    if (groups['parameter'] !== undefined) {
      parameterCount = token === '?' ? parameterCount + 1 : Math.max(parameterCount, Number(token.slice(1)))
    }
    if (first === '') first = token.toUpperCase()
  }
  return first === '' ? { problem: 'is empty' } : ofKind(first, parameterCount)
}

function ofKind(keyword: string, parameterCount: number): StatementText {
  if (KEYWORDS.has(keyword)) return { parameterCount }
  const allowed = [...KEYWORDS].join(', ')
  return { problem: `begins with ${keyword.slice(0, 20)}: a branch may run ${allowed}, nothing else` }
}

function* tokensOf(
  sql: string,
): Iterable<{ token: string; groups: Readonly<Record<string, string | undefined>> }> {
  TOKENS.lastIndex = 0
  let position = 0
  while (position < sql.length) {
    TOKENS.lastIndex = position
    const match = TOKENS.exec(sql)
    if (match === null) return
    position = TOKENS.lastIndex
    yield { token: match[0], groups: match.groups ?? {} }
  }
}
