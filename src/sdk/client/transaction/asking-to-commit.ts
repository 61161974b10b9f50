/**
 * Asks for the commit of one transaction until the coordinator's decision is known, or the caller's time is over. The same
 * question (xid, request id, attempt) goes to whichever session is open; it joins what is in flight, or is answered by the log.
 *
 * Once a question may have arrived, nothing but an outcome tells what became of it: no refusal of a later one, no lost session,
 * no deadline (R1). Only where nothing was ever sent may the transaction be given up without being told that it aborted.
 */
import { PledgedError } from '../../../base/errors.ts'
import type { Xid } from '../../../base/ids.ts'
import type { CommitRequest, RequestName } from '../../../protocol/requests.ts'
import type { SessionAnswer } from '../../../protocol/session-messages.ts'
import { backoffMs } from '../../dialling.ts'
import { OutcomeUnknownError } from '../outcome.ts'
import type { Scope } from '../scope.ts'
import type { Try } from '../try.ts'
import { type Doom, overDoom, sessionLostDoom } from './doom.ts'
import type { TransactionPorts } from './ports.ts'

export interface CommitAsking {
  readonly xid: Xid
  readonly name: Required<RequestName>
  readonly request: CommitRequest
  /** Of the session that leased the xid. */
  readonly lost: AbortSignal
  readonly scope: Scope
  readonly ports: TransactionPorts
}

export type Decision =
  | { readonly is: 'committed'; readonly answer: SessionAnswer }
  | { readonly is: 'aborted'; readonly answer: SessionAnswer }
  /** The request was answered under another xid before: this one isn't decided, and won't be committed. */
  | { readonly is: 'elsewhere'; readonly answer: SessionAnswer }
  /** Nothing was ever sent. */
  | { readonly is: 'not_sent'; readonly doom: Doom }
  /** Nothing was ever accepted. */
  | { readonly is: 'refused'; readonly error: unknown }
  | { readonly is: 'unknown'; readonly error: OutcomeUnknownError }

/** What the tries so far have left open. */
interface Doubt {
  /** The coordinator has seen the question, or may have. */
  sent: boolean
  /** It may have accepted it. */
  mayHaveRun: boolean
  lastError: PledgedError | undefined
}

export async function askToCommit(asking: CommitAsking): Promise<Decision> {
  const { ports, scope } = asking
  const doubt: Doubt = { sent: false, mayHaveRun: false, lastError: undefined }
  for (let failures = 0; ; failures += 1) {
    const end = endOf(asking, doubt)
    if (end !== undefined) return end
    const decision = await askOnce(asking, doubt)
    if (decision !== undefined) return decision
    await scope.sleep(backoffMs(failures, ports.limits, ports.random))
  }
}

async function askOnce(asking: CommitAsking, doubt: Doubt): Promise<Decision | undefined> {
  const { ports, request, scope } = asking
  const asked = ports.sessions.commit(request, scope)
  // The bytes leave this process in the turns after this one.
  ports.timers.soon(() => ports.timers.soon(() => ports.crashPoints.pass('application.commit.sent')))
  const tried = await asked
  switch (tried.end) {
    case 'answered':
      return decisionIn(tried.response, asking, doubt)
    case 'lost':
      doubt.sent ||= tried.sent
      doubt.mayHaveRun ||= tried.sent
      doubt.lastError = tried.error
      return undefined
    case 'refused':
      doubt.sent = true
      doubt.lastError = tried.error
      return afterRefusal(tried.error, asking, doubt)
    default:
      return tried satisfies never
  }
}

/** Unknown (the log failed under it) and pending are no decision: a later answer has it. */
function decisionIn(answer: SessionAnswer, { xid }: CommitAsking, doubt: Doubt): Decision | undefined {
  const { outcome } = answer
  if (outcome === 'committed' || outcome === 'aborted') {
    return answer.xid === xid ? { is: outcome, answer } : { is: 'elsewhere', answer }
  }
  doubt.sent = true
  doubt.mayHaveRun = true
  const why = outcome === 'unknown' ? ': its log failed, or has forgotten it' : ''
  doubt.lastError = new PledgedError('OUTCOME_UNKNOWN', `the daemon answered "${outcome}"${why}`)
  return undefined
}

async function afterRefusal(
  refusal: PledgedError,
  asking: CommitAsking,
  doubt: Doubt,
): Promise<Decision | undefined> {
  if (!doubt.mayHaveRun) {
    // Draining, starting, a log that can't be written: a restart mends it, within the caller's time or not.
    return refusal.status === 'UNAVAILABLE' ? undefined : { is: 'refused', error: refusal }
  }
  const { ports, scope, xid } = asking
  // A daemon that doesn't accept the question any more may still know what became of the transaction.
  const looked = await ports.sessions.get({ caller: '', xid }, scope)
  if (looked.end === 'answered') {
    const decision = decisionIn({ ...looked.response, replayed: true }, asking, doubt)
    if (decision !== undefined) return decision
  }
  const mayBeKnownLater = refusal.retryable || isOpen(looked)
  return mayBeKnownLater ? undefined : unknownAfter(doubt, asking)
}

/** It is being decided; or nobody could be asked. */
function isOpen(looked: Try<{ readonly outcome: string }>): boolean {
  return looked.end === 'lost' || (looked.end === 'answered' && looked.response.outcome === 'pending')
}

function endOf(asking: CommitAsking, doubt: Doubt): Decision | undefined {
  const { scope, lost } = asking
  if (!doubt.sent && scope.over) return { is: 'not_sent', doom: overDoom(scope, asking) }
  if (!doubt.sent && lost.aborted) return { is: 'not_sent', doom: sessionLostDoom(asking) }
  if (!scope.over) return undefined
  if (doubt.mayHaveRun) return unknownAfter(doubt, asking)
  return { is: 'refused', error: scope.cancelled === undefined ? doubt.lastError : scope.cancelled.reason }
}

function unknownAfter({ lastError }: Doubt, { xid, name, scope }: CommitAsking): Decision {
  const { cancelled } = scope
  const when = scope.over ? ` within ${scope.timeoutMs} ms` : ''
  const error = new OutcomeUnknownError({
    name,
    xid,
    why:
      `it could not be learned${cancelled === undefined ? when : ' before the caller cancelled'} ` +
      `(${lastError?.message ?? 'no answer came'}); its branches are left to the daemon, which ends them as was decided`,
    cause: cancelled === undefined ? lastError : cancelled.reason,
    again: 'run the same transaction',
  })
  return { is: 'unknown', error }
}
