/** What mysql2's Connection must not do within a branch. */

import type { GuardRules } from '../../shared/connections/guard.ts'
import { endsTransaction } from '../../shared/connections/statement-openings.ts'
import { objectionToStatement } from './transaction-control.ts'

const ENDING = 'the connection ends with its pool, or as you end it, once the transaction is over'
const SESSION = "the session is the branch's until the transaction is over"

export function guardRules(participant: string, onStatement: (sql: string | undefined) => void): GuardRules {
  return {
    branch: `the branch of participant "${participant}"`,
    statements: new Set(['query', 'execute']),
    refused: {
      end: ENDING,
      destroy: ENDING,
      close: ENDING,
      changeUser: SESSION,
      reset: SESSION,
      // What it returns would go on past the branch's end.
      prepare: 'use execute(), which prepares the statement and keeps it',
      beginTransaction: endsTransaction(['START', 'TRANSACTION']),
      commit: endsTransaction(['COMMIT']),
      rollback: endsTransaction(['ROLLBACK']),
    },
    harmless: new Set([
      'escape',
      'escapeId',
      'format',
      'off',
      'removeListener',
      'removeAllListeners',
      'listenerCount',
      'listeners',
    ]),
    faces: new Set(['promise']),
    failsBy: 'throwing',
    textOf,
    objectionTo: objectionToStatement,
    onStatement,
  }
}

/** Of a text, of options, of a Query. */
function textOf(statement: unknown): string | undefined {
  if (typeof statement === 'string') return statement
  if (typeof statement !== 'object' || statement === null) return undefined
  const { sql } = statement as { readonly sql?: unknown }
  return typeof sql === 'string' ? sql : undefined
}
