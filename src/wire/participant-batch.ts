/** What a participant says to the coordinator, to and from the stream's messages. */
import { unreachable } from '../base/assert.ts'
import { PledgedError } from '../base/errors.ts'
import { xidOf } from '../base/ids.ts'
import type { HeldBranch, ParticipantMessage, Vote } from '../protocol/messages.ts'
import { type BatchCodec, type BatchDraft, BatchOrder, ITEM_OVERHEAD_BYTES, textBytesMax } from './batch.ts'
import { branchResults, decisions, evidence } from './enums.ts'
import { type HeldBranch as ProtoHeldBranch, Vote as ProtoVote } from './generated/pledged/v1/branch.ts'
import {
  type AttachParticipantRequest,
  ParticipantBatch,
  type ResultItem,
  type VoteItem,
} from './generated/pledged/v1/participant_gateway_service.ts'
import { boundedText } from './text.ts'
import { fromOptionalTimestamp, fromTimestamp, toOptionalTimestamp, toTimestamp } from './time.ts'

/** The order in which a receiver handles the groups of a batch: that of their field numbers. */
const RANK = { vote: 1, result: 2, evidence_answer: 3 } as const
const UINT32_MAX = 2 ** 32 - 1

/** `name`: the participant's, after which its branches are named. */
export function participantBatches(name: string): BatchCodec<ParticipantMessage, AttachParticipantRequest> {
  return { start: () => new ParticipantDraft(name), bytesOf }
}

class ParticipantDraft implements BatchDraft<ParticipantMessage, AttachParticipantRequest> {
  readonly #name: string
  readonly #batch: ParticipantBatch = ParticipantBatch.create()
  readonly #order = new BatchOrder()

  constructor(name: string) {
    this.#name = name
  }

  add(message: ParticipantMessage): boolean {
    const admitted =
      'xid' in message ? this.#order.admits(message.xid, RANK[message.type]) : this.#order.admitsLast()
    if (admitted) this.#addItem(message)
    return admitted
  }

