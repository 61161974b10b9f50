/** The state after an opening of the log: what was decided and not ended, who takes part, what is broken. */

import { present } from '../base/assert.ts'
import { tryParseXid } from '../base/ids.ts'
import type { Limits } from '../base/limits.ts'
import type { Verb } from './messages.ts'
import type { DecisionRecord, OnePhaseRecord } from './records.ts'
import type { ProtocolState, Replay, Transaction } from './state.ts'
import { emptyState, heuristicKey, newBranch, newParticipant, newTransaction } from './state.ts'
import { supersededBy } from './superseding.ts'

export function replay(opened: Replay, limits: Limits): ProtocolState {
  const state = emptyState(opened, limits)
  for (const record of opened.participants) {
    const participant = newParticipant(record.name)
    participant.known = true
    participant.kind = record.kind
    participant.resourceId = record.resourceId
    participant.keepsWitnesses = record.keepsWitnesses
    state.participants.set(record.name, participant)
  }
  for (const record of opened.pauses) {
    const participant = state.participants.get(record.participant)
    if (participant !== undefined) participant.pause = record
  }
  for (const record of opened.heuristics) {
    state.heuristics.set(heuristicKey(record.xid, record.participant), record)
  }
  const forgotten = new Set(
    opened.branchesForgotten.map((record) => heuristicKey(record.xid, record.participant)),
  )
  for (const record of opened.unended) restore(state, record, forgotten)
  for (const record of opened.handedOver) restoreHandedOver(state, record)
  if (opened.superseded !== undefined) {
    state.failure = supersededBy(opened.superseded)
    state.barred = true
  }
  return state
}

/** Whether it committed, only its participant knows: it is asked by an abort (R17). */
function restoreHandedOver(state: ProtocolState, record: OnePhaseRecord): void {
  const transaction = restored(record)
  transaction.phase = 'handed_over'
  transaction.answerLost = true
  transaction.cause = 'participant_lost'
  transaction.message = 'the coordinator was restarted before the answer of its only branch had arrived'
  transaction.retryable = true
  transaction.timeline.push({ timeMs: record.createTimeMs, participant: '', kind: 'begun', message: '' })
  transaction.branches.push(newBranch(record.participant, 'preparing'))
  state.transactions.set(transaction.xid, transaction)
  oweRestored(state, transaction, record.participant, 'abort')
  if (record.request !== undefined) {
    const { attempt } = record.request
    state.requests.addReplayed(record.request, { attempt, xid: record.xid, outcome: 'pending' })
  }
}

function restored(record: DecisionRecord | OnePhaseRecord): Transaction {
  const { epochNumber, sequence } = present(tryParseXid(record.xid), 'a record has a well-formed xid')
  const transaction = newTransaction({
    xid: record.xid,
    epochNumber,
    sequence,
    owner: record.owner,
    createTimeMs: record.createTimeMs,
    traceparent: record.traceparent ?? '',
  })
  transaction.request = record.request
  return transaction
}

/**
 * Recovery switches on what is persisted: a decision without an end is owed to every branch that isn't broken, or
 * given up.
 */
function restore(state: ProtocolState, record: DecisionRecord, forgotten: ReadonlySet<string>): void {
  const transaction = restored(record)
  transaction.recorded = true
  transaction.phase = 'committing'
  transaction.decision = 'commit'
  transaction.decideTimeMs = record.decideTimeMs
  transaction.timeline.push(
    { timeMs: record.createTimeMs, participant: '', kind: 'begun', message: '' },
    { timeMs: record.decideTimeMs, participant: '', kind: 'decided', message: 'commit' },
  )
  for (const name of record.branches) {
    if (forgotten.has(heuristicKey(record.xid, name))) transaction.branches.push(newBranch(name, 'forgotten'))
    else restoreBranch(state, transaction, name)
  }
  for (const name of record.readOnly) transaction.branches.push(newBranch(name, 'read_only'))
  state.transactions.set(transaction.xid, transaction)
  if (record.request !== undefined) {
    const { attempt } = record.request
    state.requests.add(record.request, { attempt, xid: record.xid, outcome: 'committed' })
  }
}

function restoreBranch(state: ProtocolState, transaction: Transaction, name: string): void {
  const broken = state.heuristics.get(heuristicKey(transaction.xid, name))
  const branch = newBranch(name, 'committing')
  branch.vote = { vote: 'yes' }
  transaction.branches.push(branch)
  if (broken !== undefined) transaction.heuristic = true
  if (broken !== undefined && broken.withoutVote !== true) {
    branch.state = broken.ended === 'commit' ? 'heuristic_committed' : 'heuristic_aborted'
    branch.evidence = broken.evidence
    return
  }
  transaction.unacknowledged += 1
  oweRestored(state, transaction, name, 'commit')
}

function oweRestored(state: ProtocolState, transaction: Transaction, name: string, verb: Verb): void {
  const participant = present(state.participants.get(name), 'a branch has a participant that the log knows')
  participant.owed.set(transaction.xid, {
    verb,
    transaction,
    sentMs: undefined,
    attempts: 0,
    sinceTimeMs: transaction.decideTimeMs ?? transaction.createTimeMs,
    lastError: '',
  })
  participant.troubled.add(transaction.xid)
}
