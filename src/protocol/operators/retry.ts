/**
 * A delivery now, without waiting for a back-off. What is owed is sent at the participant's next contact, which is
 * tried at once. A broken pledge is told its decision again: a database that was mended may be able to follow.
 */
import { PledgedError } from '../../base/errors.ts'
import type { Xid } from '../../base/ids.ts'
import { issuedHere } from '../lookup.ts'
import type { ParticipantState, Turn } from '../state.ts'
import { retellBroken } from './broken-branches.ts'
import { type OperatorEvent, type Plan, quoted, type RequestOf } from './plan.ts'

export function planRetry(
  turn: Turn,
  _event: OperatorEvent,
  { xid: text }: RequestOf<'retry_transaction'>,
): Plan {
  const { state } = turn
  const xid = issuedHere(state, text)
  const transaction = state.transactions.get(xid)
  if (
    transaction !== undefined &&
    transaction.decision === undefined &&
    transaction.phase !== 'handed_over'
  ) {
    throw new PledgedError(
      'TRANSACTION_UNDECIDED',
      `${xid} has no decision yet: there is nothing to deliver; it is decided when its votes are in, or their time is over`,
    )
  }
  const owing = [...state.participants.values()].filter(({ owed }) => owed.has(xid))
  const broken = [...state.heuristics.values()].filter(
    (record) => record.xid === xid && record.withoutVote !== true,
  )
  const consequences = [
    ...owing.map((participant) => delivery(participant)),
    ...broken.map(
      ({ participant }) => `${quoted(participant)} broke its pledge: it is told the decision again`,
    ),
  ]
  return {
    consequences:
      consequences.length > 0 ? consequences : ['every branch has ended: there is nothing to deliver'],
    result: consequences.length > 0 ? 'tried again' : 'nothing to deliver',
    records: [],
    atOnce: true,
    apply: (now) => {
      for (const participant of owing) push(now, participant, xid)
      if (transaction === undefined || transaction.phase === 'ended') retellBroken(now, broken)
    },
  }
}

function delivery(participant: ParticipantState): string {
  const name = quoted(participant.name)
  if (participant.pause !== undefined) {
    return `${name} is paused by ${participant.pause.who}: it is told nothing before it is resumed`
  }
  if (participant.link === undefined) return `${name} is not connected: it is told as soon as it is`
  return `${name} is told now`
}

function push(turn: Turn, participant: ParticipantState, xid: Xid): void {
  if (participant.pause !== undefined) return
  participant.troubled.add(xid)
  turn.effects.push({ type: 'recovery', participant: participant.name, signal: { type: 'retry' } })
}
