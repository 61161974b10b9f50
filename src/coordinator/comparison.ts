/**
 * Both sides of doubt: the log beside what each participant says that it holds prepared. The participants are asked
 * now; what moves meanwhile is on its way to its end, and shows as that.
 */
import { PledgedError } from '../base/errors.ts'
import { tryParseXid, type Xid } from '../base/ids.ts'
import type { Log } from '../log/log.ts'
import type { Effect } from '../protocol/effects.ts'
import type { Event } from '../protocol/events.ts'
import { isForgotten, isLiving, standingOf, withoutRecord } from '../protocol/lookup.ts'
import type { HeldBranch } from '../protocol/messages.ts'
import type { ParticipantState, ProtocolState } from '../protocol/state.ts'
import { viewOf, viewOfKept } from '../protocol/view.ts'
import type { ComparedBranch, Comparison } from './views.ts'

type Look = Extract<Effect, { type: 'looked' | 'look_failed' }>

export interface ComparisonsOptions {
  readonly log: Log
  readonly post: (event: Event) => void
}

export class Comparisons {
  readonly #options: ComparisonsOptions
  readonly #waiting = new Map<string, ((look: Look) => void)[]>()

  constructor(options: ComparisonsOptions) {
    this.#options = options
  }

  /** The core's answer to a look. */
  looked(look: Look): void {
    const waiting = this.#waiting.get(look.participant) ?? []
    this.#waiting.delete(look.participant)
    for (const resolve of waiting) resolve(look)
  }

  async compare(state: ProtocolState, names: readonly string[], wallMs: () => number): Promise<Comparison> {
    const asked = names.length === 0 ? [...state.participants.keys()] : names
    const participants = asked.toSorted().map((name) => known(state, name))
    const doubts = participants.map(doubtsOf)
    const looks = await Promise.all(participants.map(({ name }) => this.#look(name)))
    const branches: ComparedBranch[] = []
    const unscanned: { participant: string; message: string }[] = []
    for (const [index, participant] of participants.entries()) {
      const look = looks[index]
      if (look?.type === 'look_failed')
        unscanned.push({ participant: participant.name, message: look.reason })
      if (look?.type !== 'looked') continue
      const held = await Promise.all(
        look.held.map((branch) => this.#held(state, participant, branch, wallMs())),
      )
      const both = [...held, ...missing(participant, look.held, doubts[index] ?? [])]
      // One by one: there may be more of them than a call takes as arguments.
      for (const branch of both.toSorted(byXid)) branches.push(branch)
    }
    return { branches, unscanned }
  }

  #look(participant: string): Promise<Look> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(participant)
      if (waiting !== undefined) {
        waiting.push(resolve)
        return
      }
      this.#waiting.set(participant, [resolve])
      this.#options.post({ type: 'look', participant })
    })
  }

  async #held(
    state: ProtocolState,
    { name: participant }: ParticipantState,
    branch: HeldBranch,
    nowWallMs: number,
  ): Promise<ComparedBranch> {
    const { xid, prepareTimeMs } = branch
    const common = { participant, xid, prepareTimeMs }
    const parts = tryParseXid(xid)
    const transaction = state.transactions.get(xid as Xid)
    if (transaction !== undefined) {
      const { outcome } = viewOf(transaction)
      return { ...common, match: 'matched', outcome, message: onItsWay(outcome) }
    }
    const kept = parts === undefined ? undefined : await this.#options.log.findTransaction(xid as Xid)
    if (kept !== undefined) {
      const { outcome, heuristic } = viewOfKept(kept)
      const message = heuristic ? 'it broke its pledge, and still holds the branch' : onItsWay(outcome)
      return { ...common, match: 'matched', outcome, message }
    }
    if (parts !== undefined && standingOf(state, parts) === 'issued' && !isForgotten(state, parts)) {
      const { outcome, abortMessage } = withoutRecord(state, xid as Xid)
      const message =
        outcome === 'aborted' ? 'the log has no decision of it: it will be aborted' : abortMessage
      return { ...common, match: 'orphan', outcome, message }
    }
    return isLiving(branch, state.limits, nowWallMs)
      ? {
          ...common,
          match: 'foreign_living',
          outcome: 'unknown',
          message: 'of another log, whose coordinator was seen here lately: it will end it',
        }
      : { ...common, match: 'foreign_dead', outcome: 'unknown', message: deadMessage(state, xid) }
  }
}

function deadMessage(state: ProtocolState, xid: string): string {
  const parts = tryParseXid(xid)
  if (parts !== undefined && parts.logId === state.logId) {
    return state.epochs.has(parts.epoch)
      ? 'older than what the log has kept: nobody will end it unless a person does'
      : 'of an epoch of this log that this copy of it has not opened: nobody will end it unless a person does'
  }
  return 'of another log, whose coordinator has not been seen here lately: nobody will end it unless a person does'
}

function onItsWay(outcome: string): string {
  if (outcome === 'committed') return 'decided: it is told to commit'
  if (outcome === 'aborted') return 'decided: it is told to abort'
  return 'under way: its decision is still to come'
}

/** What the log says that the participant holds. */
function doubtsOf(participant: ParticipantState): readonly string[] {
  const voted = [...participant.voting].filter((transaction) =>
    transaction.branches.some(
      ({ participant: name, state }) => name === participant.name && state === 'prepared',
    ),
  )
  const owed = [...participant.owed].filter(([, { transaction }]) => transaction?.decision === 'commit')
  return [...voted.map(({ xid }) => xid), ...owed.map(([xid]) => xid)]
}

/** In doubt before it was asked and after, and it doesn't list them. */
function missing(
  participant: ParticipantState,
  held: readonly HeldBranch[],
  before: readonly string[],
): readonly ComparedBranch[] {
  const listed = new Set(held.map(({ xid }) => xid))
  const still = new Set(doubtsOf(participant))
  return before
    .filter((xid) => still.has(xid) && !listed.has(xid))
    .map((xid) => {
      const isDecided = participant.owed.has(xid as Xid)
      return {
        participant: participant.name,
        xid,
        match: 'missing',
        outcome: isDecided ? 'committed' : 'pending',
        message: isDecided
          ? "decided, not acknowledged, and not held: the participant's witness tells how it ended when it is told again"
          : 'it pledged, and does not hold it any more: a broken pledge, or its answer is on its way',
      }
    })
}

function byXid(left: ComparedBranch, right: ComparedBranch): number {
  return left.xid < right.xid ? -1 : 1
}

function known(state: ProtocolState, name: string): ParticipantState {
  const participant = state.participants.get(name)
  if (participant !== undefined) return participant
  throw new PledgedError(
    'PARTICIPANT_NOT_FOUND',
    `there is no participant "${name}"; registered are: ${[...state.participants.keys()].toSorted().join(', ')}`,
  )
}
