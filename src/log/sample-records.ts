/** Records for the tests of logs: each the smallest of its kind, but for what a test asks for. */
import type { Xid } from '../base/ids.ts'
import type {
  AbortedRecord,
  AcknowledgementRecord,
  AuditRecord,
  BranchForgottenRecord,
  DecisionRecord,
  EndRecord,
  HeuristicRecord,
  OnePhaseRecord,
  ParticipantRecord,
  PauseRecord,
  RequestRef,
  SupersededRecord,
} from '../protocol/records.ts'

interface Asked {
  readonly request?: string
  readonly attempt?: number
  readonly readOnly?: readonly string[]
  readonly traceparent?: string
  readonly message?: string
}

export function decision(xid: Xid, asked: Asked = {}): DecisionRecord {
  return {
    type: 'decision',
    xid,
    branches: ['sink', 'offsets'],
    readOnly: asked.readOnly ?? [],
    owner: 'alice',
    ...requestOf(asked),
    createTimeMs: 1,
    decideTimeMs: 2,
    ...(asked.traceparent !== undefined && { traceparent: asked.traceparent }),
  }
}

export function aborted(xid: Xid, asked: Asked = {}): AbortedRecord {
  return {
    type: 'aborted',
    xid,
    branches: ['sink', 'offsets'],
    owner: 'alice',
    ...requestOf(asked),
    cause: 'vote_no',
    message: asked.message ?? 'no room',
    retryable: true,
    createTimeMs: 1,
    decideTimeMs: 2,
    endTimeMs: 3,
  }
}

export function end(xid: Xid, endTimeMs = 3): EndRecord {
  return { type: 'end', xid, endTimeMs }
}

export function heuristic(xid: Xid): HeuristicRecord {
  const evidence = 'witness_aborted'
  return {
    type: 'heuristic',
    xid,
    participant: 'sink',
    ended: 'abort',
    evidence,
    message: 'by hand',
    timeMs: 4,
  }
}

export function participant(name: string, resourceId: string): ParticipantRecord {
  return { type: 'participant', name, kind: 'sqlite', resourceId, keepsWitnesses: true, timeMs: 5 }
}

export function onePhase(xid: Xid): OnePhaseRecord {
  return { type: 'one_phase', xid, participant: 'sink', owner: 'alice', createTimeMs: 1 }
}

export function superseded(): SupersededRecord {
  return { type: 'superseded', participant: 'sink', message: 'it has seen epoch 9-zzzz', timeMs: 6 }
}

const OPERATOR = { who: 'ops', why: 'asked to' } as const

export function acknowledgement(xid: Xid): AcknowledgementRecord {
  return { type: 'acknowledgement', xid, participants: ['sink'], ...OPERATOR, timeMs: 7 }
}

export function branchForgotten(xid: Xid, participant = 'offsets'): BranchForgottenRecord {
  return { type: 'branch_forgotten', xid, participant, ...OPERATOR, timeMs: 8 }
}

export function pause(participant: string, paused = true): PauseRecord {
  return { type: 'pause', participant, paused, ...OPERATOR, timeMs: 9 }
}

export function audit(subject: string, timeMs = 10): AuditRecord {
  const action = 'acknowledge_transaction'
  return { type: 'audit', action, subject, participant: '', ...OPERATOR, result: 'acknowledged', timeMs }
}

function requestOf({ request, attempt = 1 }: Asked): { request?: RequestRef } {
  if (request === undefined) return {}
  return { request: { caller: 'alice', requestId: request, attempt, digest: 'd1' } }
}
