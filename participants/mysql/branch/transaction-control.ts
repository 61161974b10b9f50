/** Which statements are not for the application, by how they begin. The server refuses what slips through (XAER_RMFAIL). */
import { endsTransaction, isPlainly, statementOpenings } from '../../shared/connections/statement-openings.ts'
import { statementTokens } from '../statement-text.ts'

const PLAIN = /^\s*(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|VALUES)\b/i
const READS = /^\s*SELECT\b/i

export function objectionToStatement(sql: string): string | undefined {
  if (isPlainly(sql, PLAIN)) return undefined
  const words = statementOpenings(statementTokens(sql)).find(controls)
  return words === undefined ? undefined : endsTransaction(words)
}

/** But for what it calls, which the server's counters show. */
export function onlySelects(sql: string): boolean {
  return isPlainly(sql, READS)
}

function controls(words: readonly string[]): boolean {
  const [first = '', second, third] = words
  switch (first) {
    case 'BEGIN':
      // A compound statement is none of a transaction's: BEGIN NOT ATOMIC.
      return second !== 'NOT'
    case 'START':
      return second === 'TRANSACTION'
    case 'COMMIT':
    case 'XA':
      return true
    case 'ROLLBACK':
      // ROLLBACK [ WORK ] TO [ SAVEPOINT ] name
      return second !== 'TO' && !(second === 'WORK' && third === 'TO')
    case 'SET':
      return words.includes('AUTOCOMMIT')
    default:
      return false
  }
}
