/** Which statements are not for the application, by how they begin. What slips through is found at the prepare. */
import { endsTransaction, isPlainly, statementOpenings } from '../../shared/connections/statement-openings.ts'
import { statementTokens } from '../statement-text.ts'

const PLAIN = /^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|VALUES)\b/i
const READS = /^\s*(?:SELECT|SHOW|EXPLAIN|VALUES|SET)\b/i
const ALWAYS: ReadonlySet<string> = new Set(['BEGIN', 'START', 'COMMIT', 'END', 'ABORT'])

export function objectionToStatement(sql: string): string | undefined {
  if (isPlainly(sql, PLAIN)) return undefined
  const words = statementOpenings(statementTokens(sql)).find(controls)
  return words === undefined ? undefined : endsTransaction(words)
}

/** It may have written nothing: worth a question. */
export function mayOnlyRead(sql: string): boolean {
  return isPlainly(sql, READS)
}

function controls([first = '', second, third]: readonly string[]): boolean {
  if (ALWAYS.has(first)) return true
  if (first === 'PREPARE') return second === 'TRANSACTION'
  if (first !== 'ROLLBACK') return false
  // ROLLBACK [ WORK | TRANSACTION ] TO [ SAVEPOINT ] name
  return second !== 'TO' && !((second === 'WORK' || second === 'TRANSACTION') && third === 'TO')
}
