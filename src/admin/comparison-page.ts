/** Both sides of doubt, in pages of the contract's shape. */
import type { BranchMatch, ComparedBranch, Comparison } from '../coordinator/views.ts'
import * as proto from '../wire/generated/pledged/v1/admin_service.ts'
import { boundedText, outcomes, toOptionalTimestamp } from '../wire/index.ts'
import { pageSizeOf } from './list-request.ts'

const MATCHES: Readonly<Record<BranchMatch, proto.BranchMatch>> = {
  matched: proto.BranchMatch.MATCHED,
  orphan: proto.BranchMatch.ORPHAN,
  foreign_living: proto.BranchMatch.FOREIGN_LIVING,
  foreign_dead: proto.BranchMatch.FOREIGN_DEAD,
  missing: proto.BranchMatch.MISSING,
}

/** Each page asks the participants anew; it goes on behind the last branch of the page before. */
export function comparisonPage(
  { branches, unscanned }: Comparison,
  request: Pick<proto.CompareBranchesRequest, 'pageSize' | 'pageToken'>,
): proto.CompareBranchesResponse {
  const pageSize = pageSizeOf(request.pageSize)
  const following = branches.filter(
    (branch) => request.pageToken === '' || placeOf(branch) > request.pageToken,
  )
  const page = following.slice(0, pageSize)
  const last = page.at(-1)
  return {
    branches: page.map(branchToProto),
    nextPageToken: following.length > pageSize && last !== undefined ? placeOf(last) : '',
    unscannedParticipants: unscanned.map(({ participant, message }) => ({
      participant,
      message: boundedText(message),
    })),
  }
}

function placeOf({ participant, xid }: ComparedBranch): string {
  return `${participant} ${xid}`
}

function branchToProto(branch: ComparedBranch): proto.ComparedBranch {
  return {
    participant: branch.participant,
    xid: boundedText(branch.xid),
    match: MATCHES[branch.match],
    prepareTime: toOptionalTimestamp(branch.prepareTimeMs),
    outcome: outcomes.toProto(branch.outcome),
    message: boundedText(branch.message),
  }
}
