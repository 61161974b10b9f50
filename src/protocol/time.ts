/** What time brings: votes that do not come, owners that fall silent, deliveries without answer, the drain. */
import { answerWaiters, decideAbort } from './deciding.ts'
import { notDelivered, trouble } from './delivering.ts'
import { expireInquiries } from './holding.ts'
import { cutLink } from './links.ts'
import { expireHandedOver, isHandedOver } from './one-phase.ts'
import type { ParticipantState, ProtocolState, Transaction, Turn } from './state.ts'

export function tick(turn: Turn): void {
  const { state, now } = turn
  for (const transaction of state.deadlines.take(now.monotonicMs)) expire(turn, transaction)
  for (const waiter of state.waiterDeadlines.take(now.monotonicMs)) {
    const stay = waiter.transaction.waiters.filter((other) => other !== waiter)
    waiter.transaction.waiters = [waiter]
    answerWaiters(turn, waiter.transaction)
    waiter.transaction.waiters = stay
  }
  for (const participant of state.participants.values()) expireDeliveries(turn, participant)
  if (state.inquiries.size > 0) expireInquiries(turn)
}

function expire(turn: Turn, transaction: Transaction): void {
  if (transaction.phase === 'active') {
    decideAbort(turn, transaction, {
      cause: 'idle_timeout',
      message: 'its owner sent nothing for the idle timeout',
      retryable: true,
    })
    return
  }
  if (isHandedOver(transaction)) {
    expireHandedOver(turn, transaction)
    return
  }
  const silent = transaction.branches
    .filter((branch) => branch.state === 'preparing')
    .map((branch) => `"${branch.participant}"`)
  decideAbort(turn, transaction, {
    cause: 'prepare_timeout',
    message: `no vote within the prepare timeout from ${silent.join(', ')}`,
    retryable: true,
  })
}

/** Deliveries are booked in the order they are sent: the first that is young enough ends the search. */
function expireDeliveries(turn: Turn, participant: ParticipantState): void {
  if (participant.link === undefined) return
  const { deliveryTimeoutMs, scanTimeoutMs } = turn.state.limits
  const nowMs = turn.now.monotonicMs
  if (participant.scan !== undefined && nowMs - participant.scan.startedMs >= scanTimeoutMs) {
    // A page that comes after all would be taken for one of the next scan: the link goes with the scan.
    cutLink(turn, participant, `no answer to the scan within ${scanTimeoutMs} ms`)
    return
  }
  for (const [xid, owed] of participant.owed) {
    if (owed.sentMs === undefined) continue
    if (nowMs - owed.sentMs < deliveryTimeoutMs) break
    const reason = `not acknowledged within ${deliveryTimeoutMs} ms`
    notDelivered(turn, participant, owed, reason)
    trouble(turn, participant, xid, 'delivery_failed', reason)
  }
}

/** When `tick` has something to do next, in monotonic milliseconds; undefined while nothing is waited for. */
export function nextTickMs(state: ProtocolState): number | undefined {
  let nextMs = Math.min(
    state.deadlines.nextMs() ?? Number.POSITIVE_INFINITY,
    state.waiterDeadlines.nextMs() ?? Number.POSITIVE_INFINITY,
  )
  for (const participant of state.participants.values()) {
    if (participant.link === undefined) continue
    if (participant.scan !== undefined) {
      nextMs = Math.min(nextMs, participant.scan.startedMs + state.limits.scanTimeoutMs)
    }
    for (const owed of participant.owed.values()) {
      if (owed.sentMs === undefined) continue
      nextMs = Math.min(nextMs, owed.sentMs + state.limits.deliveryTimeoutMs)
      break
    }
  }
  for (const inquiry of state.inquiries.values()) {
    // They are in the order in which they were started.
    nextMs = Math.min(nextMs, inquiry.startedMs + state.limits.orphanGraceMs)
    break
  }
  return nextMs === Number.POSITIVE_INFINITY ? undefined : nextMs
}

export function startDrain(turn: Turn): void {
  turn.state.draining = true
}

/** The drain's time is over: an undecided transaction aborts, a posted one waits for its append (R1). */
export function drainExpired(turn: Turn): void {
  for (const transaction of turn.state.transactions.values()) {
    if (transaction.phase !== 'active' && transaction.phase !== 'preparing') continue
    decideAbort(turn, transaction, {
      cause: 'drain',
      message: 'the daemon is shutting down',
      retryable: true,
    })
  }
}
