/**
 * R15: an operator is an event in the core, as a vote is. What is asked for is checked against the state of this very
 * moment, its record is forced, with who, when and why, and only then does it take effect. A dry run ends after
 * the check. A refusal changes nothing and is not recorded.
 *
 *   resolve.ts        a decision for a transaction that has none
 *   retry.ts          a delivery now
 *   acknowledge.ts    a person has looked at a broken pledge
 *   forget-branch.ts  a participant, or a log, that is gone for ever
 *   pause.ts          no new work for a participant for a while
 */
import { unreachable } from '../../base/assert.ts'
import type { PledgedError } from '../../base/errors.ts'
import { auditEventsMax } from '../../base/limits.ts'
import { guarded } from '../admission.ts'
import type { AppendEffect, AppendToken } from '../effects.ts'
import type { ReplyTo } from '../events.ts'
import type { AuditRecord, LogRecord } from '../records.ts'
import type { Turn } from '../state.ts'
import { planAcknowledge } from './acknowledge.ts'
import { planForgetBranch } from './forget-branch.ts'
import { planPause, planResume } from './pause.ts'
import type { OperatorEvent, Plan } from './plan.ts'
import { planResolve } from './resolve.ts'
import { planRetry } from './retry.ts'

export type { OperatorEvent, OperatorRequest } from './plan.ts'

export function operate(turn: Turn, event: OperatorEvent): void {
  guarded(turn, event.replyTo, () => {
    const plan = planOf(turn, event)
    if (event.dryRun) return carriedOut(turn, event.replyTo, plan)
    const audit = auditOf(turn, event, plan)
    if (plan.atOnce === true) {
      plan.apply(turn)
      carriedOut(turn, event.replyTo, plan)
      keepAudit(turn, audit)
      post(turn, [audit], { forced: false, token: { of: 'audit' }, then: [] })
      return
    }
    plan.begin?.(turn)
    post(turn, [...plan.records, audit], {
      forced: true,
      token: { of: 'operator', replyTo: event.replyTo, plan, audit },
      then: plan.then ?? [],
    })
  })
}

type OperatorToken = Extract<AppendToken, { of: 'operator' }>

/** Its records are durable. */
export function operated(turn: Turn, { replyTo, plan, audit }: OperatorToken): void {
  keepAudit(turn, audit)
  plan.apply(turn)
  carriedOut(turn, replyTo, plan)
}

/** Whether its records are on the disk, the next opening of the log will tell (R6). */
export function notOperated(turn: Turn, { replyTo, plan }: OperatorToken, failure: PledgedError): void {
  plan.fail?.(turn)
  turn.effects.push({ type: 'refuse', replyTo, error: failure })
}

function post(
  turn: Turn,
  records: readonly LogRecord[],
  how: Pick<AppendEffect, 'forced' | 'token' | 'then'>,
): void {
  turn.effects.push({ type: 'append', records, ...how })
}

function carriedOut(turn: Turn, replyTo: ReplyTo, { consequences }: Plan): void {
  turn.effects.push({ type: 'carried_out', replyTo, consequences })
}

function auditOf(turn: Turn, { request, who, why }: OperatorEvent, { result }: Plan): AuditRecord {
  return {
    type: 'audit',
    action: request.action,
    subject: 'xid' in request ? request.xid : '',
    participant: 'participant' in request ? request.participant : '',
    who,
    why,
    result,
    timeMs: turn.now.wallMs,
  }
}

function keepAudit(turn: Turn, audit: AuditRecord): void {
  turn.state.audit.push(audit)
  if (turn.state.audit.length > auditEventsMax) turn.state.audit.shift()
}

function planOf(turn: Turn, event: OperatorEvent): Plan {
  const { request } = event
  // What only moves what is decided needs no log that can be written (R6).
  if (request.action === 'retry_transaction') return planRetry(turn, event, request)
  if (turn.state.failure !== undefined) throw turn.state.failure
  switch (request.action) {
    case 'resolve_transaction':
      return planResolve(turn, event, request)
    case 'acknowledge_transaction':
      return planAcknowledge(turn, event, request)
    case 'forget_branch':
      return planForgetBranch(turn, event, request)
    case 'pause_participant':
      return planPause(turn, event, request)
    case 'resume_participant':
      return planResume(turn, event, request)
    default:
      return unreachable(request)
  }
}
