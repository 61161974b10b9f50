/** What pg's Client must not do within a branch. */
import type { GuardRules } from '../../shared/connections/guard.ts'
import { objectionToStatement } from './transaction-control.ts'

export function guardRules(participant: string, onStatement: (sql: string | undefined) => void): GuardRules {
  return {
    branch: `the branch of participant "${participant}"`,
    statements: new Set(['query']),
    refused: {
      connect: 'it is connected already',
      end: 'the connection ends with its pool, or as you end your client, once the transaction is over',
    },
    harmless: new Set([
      'escapeIdentifier',
      'escapeLiteral',
      'getTypeParser',
      'off',
      'removeListener',
      'removeAllListeners',
      'listenerCount',
      'listeners',
    ]),
    failsBy: 'rejecting',
    textOf,
    objectionTo: objectionToStatement,
    onStatement,
  }
}

/** Of a text, a QueryConfig, a Query; a Cursor and a QueryStream have theirs within. */
function textOf(statement: unknown): string | undefined {
  if (typeof statement === 'string') return statement
  if (typeof statement !== 'object' || statement === null) return undefined
  const { text, cursor } = statement as { readonly text?: unknown; readonly cursor?: unknown }
  if (typeof text === 'string') return text
  return cursor === undefined ? undefined : textOf(cursor)
}
