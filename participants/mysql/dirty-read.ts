/** A look at what is not committed. Its answer is a hint where to look, and never evidence: it may be rolled back. */
import type { Listed, Row, Session, StatementOptions } from './session.ts'

/** Of the session's next transaction alone: it holds until a statement has read a table. */
const DIRTY_READ = 'SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED'

export async function dirtyRows(
  session: Session,
  sql: string,
  values: readonly Listed[],
  options: StatementOptions,
): Promise<readonly Row[]> {
  try {
    await session.command(DIRTY_READ, options)
    return await session.rows(sql, values, options)
  } catch (error) {
    // A statement that failed may not have used it up: the next one could be the look at a witness (R3).
    session.destroy()
    throw error
  }
}
