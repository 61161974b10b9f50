/**
 * What participants hold prepared. A decided branch is told; an undecided one that is not active is presumed
 * aborted, after those that keep witnesses were asked (R4); another log's is reported and left alone (I6).
 * That a branch is absent from a scan proves nothing (R3): what is owed stays owed until it is acknowledged.
 */
import { present } from '../base/assert.ts'
import type { Xid } from '../base/ids.ts'
import { compareXids, tryParseXid } from '../base/ids.ts'
import { recordHeuristic, sendDecision, settle } from './delivering.ts'
import type { FindPurpose } from './events.ts'
import { forgetWhenClear } from './forgetting.ts'
import { askLog, isForgotten, isInherited, standingOf } from './lookup.ts'
import type { HeldBranch, ParticipantMessage, Verb } from './messages.ts'
import { isAcknowledged, type KeptTransaction } from './records.ts'
import { isLeased } from './sessions.ts'
import type { Inquiry, ParticipantState, Turn } from './state.ts'
import { branchAt, heuristicKey, isHeuristic, isReachable, participantOf } from './state.ts'
import { isSuperseded } from './superseding.ts'

export function startScan(turn: Turn, name: string): void {
  const participant = participantOf(turn, name)
  // A page of a scan that is under way would be taken for one of the next.
  if (!isReachable(participant) || participant.scan !== undefined) return
  participant.scan = { startedMs: turn.now.monotonicMs, held: [], heldBytes: 0, endedMeanwhile: new Set() }
  askPage(turn, participant, '')
}

/** For an operator who wants to know now. */
export function look(turn: Turn, name: string): void {
  const participant = participantOf(turn, name)
  participant.looked = true
  if (participant.pause !== undefined) return lookFailed(turn, participant, 'it is paused')
  if (participant.link === undefined) return lookFailed(turn, participant, 'it is not connected')
  startScan(turn, name)
}

