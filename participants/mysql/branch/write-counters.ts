/**
 * Whether a branch of nothing but SELECTs has written: a function that one calls may have. The server counts what a session
 * writes; the count is taken before the first statement, in the order in which the driver sends, so that nobody waits for
 * it, and again at the end.
 */
import { WRITES_OF_SESSION } from '../witness-sql.ts'
import type { BranchSession, Row } from './session.ts'
import { onlySelects } from './transaction-control.ts'

export class WriteCounters {
  readonly #session: BranchSession
  #before: Promise<string | undefined> | undefined
  #isNeeded = true

  constructor(session: BranchSession) {
    this.#session = session
  }

  /** Before each statement of the application's. */
  noticed(sql: string | undefined): void {
    if (!this.#isNeeded) return
    this.#isNeeded = sql !== undefined && onlySelects(sql)
    if (this.#isNeeded) this.#before ??= this.#count({}).catch(() => undefined)
  }

  async mayHaveWritten(signal: AbortSignal): Promise<boolean> {
    if (!this.#isNeeded) return true
    if (this.#before === undefined) return false
    const before = await this.#before
    return before === undefined || (await this.#count({ signal })) !== before
  }

  async #count(until: { readonly signal?: AbortSignal }): Promise<string> {
    const rows = await this.#session.rows('work', WRITES_OF_SESSION, until)
    return rows.map(counter).join(' ')
  }
}

function counter(row: Row): string {
  return `${String(row['Variable_name'])}=${String(row['Value'])}`
}
