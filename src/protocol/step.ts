/**
 * The protocol core: `step(state, now, event) -> effects`. No I/O, no clock, no promise: events in, effects out.
 * The same code runs in the daemon, embedded, and in the simulator's hundred thousand faulty histories.
 *
 * Presumed abort (Mohan, Lindsay, Obermarck: Transaction Management in the R* Distributed Database Management
 * System, 1986), with the rules R1 to R17 of the design. What each file holds:
 *
 *   admission.ts   requests in: names, limits, begin, execute, commit, abort
 *   voting.ts      prepare, votes, and the moment of decision
 *   deciding.ts    commit (append, then answer) and abort (presumed)
 *   delivering.ts  phase two: deliveries, acknowledgements, broken pledges
 *   ending.ts      the end record
 *   sessions.ts    applications' sessions and the xids that they are leased (R2)
 *   early-pledge.ts  branches that the application prepares and ends by itself (R12)
 *   one-phase.ts   a single branch commits by itself (R17)
 *   links.ts       participants that come and go
 *   superseding.ts a log that turns out to be an old copy (R11)
 *   holding.ts     what participants hold prepared, and presumption
 *   lookup.ts      what the log answers when it is asked for an xid
 *   operators/     what operators do (R15)
 *   forgetting.ts  retention (R9) and witnesses (R5)
 */
import { unreachable } from '../base/assert.ts'
import {
  abortTransaction,
  beginTransaction,
  commitTransaction,
  executeTransaction,
  requestFound,
} from './admission.ts'
import { appended, appendFailed } from './deciding.ts'
import { deliverOwed, receiveResult } from './delivering.ts'
import { endedByApplication, enlist } from './early-pledge.ts'
import type { Effect } from './effects.ts'
import { endReplayed } from './ending.ts'
import type { Event, Now } from './events.ts'
import { considerForgetting, releaseEnded } from './forgetting.ts'
import { classifyHeld, look, receiveEvidence, receiveHeld, scanFailed, startScan } from './holding.ts'
import { closeLink, openLink } from './links.ts'
import { answerFound, getTransaction } from './lookup.ts'
import { waitForOutcomes } from './one-phase.ts'
import { sweepAcknowledged } from './operators/acknowledge.ts'
import { operate } from './operators/index.ts'
import { keepPauses } from './operators/pause.ts'
import { closeSession, lease, openSession } from './sessions.ts'
import type { ProtocolState, Turn } from './state.ts'
import { admissionRefused } from './superseding.ts'
import { drainExpired, startDrain, tick } from './time.ts'
import { receiveVote } from './voting.ts'

export function step(state: ProtocolState, now: Now, event: Event): Effect[] {
  const turn: Turn = { state, now, effects: [] }
  dispatch(turn, event)
  return turn.effects
}

export type Step = typeof step

function dispatch(turn: Turn, event: Event): void {
  switch (event.type) {
    case 'message':
      return receiveMessage(turn, event)
    case 'execute':
      return executeTransaction(turn, event)
    case 'appended':
      if (event.token.of === 'end') return releaseEnded(turn, event.token.xid)
      return appended(turn, event.token)
    case 'append_failed':
      return appendFailed(turn, event.token, event.failure)
    case 'replayed':
      waitForOutcomes(turn)
      keepPauses(turn)
      return endReplayed(turn)
    case 'tick':
      return tick(turn)
    case 'begin':
      return beginTransaction(turn, event.replyTo, event.request)
    case 'commit':
      return commitTransaction(turn, event)
    case 'abort':
      return abortTransaction(turn, event.replyTo, event.request)
    case 'get':
      return getTransaction(turn, event)
    case 'session_opened':
      return openSession(turn, event)
    case 'session_closed':
      return closeSession(turn, event.session, event.reason)
    case 'lease':
      return lease(turn, event)
    case 'enlist':
      return enlist(turn, event)
    case 'ended_by_application':
      return endedByApplication(turn, event)
    case 'operator':
      return operate(turn, event)
    case 'request_found':
      return requestFound(turn, event.asked, event.kept)
    case 'transaction_found':
      return found(turn, event)
    case 'link_opened':
      return openLink(turn, event.identity, event.link)
    case 'link_closed':
      return closeLink(turn, event.participant, event.link, event.reason)
    case 'scan':
      return startScan(turn, event.participant)
    case 'look':
      return look(turn, event.participant)
    case 'deliver':
      return deliverOwed(turn, event.participant)
    case 'expired':
      return considerForgetting(turn, event.through)
    case 'drain':
      return startDrain(turn)
    case 'drain_expired':
      return drainExpired(turn)
    default:
      return unreachable(event)
  }
}

function found(turn: Turn, { xid, purpose, kept }: Extract<Event, { type: 'transaction_found' }>): void {
  switch (purpose.for) {
    case 'answer':
      return answerFound(turn, xid, purpose, kept)
    case 'held':
      return classifyHeld(turn, xid, purpose, kept)
    case 'sweep':
      return sweepAcknowledged(turn, kept)
    default:
      return unreachable(purpose)
  }
}

function receiveMessage(turn: Turn, event: Extract<Event, { type: 'message' }>): void {
  const participant = turn.state.participants.get(event.participant)
  // A newer link of the same participant has fenced the one that this message came by (R10).
  if (participant === undefined || participant.link !== event.link) return
  const message = event.message
  switch (message.type) {
    case 'vote':
      return receiveVote(turn, participant, message.xid, message.vote)
    case 'result':
      return receiveResult(turn, participant, message)
    case 'evidence_answer':
      return receiveEvidence(turn, participant, message)
    case 'held':
      return receiveHeld(turn, participant, message.branches, message.nextPageToken)
    case 'scan_failed':
      return scanFailed(turn, participant, message.message)
    case 'admission_refused':
      return admissionRefused(turn, participant, message)
    default:
      return unreachable(message)
  }
}
