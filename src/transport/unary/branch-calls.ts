/** One message to a participant that listens, as a unary call, and its answer, as a message; the cautious one if need be. */
import type { ClientUnaryCall } from '@grpc/grpc-js'
import { messageOf, PledgedError } from '../../base/errors.ts'
import type { CoordinatorMessage, ParticipantMessage, Verb, Vote } from '../../protocol/messages.ts'
import type {
  CommitBranchResponse,
  ForgetBranchesResponse,
  GetBranchEvidenceResponse,
  ListPreparedBranchesResponse,
  ParticipantServiceClient,
  PrepareBranchResponse,
} from '../../wire/generated/pledged/v1/participant_service.ts'
import {
  boundedText,
  branchResults,
  evidence,
  heldFromProto,
  toDuration,
  voteFromProto,
} from '../../wire/index.ts'
import type { CallArguments, ParticipantCall, ParticipantChannel } from './participant-channel.ts'

export type PrepareMessage = CoordinatorMessage & { type: 'prepare' }

export class BranchCalls {
  readonly #name: string
  readonly #channel: ParticipantChannel
  readonly #timeoutMs: number

  /** `name`: the participant's, after which its branches are named. */
  constructor(name: string, channel: ParticipantChannel, timeoutMs: number) {
    this.#name = name
    this.#channel = channel
    this.#timeoutMs = timeoutMs
  }

  /** `timeoutMs`: what is left of the message's. */
  prepare(message: PrepareMessage, timeoutMs: number): ParticipantCall<ParticipantMessage> {
    const { xid, work, onePhase = false } = message
    const request = { xid, branch: this.#name, work, timeout: toDuration(timeoutMs), onePhase }
    const { response, cancel } = this.#channel.call<PrepareBranchResponse>(
      (...rest) => this.#client.prepareBranch(request, ...rest),
      timeoutMs,
    )
    const answer = response.then((fields) => {
      const vote = voteFromProto(fields)
      requireAskedFor(vote, onePhase)
      return { type: 'vote', xid, vote } as const
    })
    return { response: answer.catch((error: unknown) => failedPrepare(message, error)), cancel }
  }

  async end(message: CoordinatorMessage & { type: Verb }): Promise<ParticipantMessage> {
    const { type: verb, xid } = message
    const request = { xid, branch: this.#name }
    try {
      // The two responses have the same fields.
      const answer = await this.#call<CommitBranchResponse>((...rest) =>
        verb === 'commit'
          ? this.#client.commitBranch(request, ...rest)
          : this.#client.abortBranch(request, ...rest),
      )
      return {
        type: 'result',
        xid,
        verb,
        result: branchResults.fromProto(answer.result),
        message: boundedText(answer.message),
        evidence: evidence.fromProto(answer.evidence),
      }
    } catch (error) {
      return refusalOf(error) ?? unknownResult(verb, xid, messageOf(error))
    }
  }

  async giveEvidence({
    xid,
  }: CoordinatorMessage & { type: 'evidence_question' }): Promise<ParticipantMessage> {
    try {
      const answer = await this.#call<GetBranchEvidenceResponse>((...rest) =>
        this.#client.getBranchEvidence({ xid, branch: this.#name }, ...rest),
      )
      return {
        type: 'evidence_answer',
        xid,
        evidence: evidence.fromProto(answer.evidence),
        message: boundedText(answer.message),
      }
    } catch (error) {
      const none = { type: 'evidence_answer', xid, evidence: 'none', message: messageOf(error) } as const
      return refusalOf(error) ?? none
    }
  }

  async listPrepared(message: CoordinatorMessage & { type: 'list_prepared' }): Promise<ParticipantMessage> {
    const { pageSize, pageToken } = message
    try {
      const page = await this.#call<ListPreparedBranchesResponse>((...rest) =>
        this.#client.listPreparedBranches({ pageSize, pageToken }, ...rest),
      )
      return { type: 'held', branches: page.branches.map(heldFromProto), nextPageToken: page.nextPageToken }
    } catch (error) {
      return refusalOf(error) ?? { type: 'scan_failed', message: messageOf(error) }
    }
  }

  /** Not acknowledged: a witness that stays does no harm, once its transaction has ended. */
  async forget(xids: readonly string[]): Promise<ParticipantMessage | undefined> {
    try {
      await this.#call<ForgetBranchesResponse>((...rest) =>
        this.#client.forgetBranches({ xids: [...xids], branch: this.#name }, ...rest),
      )
      return undefined
    } catch (error) {
      return refusalOf(error)
    }
  }

  get #client(): ParticipantServiceClient {
    return this.#channel.client
  }

  #call<Response>(start: (...rest: CallArguments<Response>) => ClientUnaryCall): Promise<Response> {
    return this.#channel.call(start, this.#timeoutMs).response
  }
}

/** R11: the participant knows a newer epoch of this log. Whatever was asked has no other answer. */
function refusalOf(error: unknown): ParticipantMessage | undefined {
  if (!(error instanceof PledgedError) || error.code !== 'EPOCH_SUPERSEDED') return undefined
  return { type: 'admission_refused', superseded: true, message: boundedText(error.message) }
}

function requireAskedFor(vote: Vote, onePhase: boolean): void {
  if (vote.vote !== 'committed' || onePhase) return
  throw new PledgedError(
    'INVALID_REQUEST',
    'vote is VOTE_COMMITTED, which only answers a prepare whose one_phase is true',
  )
}

/** R17: of a one-phase prepare nothing can be said, it may have committed. Of another, a no is safe: it is aborted. */
function failedPrepare({ xid, onePhase }: PrepareMessage, error: unknown): ParticipantMessage {
  const refusal = refusalOf(error)
  if (refusal !== undefined) return refusal
  if (onePhase === true) return unknownResult('commit', xid, messageOf(error))
  return noVote(xid, messageOf(error), PledgedError.from(error).retryable)
}

export function noVote(xid: PrepareMessage['xid'], message: string, retryable: boolean): ParticipantMessage {
  return { type: 'vote', xid, vote: { vote: 'no', message: boundedText(message), retryable } }
}

function unknownResult(verb: Verb, xid: PrepareMessage['xid'], message: string): ParticipantMessage {
  return { type: 'result', xid, verb, result: 'unknown', message: boundedText(message), evidence: 'none' }
}
