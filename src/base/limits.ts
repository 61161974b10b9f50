/** Every bound of a queue, a batch, a retry and a timeout, in one place. Tests run with all of them small. */

export interface Limits {
  /** Transactions that may be unfinished at once; one more is refused. */
  readonly transactionsInFlightMax: number
  readonly branchesPerTransactionMax: number
  /** Names that the log keeps for ever: whoever dials in may bring a new one. */
  readonly participantsMax: number
  /** Bytes of one branch's work. */
  readonly workBytesMax: number
  readonly requestIdLengthMax: number
  /** Bytes of one message of a batched stream; below gRPC's default of 4 MiB. */
  readonly batchBytesMax: number
  /** Items of one message of a batched stream. */
  readonly batchItemsMax: number
  /** Bytes that may wait for a participant that does not read; beyond it its link is cut. */
  readonly linkQueueBytesMax: number
  /** Bytes of one gRPC message; a work of `workBytesMax` always fits in. */
  readonly messageBytesMax: number
  /** Sessions of applications that may be open at once. */
  readonly sessionsMax: number
  /** Calls of one session that may be unanswered at once; while there are as many, the daemon reads no more of it. */
  readonly sessionCallsMax: number
  /** Xids that a client asks for at first, and the most that a session may hold unused. */
  readonly leaseSize: number
  readonly leasedMax: number
  /** Calls that may wait in a client for their turn; one more is refused. */
  readonly clientQueueMax: number
  /** A client uses no xid that it was leased longer ago: one that the retention has passed would be refused. */
  readonly leaseKeptMs: number
  /** Who dials in and doesn't introduce itself for that long is sent away. */
  readonly helloTimeoutMs: number
  /** A connection that carried nothing for that long is probed, and cut when the probe isn't answered in time. */
  readonly keepaliveTimeMs: number
  readonly keepaliveTimeoutMs: number
  /** Connections that a server holds at once. */
  readonly connectionsMax: number
  /** How often it is told, at most, that there are as many. */
  readonly crowdedToldMs: number
  /** Calls, streams among them, that one connection may have open at once; a gRPC client holds the others back. */
  readonly callsPerConnectionMax: number
  /** How long who connects over the network may take until a request of its was let in, and has come whole. */
  readonly firstRequestTimeoutMs: number
  /** Requests that are refused on a connection before one is let in; then it is cut, once the answers had time to leave. */
  readonly refusedRequestsMax: number
  readonly refusalLeavesMs: number
  /** How long the message of a request may take to come, once the request is let in. */
  readonly requestTimeoutMs: number
  /** A connection without a call for that long is closed; whoever needs it again connects again. */
  readonly connectionIdleMs: number
  /** Time that open calls have to end when the server closes; then their connections are cut. */
  readonly serverCloseTimeoutMs: number
  /** Prepares that a participant host runs at once; the others wait for their turn. */
  readonly participantConcurrencyMax: number
  /** Bytes of work that may wait there; a prepare beyond it is voted no. */
  readonly participantWorkBytesMax: number
  /** Calls of either sort (prepares, all others) that may be under way at once to a participant that listens. */
  readonly unaryCallsMax: number
  /** How long a participant that listens may take to answer anything but a prepare, which says its own time. */
  readonly unaryCallTimeoutMs: number
  /** Events that one turn of the coordinator handles; what else has come waits for the next. */
  readonly turnEventsMax: number
  /** Records of one forced batch of the log. */
  readonly appendBatchRecordsMax: number
  /** Time after which lazily written records are written without waiting for a forced one. */
  readonly lazyAppendDelayMs: number

  readonly prepareTimeoutMs: number
  readonly prepareTimeoutMsMax: number
  /** A unary owner that sends nothing for that long loses its begun transaction. */
  readonly idleTimeoutMs: number
  /** Commit is not decided within this margin of the earliest expiry of a pledge: append and delivery fit in. */
  readonly pledgeMarginMs: number
  /** A decision that was sent and not acknowledged for that long is handed to recovery. */
  readonly deliveryTimeoutMs: number
  /** How long a branch on the application's own connection may take to stop, or to end, before it is left to the daemon. */
  readonly branchEndingTimeoutMs: number
  /** How long an undecided branch waits for a witness-keeping participant that is away (spares noise only). */
  readonly orphanGraceMs: number
  readonly drainTimeoutMs: number
  /** How long ended transactions are kept. */
  readonly retentionMs: number
  /** Request ids that have ended whose outcome is in memory, at the least; all others are looked up in the log. */
  readonly requestsRememberedMin: number

