/** The state after an opening of the log: what was decided and not ended, who takes part, what is broken. */

import { present } from '../base/assert.ts'
import { tryParseXid } from '../base/ids.ts'
import type { Limits } from '../base/limits.ts'
import type { DecisionRecord } from './records.ts'
import type { ProtocolState, Replay, Transaction } from './state.ts'
import { emptyState, heuristicKey, newBranch, newParticipant, newTransaction } from './state.ts'

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
  for (const record of opened.heuristics) {
    state.heuristics.set(heuristicKey(record.xid, record.participant), record)
  }
  for (const record of opened.unended) restore(state, record)
  return state
}

/** Recovery switches on what is persisted: a decision without an end is owed to every branch that isn't broken. */
function restore(state: ProtocolState, record: DecisionRecord): void {
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
  transaction.phase = 'committing'
  transaction.decision = 'commit'
  transaction.decideTimeMs = record.decideTimeMs
  transaction.timeline.push(
    { timeMs: record.createTimeMs, participant: '', kind: 'begun', message: '' },
    { timeMs: record.decideTimeMs, participant: '', kind: 'decided', message: 'commit' },
  )
  for (const name of record.branches) restoreBranch(state, transaction, name)
  for (const name of record.readOnly) transaction.branches.push(newBranch(name, 'read_only'))
  state.transactions.set(transaction.xid, transaction)
  if (record.request !== undefined) {
    const { attempt } = record.request
    state.requests.add(record.request, { attempt, xid: record.xid, outcome: 'committed' })
  }
}

function restoreBranch(state: ProtocolState, transaction: Transaction, name: string): void {
  const participant = present(state.participants.get(name), 'a branch has a participant that the log knows')
  const broken = state.heuristics.get(heuristicKey(transaction.xid, name))
  const branch = newBranch(name, 'committing')
  branch.vote = { vote: 'yes' }
  transaction.branches.push(branch)
  if (broken !== undefined) {
    branch.state = broken.ended === 'commit' ? 'heuristic_committed' : 'heuristic_aborted'
    branch.evidence = broken.evidence
    transaction.heuristic = true
    return
  }
  transaction.unacknowledged += 1
  participant.owed.set(transaction.xid, {
    verb: 'commit',
    transaction,
    sentMs: undefined,
    attempts: 0,
    sinceTimeMs: transaction.decideTimeMs ?? transaction.createTimeMs,
    lastError: '',
  })
  participant.troubled.add(transaction.xid)
}
