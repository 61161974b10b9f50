/**
 * An application's client that writes down what it asks before it asks, and what it was told after, so that the
 * record survives the application's own kill -9. ClientRecord reads it.
 */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Branches, type Coordinator, OutcomeUnknownError } from '../../src/sdk/client/index.ts'

export interface RecordingOptions {
  readonly coordinator: Coordinator
  readonly journal: string
  /** False ends the repeating of what aborted. */
  readonly goesOn: () => boolean
}

/** While a database is away, everything that needs it aborts at once. */
const PAUSE_MS_MAX = 200

export type RecordedOutcome = 'committed' | 'aborted' | 'unknown'

export class RecordingClient {
  readonly #options: RecordingOptions

  constructor(options: RecordingOptions) {
    this.#options = options
  }

  /** What aborts for a reason that may be gone is asked for again, as the request's next attempt. */
  async commit(requestId: string, branches: Branches): Promise<RecordedOutcome> {
    for (let attempt = 1; ; attempt += 1) {
      this.#record({ asked: requestId, attempt })
      const answer = await this.#ask(requestId, attempt, branches)
      this.#record({ told: requestId, attempt, ...answer })
      if (answer.outcome !== 'aborted' || !answer.retryable || !this.#options.goesOn()) return answer.outcome
      await sleep(1 + Math.random() * Math.min(PAUSE_MS_MAX, 10 * attempt))
    }
  }

  async #ask(requestId: string, attempt: number, branches: Branches) {
    try {
      const answer = await this.#options.coordinator.execute(branches, { requestId, attempt })
      const retryable = answer.outcome === 'aborted' && answer.retryable
      return { outcome: answer.outcome, xid: answer.xid, retryable }
    } catch (error) {
      if (error instanceof OutcomeUnknownError) {
        return { outcome: 'unknown', xid: '', retryable: false } as const
      }
      throw error
    }
  }

  #record(line: object): void {
    appendFileSync(this.#options.journal, `${JSON.stringify(line)}\n`)
  }
}