  readonly backoffMinMs: number
  readonly backoffMaxMs: number
  /** Time between tries of an attach that was refused for a reason that does not heal by itself. */
  readonly refusedRetryMs: number
  /** How long a connection may take to be made, or an attach to be answered. */
  readonly connectTimeoutMs: number
  /** How often the files of tokens and certificates are looked at for new ones. */
  readonly secretsLookMs: number
  /** How long the far end of a closed link may take to put its things away before it is ended. */
  readonly linkCloseTimeoutMs: number
  /** Time between scans of a participant with something unsettled, and without. */
  readonly scanUnsettledMs: number
  readonly scanSettledMs: number
  readonly scanTimeoutMs: number
  readonly scanPageSize: number
  /** Bytes of what a participant may list in one scan; one that lists more has failed to scan. */
  readonly scanBytesMax: number
  /** Foreign branches of a participant that are counted. */
  readonly foreignBranchesMax: number
  /** A log whose coordinator a participant has seen within that time has a living coordinator. Several scans. */
  readonly logLivingMs: number
}

/** What operators did: so many of the newest are kept by the log, for ever. */
export const auditEventsMax = 1_000
/** Characters of the reason that an operator gives. */
export const reasonLengthMax = 1_000

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const MIB = 1 << 20

export const defaultLimits: Limits = {
  transactionsInFlightMax: 100_000,
  branchesPerTransactionMax: 64,
  participantsMax: 1_024,
  workBytesMax: MIB,
  requestIdLengthMax: 128,
  batchBytesMax: 2 * MIB,
  batchItemsMax: 4_096,
  linkQueueBytesMax: 64 * MIB,
  messageBytesMax: 4 * MIB,
  sessionsMax: 1_024,
  sessionCallsMax: 8_192,
  leaseSize: 256,
  leasedMax: 16_384,
  clientQueueMax: 100_000,
  leaseKeptMs: 10 * MINUTE,
  helloTimeoutMs: 10 * SECOND,
  keepaliveTimeMs: 10 * SECOND,
  keepaliveTimeoutMs: 5 * SECOND,
  connectionsMax: 4_096,
  crowdedToldMs: MINUTE,
  callsPerConnectionMax: 4_096,
  firstRequestTimeoutMs: 10 * SECOND,
  refusedRequestsMax: 64,
  refusalLeavesMs: 250,
  requestTimeoutMs: 10 * SECOND,
  connectionIdleMs: 10 * MINUTE,
  serverCloseTimeoutMs: 2 * SECOND,
  participantConcurrencyMax: 4_096,
  participantWorkBytesMax: 64 * MIB,
  unaryCallsMax: 1_024,
  unaryCallTimeoutMs: 10 * SECOND,
  turnEventsMax: 32,
  appendBatchRecordsMax: 4_096,
  lazyAppendDelayMs: 100,
  prepareTimeoutMs: 10 * SECOND,
  prepareTimeoutMsMax: HOUR,
  idleTimeoutMs: MINUTE,
  pledgeMarginMs: 2 * SECOND,
  deliveryTimeoutMs: 10 * SECOND,
  branchEndingTimeoutMs: 5 * SECOND,
  orphanGraceMs: 30 * SECOND,
  drainTimeoutMs: 20 * SECOND,
  retentionMs: 24 * HOUR,
  requestsRememberedMin: 256,
  backoffMinMs: 100,
  backoffMaxMs: 10 * SECOND,
  refusedRetryMs: MINUTE,
  connectTimeoutMs: 10 * SECOND,
  secretsLookMs: SECOND,
  linkCloseTimeoutMs: 5 * SECOND,
  scanUnsettledMs: 10 * SECOND,
  scanSettledMs: MINUTE,
  scanTimeoutMs: 10 * SECOND,
  scanPageSize: 1_000,
  scanBytesMax: 128 * MIB,
  foreignBranchesMax: 10_000,
  logLivingMs: 5 * MINUTE,
}
