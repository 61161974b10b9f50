/** What is asked and written for a branch by whoever prepares it: this participant, or an application itself. */

/** MariaDB's newest have words for it. */
export const TAKES_WRITES = "CAST(@@GLOBAL.read_only AS CHAR) IN ('0', 'OFF')"

/** Each a literal, or a place for one. No row is written by a server that takes no writes. */
export interface WitnessValues {
  readonly table: string
  readonly xid: string
  readonly branch: string
  readonly changedRows: string
}

export function insertWitness({ table, xid, branch, changedRows }: WitnessValues): string {
  return (
    `INSERT INTO ${table} (xid, branch, outcome, session_id, changed_rows) ` +
    `SELECT ${xid}, ${branch}, 'committed', CONNECTION_ID(), ${changedRows} FROM DUAL WHERE ${TAKES_WRITES}`
  )
}

export const WRITES_OF_SESSION =
  "SHOW SESSION STATUS WHERE Variable_name IN ('Handler_write', 'Handler_update', 'Handler_delete')"
