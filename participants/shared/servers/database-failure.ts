/** An error of a database, classified: did it do what was asked? One table per database says so, for every code. */

/** unknown: neither can be said; it is asked again, or looked for, and never rounded (I7). */
export type Effect = 'done' | 'not_done' | 'unknown'

export interface Classification {
  readonly effect: Effect
  /** The same work may succeed in another transaction: a deadlock, a lock held for too long. */
  readonly retryable: boolean
  /** The connection is of no use any more. */
  readonly connectionLost: boolean
}

export class DatabaseFailure extends Error implements Classification {
  override readonly name = 'DatabaseFailure'
  /** The database's own: SQLSTATE, or MariaDB's number and name. */
  readonly code: string
  readonly effect: Effect
  readonly retryable: boolean
  readonly connectionLost: boolean

  constructor(code: string, message: string, classification: Classification, cause?: unknown) {
    super(message, { cause })
    this.code = code
    this.effect = classification.effect
    this.retryable = classification.retryable
    this.connectionLost = classification.connectionLost
  }
  /** The same, met at a place of the work: `statements[2]`. */
  at(place: string): DatabaseFailure {
    return new DatabaseFailure(this.code, `${place}: ${this.message}`, this, this.cause)
  }
}
