/**
 * R11: a participant keeps the highest epoch that it has seen of each log, and refuses an older one. A log that is
 * refused so was restored from an old copy, or cloned: it may lack decisions that were made and told. From then on,
 * and after every later opening, it decides nothing and presumes nothing; what it has recorded stays true.
 */
import { PledgedError } from '../base/errors.ts'
import { cutLink } from './links.ts'
import type { ParticipantMessage } from './messages.ts'
import type { SupersededRecord } from './records.ts'
import type { ParticipantState, ProtocolState, Turn } from './state.ts'

export function admissionRefused(
  turn: Turn,
  participant: ParticipantState,
  message: Extract<ParticipantMessage, { type: 'admission_refused' }>,
): void {
  if (message.superseded && !isSuperseded(turn.state)) supersede(turn, participant, message.message)
  cutLink(turn, participant, message.message)
}

function supersede(turn: Turn, participant: ParticipantState, message: string): void {
  const record: SupersededRecord = {
    type: 'superseded',
    participant: participant.name,
    message,
    timeMs: turn.now.wallMs,
  }
  const isWritable = turn.state.failure === undefined
  turn.state.failure = supersededBy(record)
  if (!isWritable) return
  turn.effects.push({
    type: 'append',
    records: [record],
    forced: true,
    token: { of: 'superseded' },
    then: [],
  })
}

export function supersededBy({ participant, message }: SupersededRecord): PledgedError {
  return new PledgedError('EPOCH_SUPERSEDED', `participant "${participant}" refuses this log: ${message}`)
}

export function isSuperseded(state: ProtocolState): boolean {
  return state.failure?.code === 'EPOCH_SUPERSEDED'
}
