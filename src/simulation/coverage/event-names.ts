/** Events of the core by what distinguishes them there, and the transaction that each is about. */
import { unreachable } from '../../base/assert.ts'
import type { Xid } from '../../base/ids.ts'
import type { AppendToken } from '../../protocol/effects.ts'
import type { Event } from '../../protocol/events.ts'
import type { ParticipantMessage } from '../../protocol/messages.ts'

/** Constants, and no strings made anew: this is asked for each event of each history. */
const interned = new Map<string, Map<string, string>>()

function named(kind: string, which: string): string {
  const known = interned.get(kind)?.get(which)
  if (known !== undefined) return known
  const name = `event ${kind}${which === '' ? '' : ' '}${which}`
  interned.set(kind, (interned.get(kind) ?? new Map<string, string>()).set(which, name))
  return name
}

export function nameOf(event: Event): string {
  switch (event.type) {
    case 'message':
      return nameOfMessage(event.message)
    case 'appended':
      return named(event.token.of, 'durable')
    case 'append_failed':
      return named(event.token.of, 'not written')
    case 'operator':
      return event.request.action === 'resolve_transaction'
        ? named('order to', event.request.decision)
        : named('order', event.request.action)
    case 'ended_by_application':
      return named('application', event.ending.result)
    case 'transaction_found':
      return named(event.kept === undefined ? 'nothing found for' : 'record found for', event.purpose.for)
    case 'request_found':
      return named(event.kept.length === 0 ? 'nothing found for' : 'record found for', event.asked.type)
    default:
      return named(event.type, '')
  }
}

function nameOfMessage(message: ParticipantMessage): string {
  switch (message.type) {
    case 'vote':
      return named('vote', message.vote.vote)
    case 'result':
      return named(message.verb, message.result)
    case 'evidence_answer':
      return named('evidence', message.evidence)
    case 'held':
      return named('held,', message.nextPageToken === '' ? 'the last page' : 'a page')
    case 'scan_failed':
      return named(message.type, '')
    case 'admission_refused':
      return message.superseded ? named('admission refused:', 'superseded') : named('admission refused', '')
    default:
      return unreachable(message)
  }
}

/** Undefined: it is about none, or about many. */
export function xidOf(event: Event): string | undefined {
  switch (event.type) {
    case 'message':
      return 'xid' in event.message ? event.message.xid : undefined
    case 'appended':
    case 'append_failed':
      return xidOfToken(event.token)
    case 'operator':
      return 'xid' in event.request ? event.request.xid : undefined
    case 'commit':
    case 'abort':
    case 'enlist':
      return event.request.xid
    case 'ended_by_application':
      return event.ending.xid
    case 'get':
      return 'xid' in event.request ? event.request.xid : undefined
    case 'transaction_found':
      return event.xid
    default:
      return undefined
  }
}

function xidOfToken(token: AppendToken): Xid | undefined {
  return 'xid' in token ? token.xid : undefined
}
