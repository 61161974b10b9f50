/** Votes, to and from the shape that Branch and PrepareBranchResponse share. */
import { unreachable } from '../base/assert.ts'
import { PledgedError } from '../base/errors.ts'
import type { Vote } from '../protocol/messages.ts'
import type { Duration } from './generated/google/protobuf/duration.ts'
import { Vote as ProtoVote } from './generated/pledged/v1/branch.ts'
import { boundedText } from './text.ts'
import { fromOptionalDuration, toOptionalDuration } from './time.ts'

/** PrepareBranchResponse has exactly these fields. */
export interface VoteFields {
  readonly vote: ProtoVote
  readonly message: string
  readonly retryable: boolean
  readonly pledgeTtl: Duration | undefined
}

export function voteToProto(vote: Vote | undefined): VoteFields {
  const fields = { message: '', retryable: false, pledgeTtl: undefined }
  if (vote === undefined) return { ...fields, vote: ProtoVote.UNSPECIFIED }
  switch (vote.vote) {
    case 'yes':
      return { ...fields, vote: ProtoVote.YES, pledgeTtl: toOptionalDuration(vote.pledgeTtlMs) }
    case 'no':
      return {
        ...fields,
        vote: ProtoVote.NO,
        message: boundedText(vote.message),
        retryable: vote.retryable,
      }
    case 'read_only':
      return { ...fields, vote: ProtoVote.READ_ONLY }
    case 'committed':
      return { ...fields, vote: ProtoVote.COMMITTED }
    default:
      return unreachable(vote)
  }
}

/** Undefined where none was given, or one that this version doesn't know. */
export function optionalVoteFromProto(fields: VoteFields): Vote | undefined {
  switch (fields.vote) {
    case ProtoVote.YES:
      return { vote: 'yes', pledgeTtlMs: fromOptionalDuration('pledge_ttl', fields.pledgeTtl) }
    case ProtoVote.NO:
      return { vote: 'no', message: boundedText(fields.message), retryable: fields.retryable }
    case ProtoVote.READ_ONLY:
      return { vote: 'read_only' }
    case ProtoVote.COMMITTED:
      return { vote: 'committed' }
    default:
      return undefined
  }
}

/** Of a participant's answer, which has to be a vote. */
export function voteFromProto(fields: VoteFields): Vote {
  const vote = optionalVoteFromProto(fields)
  if (vote !== undefined) return vote
  throw new PledgedError(
    'INVALID_REQUEST',
    `vote is ${fields.vote}: it has to be VOTE_YES, VOTE_NO, VOTE_READ_ONLY or VOTE_COMMITTED`,
  )
}
