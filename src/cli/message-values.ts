/** Fields of the daemon's messages as the program reckons with them. */
import type { Duration } from '../wire/generated/google/protobuf/duration.ts'
import {
  ParticipantLink,
  ParticipantState,
  type ParticipantStatus,
} from '../wire/generated/pledged/v1/participant.ts'

export function milliseconds(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : Number(duration.seconds) * 1_000 + duration.nanos / 1e6
}

const STATE_WORDS: Readonly<Record<number, string>> = {
  [ParticipantState.AWAY]: 'away',
  [ParticipantState.RECONNECTING]: 'reconnecting',
  [ParticipantState.SCANNING]: 'scanning',
  [ParticipantState.DELIVERING]: 'delivering',
  [ParticipantState.SETTLED]: 'settled',
  [ParticipantState.BACKING_OFF]: 'backing off',
  [ParticipantState.QUARANTINED]: 'quarantined',
  [ParticipantState.PAUSED]: 'paused',
}

const LINK_WORDS: Readonly<Record<number, string>> = {
  [ParticipantLink.ATTACHED]: 'attached',
  [ParticipantLink.DIALLED]: 'dialled',
}

/** A word of a newer daemon's is shown as a question, not guessed. */
export function participantStateWord(state: ParticipantState): string {
  return STATE_WORDS[state] ?? '?'
}

export function participantLinkWord(link: ParticipantLink): string {
  return LINK_WORDS[link] ?? '?'
}

export function byName(participants: readonly ParticipantStatus[]): ReadonlyMap<string, ParticipantStatus> {
  return new Map(participants.map((participant) => [participant.name, participant]))
}
