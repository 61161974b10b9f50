/** How a transaction ended, as `execute` tells it: committed or aborted are returned, unknown is thrown. */
import { PledgedError } from '../../base/errors.ts'
import type { AbortCause } from '../../protocol/records.ts'
import type { Answer, RequestName } from '../../protocol/requests.ts'

interface Ended {
  readonly xid: string
  readonly requestId: string
  /** Which attempt under the request id this is the outcome of. */
  readonly attempt: number
  /** The request had been made before; nothing was run for it now. */
  readonly replayed: boolean
  /** A branch ended against the decision, and nobody has acknowledged that yet. */
  readonly heuristic: boolean
}

export interface Committed extends Ended {
  readonly outcome: 'committed'
  /** Every branch has acknowledged. Else the rest is told until it does; nothing can undo it. */
  readonly complete: boolean
}

export interface Aborted extends Ended {
  readonly outcome: 'aborted'
  readonly cause: AbortCause | undefined
  /** In words, with the participant's own. */
  readonly message: string
  /** The reason may be gone at the next attempt. */
  readonly retryable: boolean
}

export type Executed = Committed | Aborted

/**
 * The outcome could not be learned within the time given: the transaction may have committed, may have aborted,
 * or may still be decided. Asking again under the same name is safe.
 */
export class OutcomeUnknownError extends PledgedError {
  override readonly name = 'OutcomeUnknownError'
  /** Where an answer named it; a later run of the same attempt can have another. */
  readonly xid: string | undefined
  readonly requestId: string
  readonly attempt: number
  readonly firstSentTime: Date

  constructor(options: {
    name: Required<RequestName>
    xid: string | undefined
    why: string
    cause: unknown
  }) {
    const { requestId, attempt, firstSentTimeMs } = options.name
    const firstSentTime = new Date(firstSentTimeMs ?? 0)
    const xid = options.xid === undefined ? '' : `, xid ${options.xid}`
    super(
      'OUTCOME_UNKNOWN',
      `the outcome of request "${requestId}" (attempt ${attempt}${xid}) is not known: ${options.why}. It may have ` +
        `committed. Ask again: execute the same branches with { requestId: "${requestId}", attempt: ${attempt}, ` +
        `firstSentTime: new Date("${firstSentTime.toISOString()}") }, which never commits them twice, or ` +
        `get({ requestId: "${requestId}" })`,
      {
        cause: options.cause,
        metadata: {
          request_id: requestId,
          attempt: String(attempt),
          ...(options.xid && { xid: options.xid }),
        },
      },
    )
    this.xid = options.xid
    this.requestId = requestId
    this.attempt = attempt
    this.firstSentTime = firstSentTime
  }
}

/** The outcome in an answer, or undefined where it holds none: pending, unknown. */
export function outcomeOf({ transaction, replayed }: Answer): Executed | undefined {
  const { xid, requestId, attempt, heuristic } = transaction
  const ended = { xid, requestId, attempt, replayed, heuristic }
  switch (transaction.outcome) {
    case 'committed':
      return { outcome: 'committed', ...ended, complete: transaction.state === 'committed' }
    case 'aborted':
      return {
        outcome: 'aborted',
        ...ended,
        cause: transaction.abortCause,
        message: transaction.abortMessage,
        retryable: transaction.retryable,
      }
    default:
      return undefined
  }
}
