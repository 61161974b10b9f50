/**
 * Sessions of applications, and the xids that they are leased (R2). A leased xid becomes a transaction when its session first
 * does something with it. What is not in memory and not leased any more can't be begun or committed again in this epoch: so a
 * session that has ended, or a lease that was revoked, needs no list of its own to be remembered by.
 */

import { assert } from '../base/assert.ts'
import { ChurningSet } from '../base/churning.ts'
import { PledgedError } from '../base/errors.ts'
import type { Xid, XidParts, XidPosition } from '../base/ids.ts'
import { formatXid, parseXid } from '../base/ids.ts'
import { decideAbort } from './deciding.ts'
import { leftByApplication } from './early-pledge.ts'
import type { Event } from './events.ts'
import type { SessionNumber } from './requests.ts'
import type { Lease, ProtocolState, SessionState, Transaction, Turn } from './state.ts'
import { newTransaction, note } from './state.ts'

export function openSession(turn: Turn, event: Extract<Event, { type: 'session_opened' }>): void {
  const { sessions, limits } = turn.state
  const { session: number, caller, clientId } = event
  for (const older of clientId === '' ? [] : Array.from(sessions.values())) {
    if (older.clientId !== clientId || older.caller !== caller) continue
    endSession(turn, older.number, 'a newer session of this client took its place')
  }
  if (sessions.size >= limits.sessionsMax) {
    const reason = `limits.sessions (${limits.sessionsMax}) is reached: close some, or raise it`
    turn.effects.push({ type: 'end_session', session: number, reason })
    return
  }
  const session: SessionState = {
    number,
    caller,
    clientId,
    leases: [],
    unused: 0,
    transactions: new ChurningSet(),
  }
  sessions.set(number, session)
  grantLease(turn, session, event.leaseSize)
}

export function lease(turn: Turn, { session: number, count }: Extract<Event, { type: 'lease' }>): void {
  const session = turn.state.sessions.get(number)
  if (session !== undefined) grantLease(turn, session, count)
}

function grantLease(turn: Turn, session: SessionState, wanted: number): void {
  const { state } = turn
  const count = Math.max(0, Math.min(wanted, state.limits.leasedMax - session.unused))
  const firstSequence = state.nextSequence
  state.nextSequence += count
  if (count > 0) session.leases.push({ firstSequence, count, unused: count, used: new Uint8Array(count) })
  session.unused += count
  turn.effects.push({ type: 'leased', session: session.number, lease: { firstSequence, count } })
}

/**
 * The session is over: its leases with it, and so do the transactions that it was not asked to commit. A commit that had
 * arrived goes on; whoever asked for it may ask again.
 */
export function closeSession(turn: Turn, number: SessionNumber, reason: string): void {
  const session = turn.state.sessions.get(number)
  if (session === undefined) return
  turn.state.sessions.delete(number)
  const deserted = new Set<string>()
  for (const transaction of session.transactions) {
    for (const { participant, byApplication } of transaction.branches) {
      if (byApplication !== undefined) deserted.add(participant)
    }
    transaction.session = undefined
    if (transaction.phase !== 'active') {
      leftByApplication(turn, transaction, reason)
      continue
    }
    decideAbort(turn, transaction, {
      cause: 'session_lost',
      message: `the session that had begun it ended before it was asked to commit: ${reason}`,
      retryable: true,
    })
  }
  for (const participant of deserted) {
    turn.effects.push({ type: 'recovery', participant, signal: { type: 'session_broken' } })
  }
}

function endSession(turn: Turn, number: SessionNumber, reason: string): void {
  closeSession(turn, number, reason)
  turn.effects.push({ type: 'end_session', session: number, reason })
}

/** The transaction of an xid that this session was leased and has not used; undefined for any other. */
export function beginLeased(
  turn: Turn,
  number: SessionNumber | undefined,
  xid: Xid,
  traceparent: string | undefined,
): Transaction | undefined {
  const session = number === undefined ? undefined : turn.state.sessions.get(number)
  const parts = parseXid(xid)
  if (session === undefined || !takeFrom(session, turn.state, parts)) return undefined
  return openTransaction(turn, {
    sequence: parts.sequence,
    owner: session.caller,
    session,
    traceparent,
  })
}

export function openTransaction(
  turn: Turn,
  options: {
    readonly sequence: number
    readonly owner: string
    readonly session?: SessionState | undefined
    readonly traceparent: string | undefined
  },
): Transaction {
  const { state, now } = turn
  const { sequence, owner, session, traceparent } = options
  const transaction = newTransaction({
    xid: formatXid({ logId: state.logId, epoch: state.epoch, sequence }),
    epochNumber: state.epochNumber,
    sequence,
    owner,
    createTimeMs: now.wallMs,
    traceparent: traceparent ?? '',
  })
  transaction.session = session
  session?.transactions.add(transaction)
  state.transactions.set(transaction.xid, transaction)
  note(turn, transaction, 'begun')
  return transaction
}

function takeFrom(session: SessionState, state: ProtocolState, parts: XidParts): boolean {
  const leased = leaseOf(session, state, parts)
  if (leased === undefined) return false
  use(session, leased, parts.sequence)
  return true
}

function use(session: SessionState, leased: Lease, sequence: number): void {
  const index = sequence - leased.firstSequence
  assert(leased.used[index] === 0, 'a leased xid is used once')
  leased.used[index] = 1
  leased.unused -= 1
  session.unused -= 1
  if (leased.unused === 0) session.leases = session.leases.filter((other) => other !== leased)
}

function leaseOf(session: SessionState, state: ProtocolState, parts: XidParts): Lease | undefined {
  if (parts.logId !== state.logId || parts.epoch !== state.epoch) return undefined
  return session.leases.find(
    ({ firstSequence, count, used }) =>
      parts.sequence >= firstSequence &&
      parts.sequence < firstSequence + count &&
      used[parts.sequence - firstSequence] === 0,
  )
}

/** Whether some session may still begin it: it is active, though nothing is known of it. */
export function isLeased(state: ProtocolState, parts: XidParts): boolean {
  return leaseHolder(state, parts) !== undefined
}

/** The session that may still begin it. */
export function leaseHolder(state: ProtocolState, parts: XidParts): SessionState | undefined {
  if (parts.logId !== state.logId || parts.epoch !== state.epoch) return undefined
  for (const session of state.sessions.values()) {
    if (leaseOf(session, state, parts) !== undefined) return session
  }
  return undefined
}

/** R9: what is about to be forgotten can't be begun any more. */
export function revokeLeased(state: ProtocolState, through: XidPosition): void {
  if (through.epochNumber < state.epochNumber) return
  for (const session of state.sessions.values()) {
    for (const leased of Array.from(session.leases)) {
      const end = Math.min(through.sequence, leased.firstSequence + leased.count - 1)
      for (let sequence = leased.firstSequence; sequence <= end; sequence += 1) {
        if (leased.used[sequence - leased.firstSequence] === 0) use(session, leased, sequence)
      }
    }
  }
}

/** Throws where the session is over; what it says then counts for nothing. */
export function requireSession(state: ProtocolState, number: SessionNumber): SessionState {
  const session = state.sessions.get(number)
  if (session !== undefined) return session
  throw new PledgedError('XID_NOT_LEASED', 'the session has ended, and its leases with it: open another')
}