export function lookFailed(turn: Turn, participant: ParticipantState, reason: string): void {
  if (!participant.looked) return
  participant.looked = false
  turn.effects.push({ type: 'look_failed', participant: participant.name, reason })
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
  lookFailed(turn, participant, reason)
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
  const { scanBytesMax } = turn.state.limits
  for (const held of page) {
    scan.heldBytes += bytesOf(held)
    scan.held.push(held)
  }
  if (scan.heldBytes > scanBytesMax) {
    scanFailed(turn, participant, `it lists more than the ${scanBytesMax} bytes that a scan may have`)
    return
  }
  if (nextPageToken !== '') {
    askPage(turn, participant, nextPageToken)
    return
  }
  participant.scan = undefined
  participant.foreign = []
  for (const held of scan.held) {
    if (!scan.endedMeanwhile.has(held.xid)) findHeld(turn, participant, held)
  }
  if (participant.looked) {
    participant.looked = false
    turn.effects.push({ type: 'looked', participant: participant.name, held: scan.held })
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

/** At least what it takes in memory. */
function bytesOf({ xid, cost = '' }: HeldBranch): number {
  return HELD_OVERHEAD_BYTES + xid.length + cost.length
}

const HELD_OVERHEAD_BYTES = 64

/** Votes can name them without end: beyond the bound they are no longer counted. */
function noteForeign(turn: Turn, participant: ParticipantState, held: HeldBranch): void {
  if (participant.foreign.length < turn.state.limits.foreignBranchesMax) participant.foreign.push(held)
}

function holdsInquired(turn: Turn, participant: ParticipantState): boolean {
  for (const inquiry of turn.state.inquiries.values()) if (inquiry.holders.has(participant.name)) return true
  return false
}

/**
 * R9: a scan that began after the candidate was named, with nothing at or below it. What is on its way to a branch may
 * have taken it off the list, and not yet be forced: the branch would be back after a loss of power, and nobody would
 * know it. Its acknowledgement says that it is forced.
 */
function noteForForgetting(
  turn: Turn,
  participant: ParticipantState,
  scan: { readonly startedMs: number; readonly held: readonly HeldBranch[] },
): void {
  const candidate = turn.state.forgetCandidate
  if (candidate === undefined || scan.startedMs < candidate.namedMs) return
  const unsettled = [...scan.held.map(({ xid }) => xid), ...participant.owed.keys()]
  participant.clearOfCandidate = !unsettled.some((xid) => {
    const parts = tryParseXid(xid)
    return parts?.logId === turn.state.logId && compareXids(parts, candidate.through) <= 0
  })
  forgetWhenClear(turn)
}

/** One branch that a participant holds, by a scan or by a vote that nobody waited for. */
export function findHeld(turn: Turn, participant: ParticipantState, held: HeldBranch): void {
  const parts = tryParseXid(held.xid)
  const standing = parts === undefined ? 'foreign' : standingOf(turn.state, parts)
  if (standing === 'foreign' || standing === 'not_issued') {
    noteForeign(turn, participant, held)
    return
  }
  const xid = held.xid as Xid
  const transaction = turn.state.transactions.get(xid)
  if (transaction === undefined || transaction.phase === 'ended') {
    if (participant.owed.has(xid) || (parts !== undefined && isLeased(turn.state, parts))) return
    askLog(turn, xid, {
      for: 'held',
      participant: participant.name,
      prepareTimeMs: held.prepareTimeMs,
      logSeenTimeMs: held.logSeenTimeMs,
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
  if (!isReachable(participant) || participant.owed.has(xid)) return
  // It has broken its pledge of this branch, which is recorded: it is told again when a person asks for it.
  const broken = turn.state.heuristics.get(heuristicKey(xid, participant.name))
  if (broken !== undefined && broken.withoutVote !== true) return
  if (kept !== undefined && isAcknowledged(kept, participant.name)) return
  if (transaction !== undefined && transaction.phase !== 'ended') return
  if (kept !== undefined || transaction !== undefined) {
    const commits = transaction?.decision === 'commit' || kept?.record.type === 'decision'
    tellHeld(turn, participant, xid, commits ? 'commit' : 'abort', purpose.prepareTimeMs)
    return
  }
  const parts = present(tryParseXid(xid), 'an issued xid is well-formed')
  const mayNotPresume = isInherited(turn.state, parts) || isForgotten(turn.state, parts)
  if (mayNotPresume || isHeuristic(turn, xid) || isSuperseded(turn.state)) {
    const { prepareTimeMs, logSeenTimeMs } = purpose
    noteForeign(turn, participant, { xid, prepareTimeMs, logSeenTimeMs })
    return
  }
  inquire(turn, participant, xid, purpose.prepareTimeMs)
}

/** Delivers a decision for which no transaction is in memory. */
export function tellHeld(
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
  if (!isReachable(participant)) return
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
  if (inquiry === undefined) {
    if (message.evidence === 'witness_committed') takeBackPresumption(turn, participant, message)
    return
  }
  // It couldn't look: that says nothing, and the grace is waited out for it as for one that is away.
  if (message.evidence === 'none') return
  if (message.evidence === 'witness_committed') {
    // Also of one that is known to hold it: a person may have committed it there since.
    turn.state.inquiries.delete(message.xid)
    inquiry.holders.delete(participant.name)
    recordWitness(turn, participant, message, [...inquiry.holders.keys()])
    return
  }
  if (inquiry.awaiting.delete(participant.name)) conclude(turn, inquiry)
}

/** The grace was over before its answer came: who has not acknowledged the abort is told it no more. */
function takeBackPresumption(
  turn: Turn,
  participant: ParticipantState,
  message: Extract<ParticipantMessage, { type: 'evidence_answer' }>,
): void {
  const left = [...turn.state.participants.values()].filter(({ owed }) => {
    const abort = owed.get(message.xid)
    return abort !== undefined && abort.transaction === undefined && abort.verb === 'abort'
  })
  if (left.length === 0) return
  for (const holder of left) settle(turn, holder, message.xid)
  recordWitness(
    turn,
    participant,
    message,
    left.map(({ name }) => name),
  )
}

function recordWitness(
  turn: Turn,
  participant: ParticipantState,
  { xid, evidence }: Extract<ParticipantMessage, { type: 'evidence_answer' }>,
  left: readonly string[],
): void {
  recordHeuristic(turn, {
    type: 'heuristic',
    xid,
    participant: participant.name,
    ended: 'commit',
    evidence,
    message:
      'it committed, and the log has no decision of it: the log lost one, or a person committed by hand; ' +
      (left.length === 0 ? 'who holds it prepared is away' : `left prepared at: ${left.join(', ')}`),
    timeMs: turn.now.wallMs,
  })
}

function conclude(turn: Turn, inquiry: Inquiry): void {
  if (inquiry.awaiting.size > 0) return
  turn.state.inquiries.delete(inquiry.xid)
  // Found out meanwhile: nothing is presumed (R11). The next scan reports what is held.
  if (isSuperseded(turn.state)) return
  for (const [name, prepareTimeMs] of inquiry.holders) {
    const holder = participantOf(turn, name)
    if (!isReachable(holder) || holder.owed.has(inquiry.xid)) continue
    tellHeld(turn, holder, inquiry.xid, 'abort', prepareTimeMs)
  }
}

/**
 * A participant went away with questions unanswered: it is asked again when it scans next, or not waited for. What was
 * asked on behalf of a holder that is gone is still heard: its witness may be away when the holder is back.
 */
export function askedLost(turn: Turn, name: string): void {
  for (const inquiry of turn.state.inquiries.values()) inquiry.holders.delete(name)
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
