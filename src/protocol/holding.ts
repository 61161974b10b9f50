/**
 * What participants hold prepared. A decided branch is told; an undecided one that is not active is presumed
 * aborted, after those that keep witnesses were asked (R4); another log's is reported and left alone (I6).
 * That a branch is absent from a scan proves nothing (R3): what is owed stays owed until it is acknowledged.
 */
import { present } from '../base/assert.ts'
import type { Xid } from '../base/ids.ts'
import { compareXids, tryParseXid } from '../base/ids.ts'
import { recordHeuristic, sendDecision } from './delivering.ts'
import type { FindPurpose } from './events.ts'
import { forgetWhenClear } from './forgetting.ts'
import { askLog, isForgotten, standingOf } from './lookup.ts'
import type { HeldBranch, ParticipantMessage, Verb } from './messages.ts'
import type { KeptTransaction } from './records.ts'
import type { Inquiry, ParticipantState, Turn } from './state.ts'
import { branchAt, heuristicKey, participantOf } from './state.ts'
import { isSuperseded } from './superseding.ts'

export function startScan(turn: Turn, name: string): void {
  const participant = participantOf(turn, name)
  if (participant.link === undefined) return
  participant.scan = { startedMs: turn.now.monotonicMs, held: [], endedMeanwhile: new Set() }
  askPage(turn, participant, '')
}

function askPage(turn: Turn, participant: ParticipantState, pageToken: string): void {
  turn.effects.push({
    type: 'send',
    participant: participant.name,
    message: { type: 'list_prepared', pageSize: turn.state.limits.scanPageSize, pageToken },
  })
}

export function scanFailed(turn: Turn, participant: ParticipantState, reason: string): void {
  if (participant.scan === undefined) return
  participant.scan = undefined
  turn.effects.push({
    type: 'recovery',
    participant: participant.name,
    signal: { type: 'scan_failed', reason },
  })
}

export function receiveHeld(
  turn: Turn,
  participant: ParticipantState,
  page: readonly HeldBranch[],
  nextPageToken: string,
): void {
  const scan = participant.scan
  if (scan === undefined) return
  scan.held.push(...page)
  if (nextPageToken !== '') {
    askPage(turn, participant, nextPageToken)
    return
  }
  participant.scan = undefined
  participant.foreign = []
  for (const held of scan.held) {
    if (!scan.endedMeanwhile.has(held.xid)) findHeld(turn, participant, held)
  }
  noteForForgetting(turn, participant, scan)
  turn.effects.push({
    type: 'recovery',
    participant: participant.name,
    signal: {
      type: 'scanned',
      unsettled: participant.foreign.length > 0 || holdsInquired(turn, participant),
    },
  })
}

function holdsInquired(turn: Turn, participant: ParticipantState): boolean {
  for (const inquiry of turn.state.inquiries.values()) if (inquiry.holders.has(participant.name)) return true
  return false
}

/** R9: a scan that began after the candidate was named, with nothing at or below it. */
function noteForForgetting(
  turn: Turn,
  participant: ParticipantState,
  scan: { readonly startedMs: number; readonly held: readonly HeldBranch[] },
): void {
  const candidate = turn.state.forgetCandidate
  if (candidate === undefined || scan.startedMs < candidate.namedMs) return
  participant.clearOfCandidate = !scan.held.some(({ xid }) => {
    const parts = tryParseXid(xid)
    return parts?.logId === turn.state.logId && compareXids(parts, candidate.through) <= 0
  })
  forgetWhenClear(turn)
}

/** One branch that a participant holds, by a scan or by a vote that nobody waited for. */
export function findHeld(turn: Turn, participant: ParticipantState, held: HeldBranch): void {
  const parts = tryParseXid(held.xid)
  if (parts === undefined || standingOf(turn.state, parts) !== 'issued') {
    participant.foreign = [...participant.foreign, held]
    return
  }
  const xid = held.xid as Xid
  const transaction = turn.state.transactions.get(xid)
  if (transaction === undefined || transaction.phase === 'ended') {
    if (participant.owed.has(xid)) return
    askLog(turn, xid, {
      for: 'held',
      participant: participant.name,
      prepareTimeMs: held.prepareTimeMs,
    })
    return
  }
  const branch = branchAt(transaction, participant.name)
  if (branch !== undefined) branch.cost = held.cost
  if (branch === undefined || transaction.decision === undefined) return
  if (!participant.owed.has(xid) && branch.state === 'aborted') {
    sendDecision(turn, participant, transaction, branch)
  }
}

/** The log's word on a held branch of a transaction that is no longer in memory. */
export function classifyHeld(
  turn: Turn,
  xid: Xid,
  purpose: Extract<FindPurpose, { for: 'held' }>,
  kept: KeptTransaction | undefined,
): void {
  const participant = participantOf(turn, purpose.participant)
  const transaction = turn.state.transactions.get(xid)
  if (participant.link === undefined || participant.owed.has(xid)) return
  // It has broken its pledge of this branch, which is recorded: telling it again would record it again.
  if (turn.state.heuristics.has(heuristicKey(xid, participant.name))) return
  if (transaction !== undefined && transaction.phase !== 'ended') return
  if (kept !== undefined || transaction !== undefined) {
    const commits = transaction?.decision === 'commit' || kept?.record.type === 'decision'
    tellHeld(turn, participant, xid, commits ? 'commit' : 'abort', purpose.prepareTimeMs)
    return
  }
  const parts = present(tryParseXid(xid), 'an issued xid is well-formed')
  if (isForgotten(turn.state, parts) || isHeuristic(turn, xid) || isSuperseded(turn.state)) {
    participant.foreign = [...participant.foreign, { xid, prepareTimeMs: purpose.prepareTimeMs }]
    return
  }
  inquire(turn, participant, xid, purpose.prepareTimeMs)
}

