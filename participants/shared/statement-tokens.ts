/**
 * What the databases' looks at a statement's text have in common. Each brings its own lexical rules, as a sticky
 * expression whose groups name the kinds of token: `space` (comments, too), `end` (a semicolon), `parameter`, and its
 * own. The look says that there is one statement, and how it begins; the rest is each database's.
 */
import type { StatementText } from './statement-work.ts'

export interface Token {
  readonly kind: string
  readonly text: string
}

export interface Inspection {
  /** What a statement may begin with, in upper case. */
  readonly keywords: ReadonlySet<string>
  /** What may stand before that. */
  readonly passesOver?: string | undefined
  /** In words, what is wrong with a token where it stands. */
  readonly problemOf?: ((token: Token, previous: Token | undefined) => string | undefined) | undefined
  /** How many parameters there are, with this one. */
  readonly countParameter: (count: number, parameter: string) => number
}

export function inspectTokens(tokens: Iterable<Token>, inspection: Inspection): StatementText {
  let first = ''
  let ended = false
  let parameterCount = 0
  let previous: Token | undefined
  for (const token of tokens) {
    if (token.kind === 'space') continue
    if (token.kind === 'end') {
      ended = true
      continue
    }
    if (ended) return { problem: 'is more than one statement: send each as an entry of its own' }
    const problem = inspection.problemOf?.(token, previous)
    if (problem !== undefined) return { problem }
    if (token.kind === 'parameter') parameterCount = inspection.countParameter(parameterCount, token.text)
    if (first === '' && token.text !== inspection.passesOver) first = token.text.toUpperCase()
    previous = token
  }
  return first === '' ? { problem: 'is empty' } : ofKind(first, parameterCount, inspection.keywords)
}

function ofKind(first: string, parameterCount: number, keywords: ReadonlySet<string>): StatementText {
  if (keywords.has(first)) return { parameterCount }
  const allowed = [...keywords].join(', ')
  return { problem: `begins with ${first.slice(0, 20)}: a branch may run ${allowed}, nothing else` }
}

export function* tokensOf(rules: RegExp, sql: string): Iterable<Token> {
  for (let position = 0; position < sql.length; ) {
    const token = tokenAt(rules, sql, position)
    if (token === undefined) return
    position += token.text.length
    yield token
  }
}

export function tokenAt(rules: RegExp, sql: string, position: number): Token | undefined {
  rules.lastIndex = position
  const match = rules.exec(sql)
  if (match === null) return undefined
  const groups: Readonly<Record<string, string | undefined>> = match.groups ?? {}
  const kind = Object.keys(groups).find((name) => groups[name] !== undefined) ?? 'other'
  return { kind, text: match[0] }
}
