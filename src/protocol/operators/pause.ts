/**
 * A pause: the participant is given no new work, and recovery leaves it alone: no dialling, no scan, no delivery that
 * is tried again. What was under way when it was paused still ends. It lasts until somebody resumes it, through
 * restarts as well.
 */
import { PledgedError } from '../../base/errors.ts'
import { catchUp } from '../links.ts'
import type { PauseRecord } from '../records.ts'
import type { ParticipantState, Turn } from '../state.ts'
import { type OperatorEvent, type Plan, quoted, type RequestOf } from './plan.ts'

export function planPause(
  turn: Turn,
  event: OperatorEvent,
  { participant: name }: RequestOf<'pause_participant'>,
): Plan {
  const participant = knownParticipant(turn, name)
  const record = pauseOf(turn, event, name, true)
  const waiting = participant.owed.size
  return {
    consequences: [
      `new transactions with ${quoted(name)} are aborted, retryable, until it is resumed`,
      ...(waiting === 0 ? [] : [`${waiting} of its branches wait for their decision until then`]),
    ],
    result: 'paused',
    records: [record],
    apply: (now) => {
      knownParticipant(now, name).pause = record
      now.effects.push({ type: 'recovery', participant: name, signal: { type: 'paused' } })
    },
  }
}

export function planResume(
  turn: Turn,
  event: OperatorEvent,
  { participant: name }: RequestOf<'resume_participant'>,
): Plan {
  knownParticipant(turn, name)
  return {
    consequences: [`${quoted(name)} is asked what it holds, and told all that it is owed`],
    result: 'resumed',
    records: [pauseOf(turn, event, name, false)],
    apply: (now) => {
      const participant = knownParticipant(now, name)
      participant.pause = undefined
      const up = participant.link !== undefined
      now.effects.push({ type: 'recovery', participant: name, signal: { type: 'resumed', up } })
      if (up) catchUp(now, participant)
    },
  }
}

/** After an opening of the log: whom recovery must leave alone. */
export function keepPauses(turn: Turn): void {
  for (const { name, pause } of turn.state.participants.values()) {
    if (pause === undefined) continue
    turn.effects.push({ type: 'recovery', participant: name, signal: { type: 'paused' } })
  }
}

export function knownParticipant(turn: Turn, name: string): ParticipantState {
  const participant = turn.state.participants.get(name)
  if (participant !== undefined) return participant
  const names = [...turn.state.participants.keys()].toSorted().join(', ')
  throw new PledgedError(
    'PARTICIPANT_NOT_FOUND',
    `there is no participant ${quoted(name)}; ${names === '' ? 'none is registered yet' : `registered are: ${names}`}`,
  )
}

function pauseOf(turn: Turn, { who, why }: OperatorEvent, participant: string, paused: boolean): PauseRecord {
  return { type: 'pause', participant, paused, who, why, timeMs: turn.now.wallMs }
}
