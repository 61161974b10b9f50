/**
 * pledged.v1.ParticipantService over a host: a request becomes a message, and the reply becomes the response. An error
 * status means that nothing can be said of the branch; the votes and results are responses.
 */
import { type handleUnaryCall, type ServerUnaryCall, status } from '@grpc/grpc-js'
import { PledgedError } from '../../base/errors.ts'
import { type Xid, xidOf } from '../../base/ids.ts'
import type { Limits } from '../../base/limits.ts'
import type { CoordinatorMessage, ParticipantMessage, Verb } from '../../protocol/messages.ts'
import { requireMessage } from '../../serving/index.ts'
import type {
  AbortBranchResponse,
  ForgetBranchesRequest,
  GetBranchEvidenceRequest,
  GetBranchEvidenceResponse,
  ListPreparedBranchesRequest,
  ListPreparedBranchesResponse,
  ParticipantServiceServer,
  PrepareBranchRequest,
  PrepareBranchResponse,
} from '../../wire/generated/pledged/v1/participant_service.ts'
import {
  boundedText,
  branchResults,
  evidence,
  fromOptionalDuration,
  heldToProto,
  ownBytes,
  toStatus,
  voteToProto,
} from '../../wire/index.ts'
import { type Admissions, coordinatorOf } from './admissions.ts'
import type { ParticipantHost } from './host.ts'
import type { ParticipantDescription } from './participant.ts'

export interface ParticipantServiceOptions {
  readonly host: ParticipantHost
  readonly admissions: Admissions
  readonly limits: Pick<Limits, 'prepareTimeoutMs' | 'scanPageSize' | 'participantConcurrencyMax'>
  /** Describes the participant anew. Throws UNAVAILABLE, with the sentence that mends what is wrong. */
  readonly describe: () => Promise<ParticipantDescription>
  /** Resolves once the participant has described itself; until then it doesn't know whether it can pledge (R16). */
  readonly ready: () => Promise<unknown>
}

/** A call, when its message is one and its coordinator is admitted. */
interface Asking<Request> {
  readonly request: Request
  readonly deadlineInMs: number | undefined
  /** One message and its reply. Throws where the caller has hung up meanwhile. */
  readonly ask: (message: CoordinatorMessage) => Promise<ParticipantMessage | undefined>
}

export function participantService(options: ParticipantServiceOptions): ParticipantServiceServer {
  const { limits, host } = options
  const named = unaryFor(options)
  return {
    prepareBranch: named('PrepareBranch', (asking) => prepareBranch(asking, host, limits)),
    commitBranch: named('CommitBranch', (asking) => endBranch(asking, 'commit')),
    abortBranch: named('AbortBranch', (asking) => endBranch(asking, 'abort')),
    listPreparedBranches: named('ListPreparedBranches', (asking) =>
      listPreparedBranches(asking, host.name, limits.scanPageSize),
    ),
    describeParticipant: named('DescribeParticipant', async () => {
      const { onePhase = false, kind, resourceId, keepsWitnesses } = await options.describe()
      return { resourceId, kind, keepsWitnesses, onePhase }
    }),
    getBranchEvidence: named('GetBranchEvidence', getBranchEvidence),
    forgetBranches: named('ForgetBranches', forgetBranches),
  }
}

type Method =
  | 'PrepareBranch'
  | 'CommitBranch'
  | 'AbortBranch'
  | 'ListPreparedBranches'
  | 'DescribeParticipant'
  | 'GetBranchEvidence'
  | 'ForgetBranches'

function unaryFor(options: ParticipantServiceOptions) {
  return <Request, Response>(
    method: Method,
    handle: (asking: Asking<Request>) => Promise<Response>,
  ): handleUnaryCall<Request, Response> =>
    (call, callback) => {
      accept(call, method, options)
        .then(handle)
        .then(
          (response) => callback(null, response),
          (error: unknown) => callback(error instanceof HungUp ? error : toStatus(error)),
        )
    }
}

async function accept<Request, Response>(
  call: ServerUnaryCall<Request, Response>,
  method: Method,
  { host, admissions, ready }: ParticipantServiceOptions,
): Promise<Asking<Request>> {
  const hangUp = new AbortController()
  call.on('cancelled', () => hangUp.abort())
  const request = requireMessage(call.request)
  requireBranch(request, host.name)
  const coordinator = coordinatorOf(call.metadata)
  if (method !== 'DescribeParticipant') await ready()
  if (coordinator !== undefined) {
    await admissions.require(coordinator, { anew: method === 'ListPreparedBranches' && isFirstPage(request) })
  }
  const deadlineMs = Number(call.getDeadline())
  return {
    request,
    deadlineInMs: Number.isFinite(deadlineMs) ? deadlineMs - Date.now() : undefined,
    ask: async (message) => {
      const answer = await host.ask(message, hangUp.signal)
      if (hangUp.signal.aborted) throw new HungUp()
      return answer
    },
  }
}

