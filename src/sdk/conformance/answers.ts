/** A participant's answers in the glossary's words, an error status among them. */
import { status as STATUS } from '@grpc/grpc-js'
import type { BranchResult, Evidence } from '../../protocol/messages.ts'
import { Vote } from '../../wire/generated/pledged/v1/branch.ts'
import type {
  CommitBranchResponse,
  PrepareBranchResponse,
} from '../../wire/generated/pledged/v1/participant_service.ts'
import { branchResults, evidence } from '../../wire/index.ts'
import type { Answer } from './caller.ts'

/** none: an answer that is no vote. */
export type VoteWord = 'yes' | 'no' | 'read_only' | 'committed' | 'none'

/** A status other than OK. Where a vote was asked it counts as no, where a result as unknown. */
export interface CallError {
  readonly code: STATUS
  /** `UNAVAILABLE: connection refused`. */
  readonly text: string
}

export interface VoteSeen {
  readonly vote: VoteWord
  readonly message: string
  readonly retryable: boolean
  readonly expires: boolean
  readonly error: CallError | undefined
}

export interface EndingSeen {
  readonly result: BranchResult
  readonly message: string
  readonly evidence: Evidence
  readonly error: CallError | undefined
}

const VOTE_WORDS: Readonly<Record<number, VoteWord>> = {
  [Vote.YES]: 'yes',
  [Vote.NO]: 'no',
  [Vote.READ_ONLY]: 'read_only',
  [Vote.COMMITTED]: 'committed',
}

export function voteOf(answer: Answer<PrepareBranchResponse>): VoteSeen {
  if (!answer.ok) {
    const error = callErrorOf(answer)
    return { vote: 'no', message: error.text, retryable: false, expires: false, error }
  }
  const { vote, message, retryable, pledgeTtl } = answer.value
  return {
    vote: VOTE_WORDS[vote] ?? 'none',
    message,
    retryable,
    expires: pledgeTtl !== undefined,
    error: undefined,
  }
}

export function endingOf(answer: Answer<CommitBranchResponse>): EndingSeen {
  if (!answer.ok) {
    const error = callErrorOf(answer)
    return { result: 'unknown', message: error.text, evidence: 'none', error }
  }
  const { result, message, evidence: witness } = answer.value
  return {
    result: branchResults.fromProto(result),
    message,
    evidence: evidence.fromProto(witness),
    error: undefined,
  }
}

/** gRPC's own words for a connection that isn't there; a participant that answers UNAVAILABLE has other ones. */
const NO_CONNECTION =
  /No connection established|Connection dropped|ECONN|EPIPE|ENOENT|RST_STREAM|GOAWAY|Name resolution|channel/i

/** Nobody is there, rather than somebody who refuses. */
export function isLost({ code, text }: CallError): boolean {
  return (code === STATUS.UNAVAILABLE || code === STATUS.INTERNAL) && NO_CONNECTION.test(text)
}

export function callErrorOf({ code, details }: { code: STATUS; details: string }): CallError {
  return { code, text: details === '' ? STATUS[code] : `${STATUS[code]}: ${details}` }
}

/** `VOTE_NO ("the account is locked")`, as the proto spells it. */
export function showVote({ vote, message, error }: VoteSeen): string {
  if (error !== undefined) return `the error ${error.text}`
  const word = vote === 'none' ? 'VOTE_UNSPECIFIED' : `VOTE_${vote.toUpperCase()}`
  return message === '' ? word : `${word} (${JSON.stringify(message)})`
}

export function showEnding({ result, message, error }: EndingSeen): string {
  if (error !== undefined) return `the error ${error.text}`
  const word = `BRANCH_RESULT_${result.toUpperCase()}`
  return message === '' ? word : `${word} (${JSON.stringify(message)})`
}

export function showEvidence(witness: Evidence): string {
  return `EVIDENCE_${witness.toUpperCase()}`
}

/** Ended as it was told, now or before. */
export function isDone({ result }: EndingSeen): boolean {
  return result === 'done' || result === 'done_before'
}
