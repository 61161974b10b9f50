/** What operators did, in pages of the contract's shape. */
import { PledgedError } from '../base/errors.ts'
import type { AuditRecord } from '../protocol/records.ts'
import type * as proto from '../wire/generated/pledged/v1/admin_service.ts'
import { boundedText, toTimestamp } from '../wire/index.ts'
import { pageSizeOf } from './list-request.ts'

const ACTIONS: Readonly<Record<AuditRecord['action'], string>> = {
  resolve_transaction: 'ResolveTransaction',
  retry_transaction: 'RetryTransaction',
  acknowledge_transaction: 'AcknowledgeTransaction',
  forget_branch: 'ForgetBranch',
  pause_participant: 'PauseParticipant',
  resume_participant: 'ResumeParticipant',
}

const AUDIT_PAGE_SIZE = 50

/** Newest first. The token is how many there are below the page: new ones come above. */
export function auditPage(
  audit: readonly AuditRecord[],
  request: proto.ListAuditEventsRequest,
): proto.ListAuditEventsResponse {
  const pageSize = pageSizeOf(request.pageSize, AUDIT_PAGE_SIZE)
  const matching = audit.filter(({ subject }) => request.xid === '' || subject === request.xid)
  const end = request.pageToken === '' ? matching.length : Math.min(rowOf(request.pageToken), matching.length)
  const start = Math.max(0, end - pageSize)
  return {
    events: matching.slice(start, end).toReversed().map(auditToProto),
    nextPageToken: start === 0 ? '' : String(start),
  }
}

function rowOf(pageToken: string): number {
  if (/^[1-9]\d{0,6}$/.test(pageToken)) return Number(pageToken)
  throw new PledgedError('INVALID_REQUEST', 'page_token is not one that an earlier page gave')
}

function auditToProto(record: AuditRecord): proto.AuditEvent {
  return {
    time: toTimestamp(record.timeMs),
    who: boundedText(record.who),
    action: ACTIONS[record.action],
    xid: record.subject,
    participant: record.participant,
    reason: boundedText(record.why),
    result: boundedText(record.result),
  }
}
