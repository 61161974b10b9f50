/**
 * What a log answers when it is asked for an xid, in this order: its record (a restored log has some of the xids of the
 * log that it was copied from); active; not issued yet, or of another log or an unknown epoch: unknown; at or below `forgottenThrough`: unknown, forgotten; else aborted,
 * by presumption (I6).
 */
import { PledgedError } from '../base/errors.ts'
import type { Xid, XidParts } from '../base/ids.ts'
import { compareXids, parseXid } from '../base/ids.ts'
import type { Limits } from '../base/limits.ts'
import { guarded } from './admission.ts'
import { notOwner } from './checks.ts'
import type { FindPurpose, GetEvent, NamedEvent } from './events.ts'
import type { HeldBranch } from './messages.ts'
import type { HeuristicRecord, KeptTransaction } from './records.ts'
import type { TransactionView } from './requests.ts'
import { leaseHolder } from './sessions.ts'
import type { ProtocolState, Turn } from './state.ts'
import { isSuperseded } from './superseding.ts'
import { viewOf, viewOfBroken, viewOfKept, viewOfLeased, viewWithoutRecord } from './view.ts'

/** inherited: of a log that this one was restored from. A record counts, and nothing is presumed without one. */
export type Standing = 'issued' | 'inherited' | 'foreign' | 'not_issued'

/** Whether this log could have issued the xid. */
export function standingOf(state: ProtocolState, parts: XidParts): Standing {
  if (isInherited(state, parts)) return 'inherited'
  if (parts.logId !== state.logId || !state.epochs.has(parts.epoch)) return 'foreign'
  if (parts.epoch === state.epoch && parts.sequence >= state.nextSequence) return 'not_issued'
  return 'issued'
}

export function isInherited({ restored }: ProtocolState, { logId }: XidParts): boolean {
  return restored !== undefined && restored.logIds.includes(logId)
}

/** A coordinator shows itself at each scan; one that has not for several of them is taken for dead. */
export function isLiving(
  { logSeenTimeMs }: HeldBranch,
  { logLivingMs }: Pick<Limits, 'logLivingMs'>,
  nowWallMs: number,
): boolean {
  return logSeenTimeMs !== undefined && nowWallMs - logSeenTimeMs < logLivingMs
}

export function isForgotten(
  state: ProtocolState,
  parts: Pick<XidParts, 'epochNumber' | 'sequence'>,
): boolean {
  return state.forgottenThrough !== undefined && compareXids(parts, state.forgottenThrough) <= 0
}

/** The xid, if this log has issued it, or may have its record; throws MALFORMED_XID, FOREIGN_XID or XID_NOT_FOUND. */
export function issuedHere(state: ProtocolState, text: string): Xid {
  const parts = parseXid(text)
  switch (standingOf(state, parts)) {
    case 'issued':
    case 'inherited':
      return text as Xid
    case 'foreign':
      throw new PledgedError(
        'FOREIGN_XID',
        parts.logId === state.logId
          ? `${text} is of epoch ${parts.epoch}, which this log has not opened: it may have been restored from a copy`
          : `${text} is of log ${parts.logId}, and this is log ${state.logId}: ask the daemon that issued it`,
      )
    case 'not_issued':
      throw new PledgedError('XID_NOT_FOUND', `${text} has not been issued`)
  }
}

/** The name that the log may have to be asked for. */
export function nameOf(event: NamedEvent): string | undefined {
  if (event.type !== 'get') return event.request.name?.requestId
  return 'requestId' in event.request ? event.request.requestId : undefined
}

export function getTransaction(turn: Turn, event: GetEvent): void {
  const { replyTo, request } = event
  guarded(turn, replyTo, () => {
    if ('requestId' in request && mustAskLog(turn, request.caller, request.requestId)) {
      turn.effects.push({ type: 'find_request', asked: event })
      return
    }
    const xid =
      'xid' in request
        ? issuedHere(turn.state, request.xid)
        : xidOfRequest(turn.state, request.caller, request.requestId)
    const transaction = turn.state.transactions.get(xid)
    const owner = 'anyOwner' in request && request.anyOwner === true ? undefined : request.caller
    const holder = transaction === undefined ? leaseHolder(turn.state, parseXid(xid)) : undefined
    requireOwner(xid, transaction?.owner ?? holder?.caller, owner)
    if (holder !== undefined) {
      turn.effects.push({ type: 'reply', replyTo, transaction: viewOfLeased(xid), replayed: false })
    } else if (transaction === undefined)
      askLog(turn, xid, { for: 'answer', replyTo, replayed: false, owner })
    else turn.effects.push({ type: 'reply', replyTo, transaction: viewOf(transaction), replayed: false })
  })
}

function mustAskLog(turn: Turn, caller: string, requestId: string): boolean {
  const { requests } = turn.state
  return requests.get(caller, requestId) === undefined && requests.mustAskLog(caller, requestId)
}

function xidOfRequest(state: ProtocolState, caller: string, requestId: string): Xid {
  const attempts = state.requests.get(caller, requestId)?.attempts ?? []
  const found = attempts.find((attempt) => attempt.outcome === 'committed') ?? attempts.at(-1)
  if (found !== undefined) return found.xid
  if (isSuperseded(state) && state.failure !== undefined) throw state.failure
  throw new PledgedError(
    'REQUEST_NOT_FOUND',
    `nothing is known of request_id ${JSON.stringify(requestId)}: it never arrived, was aborted by a restart, or is no longer kept`,
  )
}

export function askLog(turn: Turn, xid: Xid, purpose: FindPurpose): void {
  turn.effects.push({ type: 'find_transaction', xid, purpose })
}

export function answerFound(
  turn: Turn,
  xid: Xid,
  purpose: Extract<FindPurpose, { for: 'answer' }>,
  kept: KeptTransaction | undefined,
): void {
  const { replyTo, replayed } = purpose
  const active = turn.state.transactions.get(xid)
  guarded(turn, replyTo, () => {
    requireOwner(xid, active?.owner ?? kept?.record.owner, purpose.owner)
    const transaction =
      active !== undefined
        ? viewOf(active)
        : kept !== undefined
          ? viewOfKept(kept)
          : withoutRecord(turn.state, xid)
    turn.effects.push({ type: 'reply', replyTo, transaction, replayed })
  })
}

/** Of an xid without a record nobody knows whose it was: what is presumed of it is told to whoever asks. */
function requireOwner(xid: Xid, owner: string | undefined, asking: string | undefined): void {
  if (owner !== undefined && asking !== undefined && owner !== asking) throw notOwner(xid, 'caller')
}

/** Of an xid that the log has no decision of. */
export function withoutRecord(state: ProtocolState, xid: Xid): TransactionView {
  const broken: HeuristicRecord[] = []
  for (const record of state.heuristics.values()) if (record.xid === xid) broken.push(record)
  // A witness speaks against the presumption: nobody knows (R4, I7).
  if (broken.length > 0) return viewOfBroken(xid, broken)
  const parts = parseXid(xid)
  if (isInherited(state, parts)) return viewWithoutRecord(xid, 'unknown', inheritedMessage(state, parts))
  if (isForgotten(state, parts)) return viewWithoutRecord(xid, 'unknown')
  // A newer copy of this log may have its decision (R11).
  if (isSuperseded(state)) return viewWithoutRecord(xid, 'unknown', state.failure?.message)
  return viewWithoutRecord(xid, 'aborted')
}

function inheritedMessage({ logId }: ProtocolState, parts: XidParts): string {
  return `of log ${parts.logId}, from a backup of which this log, ${logId}, was restored without a record of it: that log may have decided it later`
}
