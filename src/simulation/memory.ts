/** What the core holds in its memory of transactions: nothing, when they all have ended. */
import type { ProtocolState } from '../protocol/state.ts'
import type { Left } from './checkers/index.ts'

export function leftInCore(state: ProtocolState): Left[] {
  const participants = [...state.participants.values()]
  const sum = (size: (participant: (typeof participants)[number]) => number) =>
    participants.reduce((total, participant) => total + size(participant), 0)
  return [
    { of: 'transactions', count: state.transactions.size },
    { of: 'deadlines', count: state.deadlines.size },
    { of: 'deadlines of waiters', count: state.waiterDeadlines.size },
    { of: 'inquiries', count: state.inquiries.size },
    { of: 'sessions', count: state.sessions.size },
    { of: 'votes awaited', count: sum(({ voting }) => voting.size) },
    { of: 'deliveries owed', count: sum(({ owed }) => owed.size) },
    { of: 'deliveries in trouble', count: sum(({ troubled }) => troubled.size) },
    { of: 'witnesses to be swept', count: sum(({ forgets }) => forgets.length) },
    { of: 'links to be admitted', count: sum(({ admitting }) => (admitting === undefined ? 0 : 1)) },
  ]
}