  finish(): AttachParticipantRequest {
    return { body: { $case: 'batch', value: this.#batch } }
  }

  #addItem(message: ParticipantMessage): void {
    const batch = this.#batch
    switch (message.type) {
      case 'vote':
        batch.votes.push(voteItem(message.xid, message.vote))
        return
      case 'result':
        batch.results.push({
          xid: message.xid,
          decision: decisions.toProto(message.verb),
          result: branchResults.toProto(message.result),
          message: boundedText(message.message),
          evidence: evidence.toProto(message.evidence),
        })
        return
      case 'evidence_answer':
        batch.evidenceAnswers.push({
          xid: message.xid,
          evidence: evidence.toProto(message.evidence),
          message: boundedText(message.message),
        })
        return
      case 'held':
        batch.heldPage = {
          branches: message.branches.map((branch) => heldToProto(branch, this.#name)),
          nextPageToken: message.nextPageToken,
        }
        return
      case 'scan_failed':
        batch.scanFailure = { message: boundedText(message.message) }
        return
      case 'admission_refused':
        batch.admissionRefusal = {
          superseded: message.superseded,
          message: boundedText(message.message),
        }
        return
      default:
        unreachable(message)
    }
  }
}

/** In the order in which they are to be handled. Throws INVALID_REQUEST or MALFORMED_XID. */
export function participantMessages(batch: ParticipantBatch): ParticipantMessage[] {
  const messages: ParticipantMessage[] = []
  for (const item of batch.votes) {
    messages.push({ type: 'vote', xid: xidOf(item.xid), vote: voteOf(item) })
  }
  for (const item of batch.results) messages.push(resultFromProto(item))
  for (const item of batch.evidenceAnswers) {
    messages.push({
      type: 'evidence_answer',
      xid: xidOf(item.xid),
      evidence: evidence.fromProto(item.evidence),
      message: boundedText(item.message),
    })
  }
  if (batch.heldPage !== undefined) {
    const { branches, nextPageToken } = batch.heldPage
    messages.push({ type: 'held', branches: branches.map(heldFromProto), nextPageToken })
  }
  if (batch.scanFailure !== undefined) {
    messages.push({ type: 'scan_failed', message: boundedText(batch.scanFailure.message) })
  }
  if (batch.admissionRefusal !== undefined) {
    const { superseded, message } = batch.admissionRefusal
    messages.push({ type: 'admission_refused', superseded, message: boundedText(message) })
  }
  return messages
}

/** Shared with ParticipantService's unary ListPreparedBranches. */
export function heldToProto(branch: HeldBranch, name: string): ProtoHeldBranch {
  const { xid, prepareTimeMs, cost, logSeenTimeMs } = branch
  return {
    xid,
    branch: name,
    prepareTime: toTimestamp(prepareTimeMs),
    cost: boundedText(cost ?? ''),
    logSeenTime: toOptionalTimestamp(logSeenTimeMs),
  }
}

/** A branch without a time counts as held since 1970: it is nobody's newest. */
export function heldFromProto(branch: ProtoHeldBranch): HeldBranch {
  const { xid, prepareTime, cost, logSeenTime } = branch
  return {
    xid,
    prepareTimeMs: fromOptionalTimestamp('prepare_time', prepareTime) ?? 0,
    ...(cost === '' ? {} : { cost: boundedText(cost) }),
    ...(logSeenTime === undefined ? {} : { logSeenTimeMs: fromTimestamp('log_seen_time', logSeenTime) }),
  }
}

function bytesOf(message: ParticipantMessage): number {
  if (message.type === 'held') {
    let bytes = ITEM_OVERHEAD_BYTES + textBytesMax(message.nextPageToken)
    // The branch's name, of 32 characters at most, goes with each.
    for (const { xid, cost = '' } of message.branches) {
      bytes += 3 * ITEM_OVERHEAD_BYTES + textBytesMax(xid) + textBytesMax(boundedText(cost))
    }
    return bytes
  }
  const xidBytes = 'xid' in message ? message.xid.length : 0
  return ITEM_OVERHEAD_BYTES + xidBytes + textBytesMax(boundedText(textOf(message)))
}

function textOf(message: Exclude<ParticipantMessage, { type: 'held' }>): string {
  if (message.type !== 'vote') return message.message
  return message.vote.vote === 'no' ? message.vote.message : ''
}

function voteItem(xid: string, vote: Vote): VoteItem {
  const item = { xid, message: '', retryable: false }
  switch (vote.vote) {
    case 'yes': {
      if (vote.pledgeTtlMs === undefined) return { ...item, vote: ProtoVote.YES }
      // Rounded down: a pledge must not seem to hold for longer than it does.
      const pledgeTtlMs = Math.min(Math.max(Math.floor(vote.pledgeTtlMs), 0), UINT32_MAX)
      return { ...item, vote: ProtoVote.YES, pledgeTtlMs }
    }
    case 'no':
      return { xid, vote: ProtoVote.NO, message: boundedText(vote.message), retryable: vote.retryable }
    case 'read_only':
      return { ...item, vote: ProtoVote.READ_ONLY }
    case 'committed':
      return { ...item, vote: ProtoVote.COMMITTED }
    default:
      return unreachable(vote)
  }
}

function voteOf(item: VoteItem): Vote {
  switch (item.vote) {
    case ProtoVote.YES:
      return { vote: 'yes', pledgeTtlMs: item.pledgeTtlMs }
    case ProtoVote.NO:
      return { vote: 'no', message: boundedText(item.message), retryable: item.retryable }
    case ProtoVote.READ_ONLY:
      return { vote: 'read_only' }
    case ProtoVote.COMMITTED:
      return { vote: 'committed' }
    default:
      throw new PledgedError(
        'INVALID_REQUEST',
        `the vote for ${item.xid} is ${item.vote}: it has to be VOTE_YES, VOTE_NO, VOTE_READ_ONLY or VOTE_COMMITTED`,
      )
  }
}

function resultFromProto(item: ResultItem): ParticipantMessage {
  const verb = decisions.fromProto(item.decision)
  if (verb === undefined) {
    throw new PledgedError(
      'INVALID_REQUEST',
      `the result for ${item.xid} names decision ${item.decision}: it has to be DECISION_COMMIT or DECISION_ABORT`,
    )
  }
  return {
    type: 'result',
    xid: xidOf(item.xid),
    verb,
    result: branchResults.fromProto(item.result),
    message: boundedText(item.message),
    evidence: evidence.fromProto(item.evidence),
  }
}
