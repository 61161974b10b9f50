/** Effects as the lines of a transcript. */
import { unreachable } from '../../base/assert.ts'
import { tryParseXid } from '../../base/ids.ts'
import type { AppendEffect, Effect, RecoverySignal } from '../effects.ts'
import type { CoordinatorMessage } from '../messages.ts'
import type { LogRecord } from '../records.ts'
import type { TransactionView } from '../requests.ts'

export function formatEffect(effect: Effect): string[] {
  switch (effect.type) {
    case 'send':
      return [`send ${effect.participant} ${formatMessage(effect.message)}`]
    case 'append':
      return formatAppend(effect)
    case 'reply':
      return [
        `reply ${effect.replyTo} ${formatView(effect.transaction)}${effect.replayed ? ' (replayed)' : ''}`,
      ]
    case 'enlisted':
      return [`enlisted ${effect.replyTo}`]
    case 'leased': {
      const { firstSequence, count } = effect.lease
      return [`lease to session ${effect.session}: ${count} from ${firstSequence}`]
    }
    case 'end_session':
      return [`end session ${effect.session}: ${effect.reason}`]
    case 'refuse':
      return [`refuse ${effect.replyTo} ${effect.error.code}: ${effect.error.message}`]
    case 'carried_out':
      return [`carried out ${effect.replyTo}`, ...effect.consequences.map((sentence) => `  ${sentence}`)]
    case 'looked':
      return [`looked at ${effect.participant}: ${effect.held.map(({ xid }) => short(xid)).join(' ')}`]
    case 'look_failed':
      return [`look at ${effect.participant} failed: ${effect.reason}`]
    case 'find_request':
      return ['look up request']
    case 'find_transaction':
      return [`look up ${short(effect.xid)} for ${effect.purpose.for}`]
    case 'welcome':
      return [`welcome ${effect.participant}`]
    case 'dismiss':
      return [`dismiss ${effect.participant} link ${effect.link}: ${effect.reason}`]
    case 'recovery':
      return [`recovery ${effect.participant} ${formatSignal(effect.signal)}`]
    case 'forget':
      return [`forget through ${effect.through.epochNumber}.${effect.through.sequence}`]
    default:
      return unreachable(effect)
  }
}

function formatAppend({ records, forced, then }: AppendEffect): string[] {
  return [
    `append ${forced ? 'forced' : 'lazy'}: ${records.map(formatRecord).join(' + ')}`,
    ...then.map((effect) => `  then ${formatEffect(effect).join('')}`),
  ]
}

function formatRecord(record: LogRecord): string {
  switch (record.type) {
    case 'decision':
      return `decision ${short(record.xid)} commit [${record.branches.join(' ')}]`
    case 'one_phase':
      return `one_phase ${short(record.xid)} ${record.participant}`
    case 'superseded':
      return `superseded, by ${record.participant}`
    case 'end':
      return `end ${short(record.xid)}`
    case 'aborted':
      return `aborted ${short(record.xid)} ${record.cause}`
    case 'heuristic':
      return record.withoutVote === true
        ? `heuristic ${short(record.xid)} ${record.participant} without its vote`
        : `heuristic ${short(record.xid)} ${record.participant} ended ${record.ended} (${record.evidence})`
    case 'participant':
      return `participant ${record.name} ${record.resourceId}`
    case 'operator':
      return `operator ${short(record.xid)} ${record.decision} by ${record.who}`
    case 'acknowledgement':
      return `acknowledgement ${short(record.xid)} [${record.participants.join(' ')}]`
    case 'branch_forgotten':
      return `branch_forgotten ${short(record.xid)} ${record.participant}`
    case 'pause':
      return `${record.paused ? 'pause' : 'resume'} ${record.participant}`
    case 'audit':
      return `audit ${record.action}: ${record.result}`
  }
}

function formatMessage(message: CoordinatorMessage): string {
  if (message.type === 'list_prepared')
    return `list_prepared${message.pageToken === '' ? '' : ` ${message.pageToken}`}`
  const how = message.type === 'prepare' && message.onePhase === true ? ', one phase' : ''
  return `${message.type} ${short(message.xid)}${how}`
}

function formatView(view: TransactionView): string {
  const branches = view.branches.map((branch) => ` ${branch.participant}=${branch.state}`).join('')
  const why = view.abortMessage === '' ? '' : ` (${view.abortMessage})`
  const marks = `${view.heuristic ? ' HEURISTIC' : ''}${view.retryable ? ' retryable' : ''}`
  return `${short(view.xid)} ${view.outcome}${marks}, ${view.state}${branches}${why}`
}

function formatSignal(signal: RecoverySignal): string {
  if (signal.type === 'scanned') return `scanned${signal.unsettled ? ', unsettled' : ''}`
  if (signal.type === 'resumed') return `resumed${signal.up ? ', up' : ''}`
  return 'reason' in signal ? `${signal.type}: ${signal.reason}` : signal.type
}

function short(xid: string): string {
  const parts = tryParseXid(xid)
  return parts === undefined ? xid : `${parts.epochNumber}.${parts.sequence}`
}
