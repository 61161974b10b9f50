/** The branch's own statements on a taken connection. Errors are classified by ../errors.ts for their phase. */
import type { QueryOptions } from 'mysql2'
import { type Until, within } from '../../shared/connections/patience.ts'
import { abandoned, failureOf, type Phase } from '../errors.ts'
import type { Flavour } from '../identity.ts'
import type { TakenConnection } from './source.ts'

export type Row = Readonly<Record<string, unknown>>

export interface StatementResult {
  readonly affectedRows: number
  readonly warningStatus: number
}

export interface Script {
  readonly phase: Phase
  readonly flavour: Flavour
  readonly statements: readonly string[]
  readonly until: Until
  /** Throws where the rest is not to be run. */
  readonly inspect?: ((sql: string, result: StatementResult) => void) | undefined
}

export class BranchSession {
  readonly taken: TakenConnection

  constructor(taken: TakenConnection) {
    this.taken = taken
  }

  /** Throws DatabaseFailure; the connection is of no use any more where it says so. */
  async run(phase: Phase, sql: string, until: Until): Promise<unknown> {
    if (until.signal?.aborted === true) throw abandoned('connect', 'the transaction can not commit any more')
    const answer = Promise.withResolvers<unknown>()
    // Rows come as the branch reads them, whatever the connection is configured for.
    const options: QueryOptions = { sql, values: [], rowsAsArray: false, nestTables: false, typeCast: true }
    try {
      this.taken.connection.query(options, (error: Error | null, result: unknown) => {
        if (error === null) answer.resolve(result)
        else answer.reject(error)
      })
      return await within(until, answer.promise, () =>
        abandoned(phase, 'the database did not answer in time'),
      )
    } catch (error) {
      throw failureOf(error, phase)
    }
  }

  async rows(phase: Phase, sql: string, until: Until): Promise<readonly Row[]> {
    return (await this.run(phase, sql, until)) as readonly Row[]
  }

  /**
   * One after the other, up to the first that fails: on MariaDB in one message, and one round trip; elsewhere each with a
   * look at its result. The phase is the last one's.
   */
  async script({ phase, flavour, statements, until, inspect }: Script): Promise<void> {
    if (flavour === 'mariadb') {
      await this.run(phase, `BEGIN NOT ATOMIC ${statements.map((sql) => `${sql};`).join(' ')} END`, until)
      return
    }
    for (const [index, sql] of statements.entries()) {
      const isLast = index === statements.length - 1
      inspect?.(sql, (await this.run(isLast ? phase : 'work', sql, until)) as StatementResult)
    }
  }
}
