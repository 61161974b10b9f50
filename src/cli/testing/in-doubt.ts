/** The transaction of the README: decided, told to one branch, and in doubt at the other. */

import { Vote } from '../../wire/generated/pledged/v1/branch.ts'
import {
  ParticipantLink,
  ParticipantState,
  ParticipantStatus,
} from '../../wire/generated/pledged/v1/participant.ts'
import {
  BranchState,
  Outcome,
  State,
  TimelineEvent_Kind,
  Transaction,
} from '../../wire/generated/pledged/v1/transaction.ts'

export const IN_DOUBT_XID = 'k3f9qa7m2xw4.9-q3f9.1042'

export function inDoubtTransaction(nowMs: number): Transaction {
  const begunMs = nowMs - 74_000
  const decidedMs = begunMs + 20
  return Transaction.fromPartial({
    xid: IN_DOUBT_XID,
    state: State.COMMITTING,
    outcome: Outcome.COMMITTED,
    requestId: 'batch-21',
    attempt: 1,
    branches: [
      { participant: 'sink', state: BranchState.COMMITTED, vote: Vote.YES, attempts: 1 },
      {
        participant: 'offsets',
        state: BranchState.COMMITTING,
        vote: Vote.YES,
        attempts: 9,
        lastError: { message: 'connection refused', time: new Date(nowMs - 2_000) },
      },
    ],
    createTime: new Date(begunMs),
    decideTime: new Date(decidedMs),
    timeline: [
      { time: new Date(begunMs), kind: TimelineEvent_Kind.BEGUN },
      { time: new Date(decidedMs), kind: TimelineEvent_Kind.DECIDED, message: 'commit' },
      { time: new Date(decidedMs), participant: 'offsets', kind: TimelineEvent_Kind.DELIVERY_TRIED },
      { time: new Date(decidedMs + 6), participant: 'sink', kind: TimelineEvent_Kind.ACKNOWLEDGED },
      { time: new Date(decidedMs + 900), participant: 'offsets', kind: TimelineEvent_Kind.DELIVERY_TRIED },
      { time: new Date(decidedMs + 1_900), participant: 'offsets', kind: TimelineEvent_Kind.DELIVERY_TRIED },
    ],
  })
}

export function awayParticipant(nowMs: number): ParticipantStatus {
  return ParticipantStatus.fromPartial({
    name: 'offsets',
    kind: 'offsets',
    link: ParticipantLink.ATTACHED,
    state: ParticipantState.BACKING_OFF,
    inDoubt: 1,
    oldestInDoubt: { seconds: 74n, nanos: 0 },
    lastError: 'connection refused',
    failures: 9,
    nextTryTime: new Date(nowMs + 8_500),
  })
}
