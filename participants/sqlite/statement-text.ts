/**
 * What the text of a statement shows: that it is one statement, of a kind that can't end the transaction it runs
 * in (R14), and how many parameters it takes. SQLite's driver runs the first statement of a text and passes over
 * the rest in silence, and takes a missing parameter for NULL.
 */

import { inspectTokens, tokensOf } from '../shared/statement-tokens.ts'
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
  return inspectTokens(tokensOf(TOKENS, sql), {
    keywords: KEYWORDS,
    problemOf: ({ kind, text }) =>
      kind === 'named'
        ? `has the named parameter ${text}: parameters are written ? and given in order`
        : undefined,
    countParameter: (count, parameter) =>
      parameter === '?' ? count + 1 : Math.max(count, Number(parameter.slice(1))),
  })
}
