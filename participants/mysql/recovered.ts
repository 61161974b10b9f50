/** XA RECOVER: what the server holds prepared, of this name. MySQL lets a user see it who has XA_RECOVER_ADMIN. */
import { type RecoverRow, xidOfRow } from './names.ts'
import type { Session, StatementOptions } from './session.ts'

export async function recoveredXids(
  session: Session,
  branch: string,
  options: StatementOptions,
): Promise<readonly string[]> {
  const rows = (await session.rows('XA RECOVER', [], options)) as unknown as readonly RecoverRow[]
  return rows.flatMap((row) => xidOfRow(row, branch) ?? [])
}
