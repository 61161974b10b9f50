/**
 * The branch's own statements on a taken connection, in the simple protocol: several in one message, and one round trip.
 * Errors are classified by ../errors.ts for the phase that they were met in.
 */
import type { QueryResult } from 'pg'
import { type Until, within } from '../../shared/connections/patience.ts'
import { abandoned, failureOf, type Phase } from '../errors.ts'
import type { TakenClient } from './source.ts'

export class BranchSession {
  readonly taken: TakenClient

  constructor(taken: TakenClient) {
    this.taken = taken
  }

  /** The results of its statements. Throws DatabaseFailure; the connection is of no use any more where it says so. */
  async run(phase: Phase, text: string, until: Until): Promise<readonly QueryResult<Row>[]> {
    if (until.signal?.aborted === true) throw abandoned('connect', 'the transaction can not commit any more')
    try {
      const late = (): Error => abandoned(phase, 'the database did not answer in time')
      const results: unknown = await within(until, this.taken.client.query<Row>(text), late)
      return (Array.isArray(results) ? results : [results]) as readonly QueryResult<Row>[]
    } catch (error) {
      throw failureOf(error, phase)
    }
  }
}

type Row = Readonly<Record<string, unknown>>
