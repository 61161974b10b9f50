/** A person has looked at what was broken: it is reported no more, and the transaction may be forgotten in time. */
import { PledgedError } from '../../base/errors.ts'
import { parseXid } from '../../base/ids.ts'
import { sweepWitnesses } from '../forgetting.ts'
import { askLog } from '../lookup.ts'
import {
  type AcknowledgementRecord,
  type HeuristicRecord,
  type KeptTransaction,
  unacknowledged,
} from '../records.ts'
import type { Turn } from '../state.ts'
import { heuristicKey, note } from '../state.ts'
import { type OperatorEvent, type Plan, quoted, type RequestOf } from './plan.ts'

export function planAcknowledge(
  turn: Turn,
  { who, why }: OperatorEvent,
  { xid: text }: RequestOf<'acknowledge_transaction'>,
): Plan {
  parseXid(text)
  const broken = [...turn.state.heuristics.values()].filter((record) => record.xid === text)
  const [first] = broken
  if (first === undefined) {
    throw new PledgedError('NO_HEURISTIC', `${text} has no broken pledge that is to be acknowledged`)
  }
  const { xid } = first
  const waited = broken.find((record) => stillWaited(turn, record))
  if (waited !== undefined) {
    throw new PledgedError(
      'NO_HEURISTIC',
      `${quoted(waited.participant)} has not said yet how its branch of ${xid} ended: acknowledge it when it has, or give the branch up`,
    )
  }
  const participants = broken.map(({ participant }) => participant)
  const record: AcknowledgementRecord = {
    type: 'acknowledgement',
    xid,
    participants,
    who,
    why,
    timeMs: turn.now.wallMs,
  }
  return {
    consequences: broken.map(
      ({ participant, ended }) =>
        `${quoted(participant)}, whose branch ${ended === 'commit' ? 'committed' : 'aborted'} against the decision, is reported no more`,
    ),
    result: 'acknowledged',
    records: [record],
    apply: (now) => acknowledge(now, record),
  }
}

/** R15: it was committed without this branch's vote, and the branch has not ended. */
function stillWaited(turn: Turn, { xid, participant, withoutVote }: HeuristicRecord): boolean {
  return withoutVote === true && turn.state.participants.get(participant)?.owed.has(xid) === true
}

function acknowledge(turn: Turn, { xid, participants, who, why }: AcknowledgementRecord): void {
  for (const participant of participants) turn.state.heuristics.delete(heuristicKey(xid, participant))
  const transaction = turn.state.transactions.get(xid)
  if (transaction === undefined) {
    askLog(turn, xid, { for: 'sweep' })
    return
  }
  note(turn, transaction, 'operator', '', `acknowledged by ${who}: ${why}`)
  transaction.heuristic = false
}

/** The witnesses were the evidence. What the log doesn't know was never told to end: its witnesses stay. */
export function sweepAcknowledged(turn: Turn, kept: KeptTransaction | undefined): void {
  if (kept === undefined || unacknowledged(kept).length > 0) return
  sweepWitnesses(turn, kept.record.xid, kept.record.branches)
}
