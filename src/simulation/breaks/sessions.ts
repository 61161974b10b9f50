/** Bugs of the core about sessions: who holds a lease (R2), what was enlisted, and what an application says it has ended (R12). */
import { tryParseXid, type Xid } from '../../base/ids.ts'
import type { Event } from '../../protocol/events.ts'
import type { ProtocolState } from '../../protocol/state.ts'
import type { Break } from './break.ts'

type Ending = Extract<Event, { type: 'ended_by_application' }>

export const leaseOfAnybody: Break = {
  name: 'lease-of-anybody',
  does: 'a commit is accepted from a session that does not hold the lease, or from none (R2)',
  caughtAs: /^R2: .* was decided, and session .*, which was leased it, had not asked for it/,
  step: (step) => (state, now, event) => {
    if (event.type !== 'commit') return step(state, now, event)
    const session = holderOf(state, event.request.xid) ?? event.request.session
    return step(state, now, { ...event, request: { ...event.request, session } })
  },
}

export const sessionEndMissed: Break = {
  name: 'session-end-missed',
  does: 'what a session had enlisted when it ended is not aborted (R12)',
  caughtAs: /^I5: .* (unfinished|still holds)/,
  step: (step) => (state, now, event) => (event.type === 'session_closed' ? [] : step(state, now, event)),
}

export const listNotCompared: Break = {
  name: 'list-not-compared',
  does: 'a commit may leave out what was enlisted (R12)',
  caughtAs: /^R12: the decision of .* leaves out/,
  step: (step) => (state, now, event) => {
    const prepared = event.type === 'commit' ? event.request.preparedBranches : undefined
    const transaction = event.type === 'commit' ? state.transactions.get(event.request.xid as Xid) : undefined
    if (transaction?.phase === 'active' && prepared !== undefined) {
      const listed = new Set(prepared.map(({ participant }) => participant))
      transaction.branches = transaction.branches.filter(({ participant }) => listed.has(participant))
    }
    return step(state, now, event)
  },
}

export const endingBelievedEarly: Break = {
  name: 'ending-believed-early',
  does: 'an application is believed that it has ended a branch before that was decided (R12)',
  caughtAs: /^R3: the end of .* was written before/,
  step: (step) => {
    const said = new Map<string, Ending[]>()
    return (state, now, event) => {
      const effects = [...step(state, now, event)]
      if (event.type === 'ended_by_application') {
        const { xid } = event.ending
        said.set(xid, [...(said.get(xid) ?? []), event])
      }
      if (event.type !== 'appended' || event.token.of !== 'decision') return effects
      for (const ending of said.get(event.token.xid) ?? [])
        effects.push(...step(state, now, byHolder(state, ending)))
      return effects
    }
  },
}

export const endingOfOthersBelieved: Break = {
  name: 'ending-of-others-believed',
  does: 'a session is believed that it has ended a branch of another session (R12)',
  caughtAs: /^R3: the end of .* was written before/,
  step: (step) => (state, now, event) =>
    step(state, now, event.type === 'ended_by_application' ? byHolder(state, event) : event),
}

function byHolder(state: ProtocolState, event: Ending): Ending {
  const session = state.transactions.get(event.ending.xid as Xid)?.session?.number
  return session === undefined ? event : { ...event, session }
}

/** Of a transaction, or of a lease that nobody has used. */
function holderOf(state: ProtocolState, xid: string): number | undefined {
  const transaction = state.transactions.get(xid as Xid)
  if (transaction !== undefined) return transaction.session?.number
  const parts = tryParseXid(xid)
  if (parts === undefined || parts.epoch !== state.epoch) return undefined
  for (const { number, leases } of state.sessions.values()) {
    const holds = leases.some(
      ({ firstSequence, count }) => parts.sequence >= firstSequence && parts.sequence < firstSequence + count,
    )
    if (holds) return number
  }
  return undefined
}
