/** Records of the log, for people and for programs. */
import type { DumpedRecord } from '../daemon/offline-log.ts'
import type { SingleRecord } from '../log/stored-record.ts'
import type { Cell } from './table.ts'

export const DUMP_HEADING = ['POSITION', 'TIME', 'TYPE', 'XID', 'WHAT'] as const

export function dumpedRecordRow({ position, record, body, problem }: DumpedRecord): (string | Cell)[] {
  const what = problem === undefined ? '' : `DAMAGED: ${problem}`
  if (record === undefined)
    return [String(position), '-', '-', '-', { text: `${what}: ${body ?? ''}`, style: 'red' }]
  return [
    String(position),
    timeText(record),
    record.type,
    'xid' in record ? record.xid : '-',
    problem === undefined ? contentText(record) : { text: `${what}; ${contentText(record)}`, style: 'red' },
  ]
}

/** Snake case, times as RFC 3339, as in all JSON of the program. */
export function dumpedRecordJson({ position, record, body, problem }: DumpedRecord): object {
  return {
    position,
    ...(record === undefined ? { type: null } : (jsonOf(record) as object)),
    ...(body !== undefined && { body }),
    ...(problem !== undefined && { problem }),
  }
}

function contentText(record: SingleRecord): string {
  switch (record.type) {
    case 'decision':
      return `commit: ${record.branches.join(', ')}${record.readOnly.length === 0 ? '' : `; read-only: ${record.readOnly.join(', ')}`}`
    case 'aborted':
      return `${record.cause}: ${record.message}`
    case 'one_phase':
      return `handed to ${record.participant}, to commit at once`
    case 'end':
      return 'every branch has ended'
    case 'heuristic':
      return `${record.participant} ended by ${record.ended}: ${record.message}`
    case 'participant':
      return `${record.name}: ${record.kind} ${record.resourceId}${record.keepsWitnesses ? ', keeps witnesses' : ''}`
    case 'operator':
      return `${record.decision} by ${record.who}: ${record.why}`
    case 'acknowledgement':
      return `acknowledged by ${record.who}, what ${record.participants.join(', ')} broke: ${record.why}`
    case 'branch_forgotten':
      return `the branch of ${record.participant} given up by ${record.who}: ${record.why}`
    case 'pause':
      return `${record.participant} ${record.paused ? 'paused' : 'resumed'} by ${record.who}: ${record.why}`
    case 'audit':
      return `${record.action} by ${record.who}: ${record.why}; ${record.result}`
    case 'superseded':
      return `refused by ${record.participant}: ${record.message}`
    case 'epochs':
      return `opened as ${record.epochs.at(-1) ?? '?'}`
    case 'forgotten':
      return `all through ${record.epochNumber}.${record.sequence}`
  }
}

function timeText(record: SingleRecord): string {
  const timeMs = timeOf(record)
  return timeMs === undefined ? '-' : new Date(timeMs).toISOString()
}

function timeOf(record: SingleRecord): number | undefined {
  switch (record.type) {
    case 'decision':
      return record.decideTimeMs
    case 'one_phase':
      return record.createTimeMs
    case 'aborted':
    case 'end':
      return record.endTimeMs
    case 'forgotten':
      return undefined
    default:
      return record.timeMs
  }
}

function jsonOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(jsonOf)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) =>
      key.endsWith('imeMs') && typeof field === 'number'
        ? [snakeCase(key.slice(0, -'Ms'.length)), new Date(field).toISOString()]
        : [snakeCase(key), jsonOf(field)],
    ),
  )
}

function snakeCase(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
