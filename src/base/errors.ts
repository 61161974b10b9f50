/**
 * The one error class. A code exists only if a caller would act differently on it; the registry below is what
 * the documentation lists. Aborted and unknown are outcomes, not errors: an error says that a request was not
 * accepted (or, for the SDK, that its outcome could not be learned in time).
 */

/** gRPC's status numbers, by name: https://grpc.io/docs/guides/status-codes/ */
export const GRPC_STATUS = {
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const
export type GrpcStatus = keyof typeof GRPC_STATUS

interface ErrorKind {
  readonly status: GrpcStatus
  /** The same request may succeed later, unchanged. */
  readonly retryable: boolean
  readonly meaning: string
}

export const ERROR_CODES = {
  UNKNOWN_PARTICIPANT: kind(
    'FAILED_PRECONDITION',
    false,
    'a branch names a participant that is not registered',
  ),
  DUPLICATE_PARTICIPANT: kind('INVALID_ARGUMENT', false, 'a request names one participant twice'),
  NO_BRANCHES: kind('INVALID_ARGUMENT', false, 'a transaction without branches'),
  TOO_MANY_BRANCHES: kind('INVALID_ARGUMENT', false, 'more branches than limits.branches_per_transaction'),
  WORK_TOO_LARGE: kind('INVALID_ARGUMENT', false, 'work of more bytes than limits.work_bytes'),
  INVALID_REQUEST: kind(
    'INVALID_ARGUMENT',
    false,
    'a field that is missing or out of range; the text names it',
  ),
  MALFORMED_XID: kind('INVALID_ARGUMENT', false, 'not LOG.EPOCH.SEQUENCE'),
  XID_NOT_FOUND: kind('NOT_FOUND', false, 'an xid that this log has not issued'),
  REQUEST_NOT_FOUND: kind('NOT_FOUND', false, 'a request_id of which nothing is known'),
  FOREIGN_XID: kind('NOT_FOUND', false, 'an xid of another log, or of an epoch that this log did not open'),
  XID_FORGOTTEN: kind('NOT_FOUND', false, 'an xid older than what is kept: its outcome is unknown'),
  REQUEST_ID_REUSED: kind('ALREADY_EXISTS', false, 'another body under a request_id that was used'),
  REQUEST_TOO_OLD: kind(
    'FAILED_PRECONDITION',
    false,
    'first sent before what is kept: its outcome is unknown',
  ),
  DEADLINE_PASSED: kind(
    'DEADLINE_EXCEEDED',
    false,
    'the deadline had passed when the request arrived; nothing ran',
  ),
  NOT_OWNER: kind('PERMISSION_DENIED', false, 'the transaction belongs to another caller'),
  XID_NOT_LEASED: kind(
    'FAILED_PRECONDITION',
    false,
    'not an xid that this session was leased and has not used: begin with another one',
  ),
  TRANSACTION_ABORTED: kind(
    'ABORTED',
    false,
    "the client's own: a transaction that was to commit has aborted",
  ),
  PARTICIPANT_NOT_FOUND: kind('NOT_FOUND', false, 'an operator names a participant that is not registered'),
  PARTICIPANT_PAUSED: kind(
    'UNAVAILABLE',
    true,
    'an operator has paused the participant: it takes no new work',
  ),
  NO_HEURISTIC: kind('FAILED_PRECONDITION', false, 'there is no broken pledge that could be acknowledged'),
  TRANSACTION_UNDECIDED: kind('FAILED_PRECONDITION', false, 'the transaction has no decision yet'),
  TRANSACTION_DECIDED: kind('FAILED_PRECONDITION', false, 'the transaction has a decision already'),
  APPEND_UNDER_WAY: kind('FAILED_PRECONDITION', true, 'the decision is being written: ask again in a moment'),
  LOG_UNWRITABLE: kind('UNAVAILABLE', true, 'a write to the log failed: nothing is decided until a restart'),
  EPOCH_SUPERSEDED: kind(
    'FAILED_PRECONDITION',
    false,
    'the coordinator runs on an old copy of its log, or on a clone: a participant knows a newer epoch',
  ),
  LOG_DAMAGED: kind('INTERNAL', false, 'the log is damaged, incomplete, or not a log'),
  LOG_IN_USE: kind('FAILED_PRECONDITION', false, 'another process has the data directory open'),
  LOG_UNREADABLE: kind('INTERNAL', false, 'the data directory can not be read or written'),
  DRAINING: kind('UNAVAILABLE', true, 'the daemon is shutting down'),
  STARTING: kind('UNAVAILABLE', true, 'the daemon is replaying its log'),
  UNAVAILABLE: kind('UNAVAILABLE', true, 'the daemon can not be reached'),
  LIMIT_REACHED: kind('RESOURCE_EXHAUSTED', true, 'a limit, named in the text, is reached'),
  UNAUTHENTICATED: kind('UNAUTHENTICATED', false, 'the caller has not shown who it is, or not truly'),
  PERMISSION_DENIED: kind('PERMISSION_DENIED', false, 'the caller may not do this'),
  NOT_IMPLEMENTED: kind('UNIMPLEMENTED', false, 'a call that this version does not serve'),
  OUTCOME_UNKNOWN: kind('UNAVAILABLE', true, 'the outcome could not be learned within the time given'),
  CONFIGURATION: kind('INVALID_ARGUMENT', false, 'a mistake in the configuration; the text names each'),
  USAGE: kind('INVALID_ARGUMENT', false, 'a mistake on the command line'),
  INTERNAL: kind('INTERNAL', false, 'a bug in Pledged'),
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof ERROR_CODES

export interface PledgedErrorOptions {
  readonly cause?: unknown
  /** Facts for machines, sent as google.rpc.ErrorInfo metadata. */
  readonly metadata?: Readonly<Record<string, string>>
}

export class PledgedError extends Error {
  override readonly name: string = 'PledgedError'
  readonly code: ErrorCode
  readonly metadata: Readonly<Record<string, string>>

  /** `message` is a sentence: what was wrong, where, and what to do. */
  constructor(code: ErrorCode, message: string, options: PledgedErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.metadata = options.metadata ?? {}
  }

  get status(): GrpcStatus {
    return ERROR_CODES[this.code].status
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable
  }

  static from(error: unknown): PledgedError {
    if (error instanceof PledgedError) return error
    return new PledgedError('INTERNAL', messageOf(error), { cause: error })
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function kind(status: GrpcStatus, retryable: boolean, meaning: string): ErrorKind {
  return { status, retryable, meaning }
}
