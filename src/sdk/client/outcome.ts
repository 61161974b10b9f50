/** How a transaction ended, as `execute` tells it: committed or aborted are returned, unknown is thrown. */
import { PledgedError } from '../../base/errors.ts'
import type { AbortCause } from '../../protocol/records.ts'
import type { RequestName, TransactionView } from '../../protocol/requests.ts'
import type { SessionAnswer } from '../../protocol/session-messages.ts'

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
    /** What asks again: "execute the same branches" where nothing else is said. */
    again?: string
  }) {
    const { requestId, attempt, firstSentTimeMs } = options.name
    const firstSentTime = new Date(firstSentTimeMs ?? 0)
    const xid = options.xid === undefined ? '' : `, xid ${options.xid}`
    const again = options.again ?? 'execute the same branches'
    super(
      'OUTCOME_UNKNOWN',
      `the outcome of request "${requestId}" (attempt ${attempt}${xid}) is not known: ${options.why}. It may have ` +
        `committed. Ask again: ${again} with { requestId: "${requestId}", attempt: ${attempt}, ` +
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

/** A transaction on the application's own connections has aborted: nothing of it has happened. */
export class TransactionAbortedError extends PledgedError {
  override readonly name = 'TransactionAbortedError'
  readonly xid: string
  readonly requestId: string
  readonly attempt: number
  /** Why, as in an Aborted. */
  override readonly cause: AbortCause | undefined
  /** What a branch's own connection said, where that is why. */
  readonly failure: unknown
  readonly #retryable: boolean

  constructor(options: {
    xid: string
    name: Pick<RequestName, 'requestId' | 'attempt'>
    cause: AbortCause | undefined
    why: string
    retryable: boolean
    failure?: unknown
  }) {
    const { requestId, attempt } = options.name
    const hint = options.retryable ? '; the reason may be gone at the next try (option `retries`)' : ''
    super(
      'TRANSACTION_ABORTED',
      `transaction ${options.xid} has aborted, and nothing of it has happened: ${options.why}${hint}`,
      { metadata: { xid: options.xid, request_id: requestId, attempt: String(attempt) } },
    )
    this.xid = options.xid
    this.requestId = requestId
    this.attempt = attempt
    this.cause = options.cause
    this.failure = options.failure
    this.#retryable = options.retryable
  }

  /** The reason may be gone at the next attempt. */
  override get retryable(): boolean {
    return this.#retryable
  }
}

/** What of an answer tells how its transaction stands. */
export interface OutcomeAnswer {
  readonly transaction: Pick<
    TransactionView,
    | 'xid'
    | 'state'
    | 'outcome'
    | 'abortCause'
    | 'abortMessage'
    | 'retryable'
    | 'heuristic'
    | 'requestId'
    | 'attempt'
  >
  readonly replayed: boolean
}

/** A session's answer names no request, unless it is of another attempt than was asked for: then it holds all. */
export function outcomeAnswer(answer: SessionAnswer, name: RequestName | undefined): OutcomeAnswer {
  const requestId = answer.transaction?.requestId ?? name?.requestId ?? ''
  const attempt = answer.transaction?.attempt ?? name?.attempt ?? 1
  return { transaction: { ...answer, requestId, attempt }, replayed: answer.replayed }
}

/** The outcome in an answer, or undefined where it holds none: pending, unknown. */
export function outcomeOf({ transaction, replayed }: OutcomeAnswer): Executed | undefined {
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