/** The coordinator's name for the participant is the participant's own: gids and witnesses are found by it. */
function requireBranch(request: unknown, name: string): void {
  if (typeof request !== 'object' || request === null || !('branch' in request)) return
  if (request.branch === name) return
  throw new PledgedError(
    'INVALID_REQUEST',
    `branch is ${JSON.stringify(request.branch)}, and this participant is "${name}": register it under that name`,
  )
}

function isFirstPage(request: unknown): boolean {
  return (request as ListPreparedBranchesRequest).pageToken === ''
}

async function prepareBranch(
  { request, deadlineInMs, ask }: Asking<PrepareBranchRequest>,
  host: ParticipantHost,
  limits: ParticipantServiceOptions['limits'],
): Promise<PrepareBranchResponse> {
  const xid = xidOf(request.xid)
  const timeoutMs =
    fromOptionalDuration('timeout', request.timeout) ?? deadlineInMs ?? limits.prepareTimeoutMs
  if (host.saturated) {
    throw new PledgedError(
      'LIMIT_REACHED',
      `participant "${host.name}" is preparing as many branches as it may (${limits.participantConcurrencyMax}): ask again`,
    )
  }
  const { onePhase, work } = request
  const answer = await ask({ type: 'prepare', xid, work: ownBytes(work), timeoutMs, onePhase })
  if (answer?.type === 'vote') return voteToProto(answer.vote)
  // R17: it may have committed before it failed, which no vote says.
  throw new PledgedError('OUTCOME_UNKNOWN', answer?.type === 'result' ? answer.message : 'there is no vote')
}

async function endBranch(
  { request, ask }: Asking<{ readonly xid: string }>,
  verb: Verb,
): Promise<AbortBranchResponse> {
  const answer = await ask({ type: verb, xid: xidOf(request.xid) })
  if (answer?.type !== 'result') throw new PledgedError('OUTCOME_UNKNOWN', `the ${verb} was not answered`)
  return {
    result: branchResults.toProto(answer.result),
    message: boundedText(answer.message),
    evidence: evidence.toProto(answer.evidence),
  }
}

async function listPreparedBranches(
  { request, ask }: Asking<ListPreparedBranchesRequest>,
  name: string,
  defaultPageSize: number,
): Promise<ListPreparedBranchesResponse> {
  const { pageSize, pageToken } = request
  if (pageSize < 0) {
    throw new PledgedError('INVALID_REQUEST', `page_size is ${pageSize}: it has to be 0 or more`)
  }
  const answer = await ask({
    type: 'list_prepared',
    pageSize: pageSize === 0 ? defaultPageSize : pageSize,
    pageToken,
  })
  if (answer?.type === 'admission_refused') throw new PledgedError('EPOCH_SUPERSEDED', answer.message)
  if (answer?.type !== 'held') {
    throw new PledgedError(
      'UNAVAILABLE',
      answer?.type === 'scan_failed' ? answer.message : 'there is no page',
    )
  }
  return {
    branches: answer.branches.map((branch) => heldToProto(branch, name)),
    nextPageToken: answer.nextPageToken,
  }
}

async function getBranchEvidence({
  request,
  ask,
}: Asking<GetBranchEvidenceRequest>): Promise<GetBranchEvidenceResponse> {
  const answer = await ask({ type: 'evidence_question', xid: xidOf(request.xid) })
  if (answer?.type !== 'evidence_answer') throw new PledgedError('UNAVAILABLE', 'there is no answer')
  return { evidence: evidence.toProto(answer.evidence), message: boundedText(answer.message) }
}

async function forgetBranches({
  request,
  ask,
}: Asking<ForgetBranchesRequest>): Promise<Record<string, never>> {
  const xids: readonly Xid[] = request.xids.map(xidOf)
  await Promise.all(xids.map((xid) => ask({ type: 'forget', xid })))
  return {}
}

/** Its status reaches nobody. */
class HungUp extends Error {
  override readonly name = 'HungUp'
  readonly code = status.CANCELLED
  readonly details = 'the caller has hung up'
}
