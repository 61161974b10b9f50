/**
 * One message in, one verb of the participant called, one reply out. A participant is other people's code: what
 * it throws, and what it answers out of shape, becomes the cautious reply of its verb (a no vote, the result
 * unknown, no evidence, a scan that failed), never an exception.
 */
import { messageOf, PledgedError } from '../../base/errors.ts'
import type { Xid } from '../../base/ids.ts'
import type {
  BranchResult,
  Evidence,
  HeldBranch,
  ParticipantMessage,
  Verb,
  Vote,
} from '../../protocol/messages.ts'
import type { CoordinatorIdentity, HeldPage, Participant, PrepareRequest } from './participant.ts'
import type { AdmissionRefusal } from './session.ts'

const RESULTS: ReadonlySet<unknown> = new Set<BranchResult>(['done', 'done_before', 'broken', 'unknown'])
const EVIDENCE: ReadonlySet<unknown> = new Set<Evidence>([
  'none',
  'witness_committed',
  'witness_aborted',
  'no_witness',
])

/** Why the participant doesn't admit the coordinator; undefined where it does, or keeps no logs. */
export async function admit(
  participant: Participant,
  coordinator: CoordinatorIdentity,
): Promise<AdmissionRefusal | undefined> {
  try {
    await participant.admit?.(coordinator)
    return undefined
  } catch (error) {
    return { type: 'admission_refused', superseded: isSuperseded(error), message: messageOf(error) }
  }
}

function isSuperseded(error: unknown): boolean {
  return error instanceof PledgedError && error.code === 'EPOCH_SUPERSEDED'
}

export async function prepare(
  participant: Participant,
  request: PrepareRequest,
): Promise<ParticipantMessage> {
  const { xid, onePhase } = request
  try {
    const vote = readVote(await participant.prepare(request), onePhase)
    if (vote !== undefined) return { type: 'vote', xid, vote }
    return failedPrepare(request, "the participant's prepare answered without a vote", false)
  } catch (error) {
    return failedPrepare(request, messageOf(error), error instanceof PledgedError && error.retryable)
  }
}

/** R17: a one-phase prepare that failed may have committed before it did, and a no would say that it has not. */
function failedPrepare(
  { xid, onePhase }: PrepareRequest,
  message: string,
  retryable: boolean,
): ParticipantMessage {
  return onePhase ? unknownResult('commit', xid, message) : noVote(xid, message, retryable)
}

export function noVote(xid: Xid, message: string, retryable: boolean): ParticipantMessage {
  return { type: 'vote', xid, vote: { vote: 'no', message, retryable } }
}

export async function end(participant: Participant, verb: Verb, xid: Xid): Promise<ParticipantMessage> {
  try {
    const ending: unknown = await participant[verb](xid)
    if (!isObject(ending) || !RESULTS.has(ending['result'])) {
      return unknownResult(verb, xid, `the participant's ${verb} answered without a result`)
    }
    return {
      type: 'result',
      xid,
      verb,
      result: ending['result'] as BranchResult,
      message: textOf(ending['message']),
      evidence: EVIDENCE.has(ending['evidence']) ? (ending['evidence'] as Evidence) : 'none',
    }
  } catch (error) {
    return unknownResult(verb, xid, messageOf(error))
  }
}

export function unknownResult(verb: Verb, xid: Xid, message: string): ParticipantMessage {
  return { type: 'result', xid, verb, result: 'unknown', message, evidence: 'none' }
}

export async function giveEvidence(participant: Participant, xid: Xid): Promise<ParticipantMessage> {
  const reply = { type: 'evidence_answer', xid } as const
  if (participant.evidence === undefined) {
    return { ...reply, evidence: 'none', message: 'this participant keeps no witnesses' }
  }
  try {
    const evidence: unknown = await participant.evidence(xid)
    if (EVIDENCE.has(evidence)) return { ...reply, evidence: evidence as Evidence, message: '' }
    return { ...reply, evidence: 'none', message: "the participant's evidence answered out of shape" }
  } catch (error) {
    return { ...reply, evidence: 'none', message: messageOf(error) }
  }
}

/** Not acknowledged: a witness that stays is found by the next sweep, or does no harm. */
export async function forget(participant: Participant, xid: Xid): Promise<void> {
  try {
    await participant.forget?.(xid)
  } catch {
    // The witness stays; nothing is concluded from it once its transaction has ended.
  }
}

/** A participant may look the coordinator up anew whenever it is asked: another process may have admitted a newer one. */
export async function listPrepared(
  participant: Participant,
  pageSize: number,
  pageToken: string,
): Promise<ParticipantMessage> {
  try {
    const page: unknown = await participant.listPrepared(pageSize, pageToken)
    if (!isHeldPage(page)) return scanFailed("the participant's listPrepared answered out of shape")
    const branches = page.branches.map(heldBranchOf)
    return { type: 'held', branches, nextPageToken: page.nextPageToken }
  } catch (error) {
    // R11: another copy of the coordinator's log has been opened since this link was admitted.
    if (isSuperseded(error)) return { type: 'admission_refused', superseded: true, message: messageOf(error) }
    return scanFailed(messageOf(error))
  }
}

function readVote(vote: unknown, onePhase: boolean): Vote | undefined {
  if (!isObject(vote)) return undefined
  switch (vote['vote']) {
    case 'yes':
      return readYes(vote['pledgeTtlMs'])
    case 'read_only':
      return { vote: 'read_only' }
    case 'committed':
      return onePhase ? { vote: 'committed' } : undefined
    case 'no':
      return { vote: 'no', message: textOf(vote['message']), retryable: vote['retryable'] === true }
    default:
      return undefined
  }
}

/** A pledge whose time to live can't be read may end at any moment: no vote at all. */
function readYes(pledgeTtlMs: unknown): Vote | undefined {
  if (pledgeTtlMs === undefined) return { vote: 'yes' }
  if (typeof pledgeTtlMs !== 'number' || !Number.isFinite(pledgeTtlMs) || pledgeTtlMs < 0) return undefined
  return { vote: 'yes', pledgeTtlMs }
}

function scanFailed(message: string): ParticipantMessage {
  return { type: 'scan_failed', message }
}

function isHeldPage(page: unknown): page is HeldPage {
  return (
    isObject(page) &&
    typeof page['nextPageToken'] === 'string' &&
    Array.isArray(page['branches']) &&
    page['branches'].every(isHeldBranch)
  )
}

function isHeldBranch(branch: unknown): branch is HeldBranch {
  return isObject(branch) && typeof branch['xid'] === 'string' && typeof branch['prepareTimeMs'] === 'number'
}

/** Only the known fields: whatever else hangs on them might not survive a thread's structured clone. */
function heldBranchOf({ xid, prepareTimeMs, cost, logSeenTimeMs }: HeldBranch): HeldBranch {
  return {
    xid,
    prepareTimeMs,
    ...(typeof cost === 'string' && cost !== '' ? { cost } : {}),
    ...(Number.isFinite(logSeenTimeMs) ? { logSeenTimeMs } : {}),
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
