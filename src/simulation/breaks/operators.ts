/** R15 undone, in three ways. */
import type { AppendEffect, Effect } from '../../protocol/effects.ts'
import type { Event } from '../../protocol/events.ts'
import type { ProtocolState, Transaction } from '../../protocol/state.ts'
import type { Break } from './break.ts'

/** The operator has seen "undecided" a moment ago, and is believed. */
export const operatorOverrulesDecision: Break = {
  name: 'operator-overrules-decision',
  does: 'an operator aborts a transaction whose decision is being written, or has just been made (R15)',
  caughtAs: /^R15: an operator aborted .*, whose decision is commit/,
  step: (step) => (state, now, event) => {
    const transaction = state.transactions.get(xidResolved(event, 'abort'))
    if (transaction?.phase === 'appending' || transaction?.phase === 'committing') reopen(state, transaction)
    const { token } = event.type === 'appended' ? event : {}
    // The log's answer comes too late.
    if (token?.of === 'decision' && state.transactions.get(token.xid)?.phase !== 'appending') return []
    return step(state, now, event)
  },
}

/** As an admin page that writes its audit afterwards. */
export const operatorNotForced: Break = {
  name: 'operator-not-forced',
  does: "an operator's abort is carried out at once, and its record is written meanwhile (R15)",
  caughtAs: /^R15: the abort of .* was sent before/,
  step: (step) => (state, now, event) => {
    if (event.type === 'appended' && isAbort(event.token)) return []
    return step(state, now, event).flatMap((effect): Effect[] =>
      effect.type === 'append' && isAbort(effect.token)
        ? [...step(state, now, { type: 'appended', token: effect.token }), effect]
        : [effect],
    )
  },
}

/** The database that could not follow looks as if it had. */
export const operatorCommitUnmarked: Break = {
  name: 'operator-commit-unmarked',
  does: "an operator's commit without all votes is not recorded as a heuristic (R15)",
  caughtAs: /^R15: an operator committed .* without the vote of/,
  step: (step) => (state, now, event) =>
    step(state, now, event).map((effect) =>
      effect.type === 'append' && effect.token.of === 'operator'
        ? { ...effect, records: effect.records.filter(({ type }) => type !== 'heuristic') }
        : effect,
    ),
}

function xidResolved(event: Event, decision: 'commit' | 'abort'): Transaction['xid'] {
  if (event.type !== 'operator' || event.request.action !== 'resolve_transaction')
    return '' as Transaction['xid']
  return (event.request.decision === decision ? event.request.xid : '') as Transaction['xid']
}

function reopen(state: ProtocolState, transaction: Transaction): void {
  transaction.phase = 'preparing'
  transaction.decision = undefined
  transaction.unacknowledged = 0
  for (const branch of transaction.branches) {
    const participant = state.participants.get(branch.participant)
    participant?.owed.delete(transaction.xid)
    participant?.troubled.delete(transaction.xid)
    if (branch.state === 'committing') branch.state = 'prepared'
  }
}

function isAbort(token: AppendEffect['token']): boolean {
  return (
    token.of === 'operator' &&
    token.plan.records.some((record) => record.type === 'operator' && record.decision === 'abort')
  )
}