/** A person is needed already: what a witness said of it stands. */
function isHeuristic(turn: Turn, xid: Xid): boolean {
  for (const record of turn.state.heuristics.values()) if (record.xid === xid) return true
  return false
}

/** Delivers a decision for which no transaction is in memory. */
function tellHeld(
  turn: Turn,
  participant: ParticipantState,
  xid: Xid,
  verb: Verb,
  sinceTimeMs: number,
): void {
  participant.owed.set(xid, {
    verb,
    transaction: undefined,
    sentMs: turn.now.monotonicMs,
    attempts: 1,
    sinceTimeMs,
    lastError: '',
  })
  participant.troubled.add(xid)
  turn.effects.push({ type: 'send', participant: participant.name, message: { type: verb, xid } })
}

/** No record: presumed aborted, unless a witness somewhere says that it committed. */
function inquire(turn: Turn, participant: ParticipantState, xid: Xid, prepareTimeMs: number): void {
  const under = turn.state.inquiries.get(xid)
  if (under !== undefined) {
    under.holders.set(participant.name, prepareTimeMs)
    under.awaiting.delete(participant.name)
    conclude(turn, under)
    return
  }
  const inquiry: Inquiry = {
    xid,
    holders: new Map([[participant.name, prepareTimeMs]]),
    awaiting: new Set(),
    startedMs: turn.now.monotonicMs,
  }
  turn.state.inquiries.set(xid, inquiry)
  for (const other of turn.state.participants.values()) {
    if (other === participant || !other.keepsWitnesses || !other.known) continue
    inquiry.awaiting.add(other.name)
    askEvidence(turn, other, xid)
  }
  conclude(turn, inquiry)
}

function askEvidence(turn: Turn, participant: ParticipantState, xid: Xid): void {
  if (participant.link === undefined) return
  turn.effects.push({
    type: 'send',
    participant: participant.name,
    message: { type: 'evidence_question', xid },
  })
}

export function receiveEvidence(
  turn: Turn,
  participant: ParticipantState,
  message: Extract<ParticipantMessage, { type: 'evidence_answer' }>,
): void {
  const inquiry = turn.state.inquiries.get(message.xid)
  // It couldn't look: that says nothing, and the grace is waited out for it as for one that is away.
  if (inquiry === undefined || message.evidence === 'none') return
  if (!inquiry.awaiting.delete(participant.name)) return
  if (message.evidence === 'witness_committed') {
    turn.state.inquiries.delete(message.xid)
    recordHeuristic(turn, {
      type: 'heuristic',
      xid: message.xid,
      participant: participant.name,
      ended: 'commit',
      evidence: message.evidence,
      message:
        'it committed, and the log has no decision of it: the log lost one, or a person committed by hand; ' +
        `left prepared at: ${[...inquiry.holders.keys()].join(', ')}`,
      timeMs: turn.now.wallMs,
    })
    return
  }
  conclude(turn, inquiry)
}

function conclude(turn: Turn, inquiry: Inquiry): void {
  if (inquiry.awaiting.size > 0) return
  turn.state.inquiries.delete(inquiry.xid)
  // Found out meanwhile: nothing is presumed (R11). The next scan reports what is held.
  if (isSuperseded(turn.state)) return
  for (const [name, prepareTimeMs] of inquiry.holders) {
    const holder = participantOf(turn, name)
    if (holder.link === undefined || holder.owed.has(inquiry.xid)) continue
    tellHeld(turn, holder, inquiry.xid, 'abort', prepareTimeMs)
  }
}

/** A participant went away with questions unanswered: it is asked again when it scans next, or not waited for. */
export function askedLost(turn: Turn, name: string): void {
  for (const inquiry of turn.state.inquiries.values()) inquiry.holders.delete(name)
  for (const inquiry of turn.state.inquiries.values()) {
    if (inquiry.holders.size === 0) turn.state.inquiries.delete(inquiry.xid)
  }
}

/** A participant is back: what is still to be asked of it. */
export function askAgain(turn: Turn, participant: ParticipantState): void {
  for (const inquiry of turn.state.inquiries.values()) {
    if (inquiry.awaiting.has(participant.name)) askEvidence(turn, participant, inquiry.xid)
  }
}

/** The grace is over for witnesses that are away or silent; the presumption is right without them, by I6. */
export function expireInquiries(turn: Turn): void {
  const { inquiries, limits } = turn.state
  for (const inquiry of inquiries.values()) {
    if (turn.now.monotonicMs - inquiry.startedMs < limits.orphanGraceMs) break
    inquiry.awaiting.clear()
    conclude(turn, inquiry)
  }
}
