/**
 * A participant that is gone for ever: its acknowledgement is waited for no longer (XA's forget). Should it come back
 * within the retention, what it holds is still told the decision.
 *
 * A branch of a log that is lost: nobody will ever tell it. An operator does, at the participant that holds it;
 * what the lost log had decided can't be known here. The same for a branch that this log has forgotten, and for one
 * that broke its pledge and is still held.
 */
import { PledgedError } from '../../base/errors.ts'
import type { Xid } from '../../base/ids.ts'
import { parseXid } from '../../base/ids.ts'
import { settle } from '../delivering.ts'
import { endTransaction } from '../ending.ts'
import { tellHeld } from '../holding.ts'
import { isLiving, issuedHere, standingOf } from '../lookup.ts'
import type { HeldBranch, Verb } from '../messages.ts'
import type { BranchForgottenRecord } from '../records.ts'
import type { ParticipantState, Transaction, Turn } from '../state.ts'
import { branchAt, heuristicKey, isReachable, note, participantOf } from '../state.ts'
import { knownParticipant } from './pause.ts'
import { type OperatorEvent, type Plan, quoted, type RequestOf } from './plan.ts'

type Request = RequestOf<'forget_branch'>

export function planForgetBranch(turn: Turn, event: OperatorEvent, request: Request): Plan {
  const { state } = turn
  const participant = knownParticipant(turn, request.participant)
  const parts = parseXid(request.xid)
  const transaction = state.transactions.get(request.xid as Xid)
  if (transaction !== undefined && transaction.phase !== 'ended') {
    return giveUp(turn, event, request, transaction)
  }
  const held = participant.foreign.find(({ xid }) => xid === request.xid)
  if (held !== undefined) return endHeld(turn, participant, request, held)
  const broken = state.heuristics.get(heuristicKey(request.xid as Xid, participant.name))
  if (broken !== undefined) return endHeld(turn, participant, request, undefined)
  if (standingOf(state, parts) === 'issued') {
    throw new PledgedError(
      'TRANSACTION_DECIDED',
      `${request.xid} has ended: nothing of it waits for ${quoted(participant.name)}`,
    )
  }
  if (parts.logId === state.logId) issuedHere(state, request.xid)
  throw new PledgedError(
    'FOREIGN_XID',
    `the last scan of ${quoted(participant.name)} didn't show ${request.xid}: only a branch that it holds prepared can be ended`,
  )
}

/** Of this log, decided, and not acknowledged. */
function giveUp(turn: Turn, { who, why }: OperatorEvent, request: Request, transaction: Transaction): Plan {
  const { xid } = transaction
  const name = request.participant
  const branch = branchAt(transaction, name)
  if (branch === undefined) {
    throw new PledgedError(
      'INVALID_REQUEST',
      `${xid} has no branch at ${quoted(name)}: it has ${branchesOf(transaction)}`,
    )
  }
  if (transaction.decision === undefined) {
    throw new PledgedError(
      'TRANSACTION_UNDECIDED',
      `${xid} has no decision yet: it is resolved first, and its branches are given up then`,
    )
  }
  if (request.decision !== undefined) {
    throw new PledgedError(
      'INVALID_REQUEST',
      `${transaction.decision} was decided for ${xid}: no other decision can be given`,
    )
  }
  if (!participantOf(turn, name).owed.has(xid)) {
    throw new PledgedError(
      'TRANSACTION_DECIDED',
      `${quoted(name)} has acknowledged its branch of ${xid}: it isn't waited for`,
    )
  }
  const record: BranchForgottenRecord = {
    type: 'branch_forgotten',
    xid,
    participant: name,
    who,
    why,
    timeMs: turn.now.wallMs,
  }
  return {
    consequences: [
      `the ${transaction.decision} is no longer delivered to ${quoted(name)}: how its branch ends there, nobody will know`,
      `should ${quoted(name)} come back and hold the branch, it is told to ${transaction.decision}, as long as the transaction is kept`,
      ...(participantOf(turn, name).link === undefined
        ? []
        : [`${quoted(name)} is connected at present: it may still acknowledge by itself`]),
    ],
    result: 'given up',
    records: [record],
    apply: (now) => branchForgotten(now, record),
  }
}

function branchForgotten(turn: Turn, { xid, participant: name, who, why }: BranchForgottenRecord): void {
  const participant = participantOf(turn, name)
  const transaction = participant.owed.get(xid)?.transaction
  const branch = branchAt(transaction, name)
  // It may have acknowledged while the record was written.
  if (transaction === undefined || branch === undefined) return
  branch.state = 'forgotten'
  settle(turn, participant, xid)
  note(turn, transaction, 'operator', name, `given up by ${who}: ${why}`)
  transaction.unacknowledged -= 1
  if (transaction.unacknowledged === 0) endTransaction(turn, transaction)
}

/** Nobody else will tell it. */
function endHeld(
  turn: Turn,
  participant: ParticipantState,
  request: Request,
  held: HeldBranch | undefined,
): Plan {
  const { name } = participant
  const verb: Verb = request.decision ?? 'abort'
  if (held !== undefined && isLiving(held, turn.state.limits, turn.now.wallMs)) {
    throw new PledgedError(
      'FOREIGN_XID',
      `${request.xid} is of another log, whose coordinator was seen at ${quoted(name)} lately: that one will end it`,
    )
  }
  if (!isReachable(participant)) {
    throw new PledgedError(
      'UNAVAILABLE',
      `${quoted(name)} can't be told now: it is ${participant.pause === undefined ? 'not connected' : 'paused'}`,
    )
  }
  return {
    consequences: [
      `${quoted(name)} is told to ${verb} what it holds of ${request.xid}`,
      'how the other branches of that transaction ended is not known here',
    ],
    result: `told to ${verb}`,
    records: [],
    apply: (now) => {
      const holder = participantOf(now, name)
      if (!isReachable(holder) || holder.owed.has(request.xid as Xid)) return
      holder.foreign = holder.foreign.filter(({ xid }) => xid !== request.xid)
      tellHeld(now, holder, request.xid as Xid, verb, held?.prepareTimeMs ?? now.now.wallMs)
    },
  }
}

function branchesOf({ branches }: Transaction): string {
  return branches.length === 0 ? 'none' : branches.map(({ participant }) => quoted(participant)).join(', ')
}
