/** What operators did, as rows. */
import type { AuditEvent } from '../wire/generated/pledged/v1/admin_service.ts'
import { formatTime } from './durations.ts'
import type { Table } from './table.ts'

export function auditTable(events: readonly AuditEvent[], nowMs: number): Table {
  return {
    heading: ['TIME', 'WHO', 'ACTION', 'XID', 'PARTICIPANT', 'REASON', 'RESULT'],
    rows: events.map(({ time, who, action, xid, participant, reason, result }) => [
      time === undefined ? '-' : formatTime(time.getTime(), nowMs),
      orDash(who),
      orDash(action),
      orDash(xid),
      orDash(participant),
      orDash(reason),
      orDash(result),
    ]),
  }
}

function orDash(text: string): string {
  return text === '' ? '-' : text
}
