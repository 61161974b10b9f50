/**
 * Asks one request until its outcome is known or the caller's time is over. The request has a name (request id,
 * attempt), so that asking again joins it, replays its outcome, or, where a restarted daemon knows of no decision,
 * runs it again under a new xid.
 *
 * Once a try may have arrived, no refusal of a later one tells what became of it: the daemon that refuses may be
 * draining, full, configured anew, or another one. Only an outcome ends the asking well; aborted is never inferred.
 */
import { PledgedError } from '../../base/errors.ts'
import type { Limits } from '../../base/limits.ts'
import type { Random } from '../../base/ports.ts'
import type { RequestName } from '../../protocol/requests.ts'
import { backoffMs } from '../dialling.ts'
import { type Executed, type OutcomeAnswer, OutcomeUnknownError, outcomeOf } from './outcome.ts'
import { neverReachedError } from './request-options.ts'
import type { Scope } from './scope.ts'
import type { Try } from './try.ts'

export interface AskOptions {
  readonly name: Required<RequestName>
  readonly address: string
  readonly scope: Scope
  readonly limits: Pick<Limits, 'backoffMinMs' | 'backoffMaxMs'>
  readonly random: Random
  /** Sends the request, once. */
  readonly execute: () => Promise<Try<OutcomeAnswer>>
  /** Asks for the request without running it, once. */
  readonly look: () => Promise<Try<OutcomeAnswer['transaction']>>
}

/** What the tries so far have left open. */
interface Doubt {
  /** A try may have arrived and not been answered with an outcome. */
  mayHaveRun: boolean
  xid: string | undefined
  lastError: PledgedError | undefined
}

/** Throws what the first refusal says, the signal's reason, UNAVAILABLE, or OutcomeUnknownError. */
export async function askUntilKnown(options: AskOptions): Promise<Executed> {
  const doubt: Doubt = { mayHaveRun: false, xid: undefined, lastError: undefined }
  for (let failures = 0; !options.scope.over; failures += 1) {
    // A first execution with no time left to be answered would only make an unknown outcome of a known refusal.
    const tooLate = options.scope.remainingMs <= options.limits.backoffMaxMs
    if (failures > 0 && tooLate && !doubt.mayHaveRun) break
    const tried = await options.execute()
    const outcome =
      tried.end === 'answered'
        ? knownOutcome(tried.response, doubt)
        : await outcomeDespite(tried, options, doubt)
    if (outcome !== undefined) return outcome
    await options.scope.sleep(backoffMs(failures, options.limits, options.random))
  }
  throw endOf(options, doubt)
}

/** No outcome was answered: another way may find it. */
async function outcomeDespite(
  tried: Exclude<Try<OutcomeAnswer>, { readonly end: 'answered' }>,
  options: AskOptions,
  doubt: Doubt,
): Promise<Executed | undefined> {
  doubt.lastError = tried.error
  if (tried.end === 'refused') return await afterRefusal(tried.error, options, doubt)
  doubt.mayHaveRun ||= tried.sent
  return undefined
}

/** Unknown (the log failed under it) and pending are no outcome: a later answer has it. */
function knownOutcome(answer: OutcomeAnswer, doubt: Doubt): Executed | undefined {
  const outcome = outcomeOf(answer)
  if (outcome !== undefined) return outcome
  doubt.mayHaveRun = true
  doubt.xid = answer.transaction.xid
  doubt.lastError = new PledgedError(
    'OUTCOME_UNKNOWN',
    `the daemon answered "${answer.transaction.outcome}"${answer.transaction.outcome === 'unknown' ? ': its log failed' : ''}`,
  )
  return undefined
}

async function afterRefusal(
  refusal: PledgedError,
  options: AskOptions,
  doubt: Doubt,
): Promise<Executed | undefined> {
  if (!doubt.mayHaveRun) {
    // Draining, starting, a log that can't be written: a restart mends it, within the caller's time or not.
    if (refusal.status === 'UNAVAILABLE') return undefined
    throw refusal
  }
  const outcome = await lookForOutcome(options)
  if (outcome !== undefined) return outcome
  if (refusal.retryable) return undefined
  // The same question would be refused again, for as long as the caller waits.
  throw endOf(options, doubt)
}

/** A daemon that accepts no new request may still know this one. */
async function lookForOutcome({ look, name }: AskOptions): Promise<Executed | undefined> {
  const looked = await look()
  if (looked.end !== 'answered') return undefined
  const outcome = outcomeOf({ transaction: looked.response, replayed: true })
  // An aborted one tells of its own attempt alone; a commit is the answer to every attempt.
  const tells = outcome?.outcome === 'committed' || outcome?.attempt === name.attempt
  return tells ? outcome : undefined
}

function endOf({ scope, name, address }: AskOptions, doubt: Doubt): unknown {
  const { cancelled } = scope
  if (doubt.mayHaveRun) {
    const last = doubt.lastError?.message ?? 'no answer came'
    const when =
      cancelled === undefined
        ? scope.over
          ? ` within ${scope.timeoutMs} ms`
          : ''
        : ' before the caller cancelled'
    return new OutcomeUnknownError({
      name,
      xid: doubt.xid,
      why: `it could not be learned${when} (${last})`,
      cause: cancelled === undefined ? doubt.lastError : cancelled.reason,
    })
  }
  if (cancelled !== undefined) return cancelled.reason
  return neverReachedError(address, scope.timeoutMs, doubt.lastError)
}
