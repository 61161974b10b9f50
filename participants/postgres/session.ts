/**
 * One connection, in use by one caller: every error it meets is classified for the phase it was met in, and no answer
 * is waited for longer than the caller does. A session that was given up with an answer outstanding is of no use to
 * anybody else.
 */
import { type ClientBase, Query, type QueryResult, type QueryResultRow, type TransactionStatus } from 'pg'
import type { DatabaseFailure } from '../shared/servers/database-failure.ts'
import type { Parameter } from '../shared/statement-work.ts'
import { abandoned, failureOf, type Phase } from './errors.ts'

export interface SessionOptions {
  readonly client: ClientBase
  /** Of the server's process that serves it. */
  readonly processId: number
}

export interface StatementResult {
  /** The first word of the command tag: `PREPARE`, `ROLLBACK`. */
  readonly command: string
  readonly rowCount: number
}

export class Session {
  readonly processId: number
  readonly #client: ClientBase
  #signal: AbortSignal
  #lost: DatabaseFailure | undefined

  constructor({ client, processId }: SessionOptions, signal: AbortSignal) {
    this.#client = client
    this.processId = processId
    this.#signal = signal
  }

  /** The connection is of no use any more. */
  get lost(): boolean {
    return this.#lost !== undefined
  }

  get transactionStatus(): TransactionStatus {
    return this.#client.getTransactionStatus()
  }

  /** The rows of one statement with parameters. */
  async rows<Row extends QueryResultRow>(
    phase: Phase,
    text: string,
    values: readonly unknown[] = [],
  ): Promise<readonly Row[]> {
    const config = { text, values: [...values], queryMode: 'extended' }
    const result = await this.#answered(phase, () => this.#client.query<Row>(config))
    return result.rows
  }

  /** One of the work's statements. Its rows are counted, not kept. */
  run(phase: Phase, text: string, values: readonly Parameter[]): Promise<StatementResult> {
    return this.#answered(phase, () => {
      const settled = Promise.withResolvers<StatementResult>()
      // The extended protocol takes one statement a call (R14).
      const config = { text, values: [...values], queryMode: 'extended' }
      const query = new Query(config)
      query.on('row', () => {})
      query.on('error', settled.reject)
      query.on('end', ({ command, rowCount }) => settled.resolve({ command, rowCount: rowCount ?? 0 }))
      this.#client.query(query)
      return settled.promise
    })
  }

  /** Statements without parameters in one message, in one transaction where they don't say otherwise; the last one's rows. */
  async script<Row extends QueryResultRow>(phase: Phase, text: string): Promise<readonly Row[]> {
    return (await this.#script<Row>(phase, text)).rows
  }

  /** A single statement that takes no parameters, by its command tag. */
  async command(phase: Phase, text: string): Promise<string> {
    return (await this.#script(phase, text)).command
  }

  async #script<Row extends QueryResultRow>(phase: Phase, text: string): Promise<QueryResult<Row>> {
    const results: unknown = await this.#answered(phase, () => this.#client.query<Row>(text))
    return (Array.isArray(results) ? results.at(-1) : results) as QueryResult<Row>
  }

  async #answered<T>(phase: Phase, ask: () => Promise<T>): Promise<T> {
    if (this.#lost !== undefined) throw this.#lost
    // Nothing was sent: nothing was done.
    if (this.#signal.aborted) throw abandoned('connect', 'nobody waits for the answer any more')
    const gaveUp = Promise.withResolvers<never>()
    const giveUp = (): void => gaveUp.reject(abandoned(phase, 'the database did not answer in time'))
    this.#signal.addEventListener('abort', giveUp, { once: true })
    try {
      return await Promise.race([ask(), gaveUp.promise])
    } catch (error) {
      const failure = failureOf(error, phase)
      if (failure.connectionLost) this.#lost = failure
      throw failure
    } finally {
      this.#signal.removeEventListener('abort', giveUp)
    }
  }
}
