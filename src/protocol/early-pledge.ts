/**
 * Early pledge: branches that the application prepares on connections of its own (R12). Each is enlisted first, so that what
 * the application leaves behind is known, and a commit names exactly those that were enlisted.
 *
 * Once it is decided the application ends them by itself. The participant, the coordinator's own connection to the same
 * resource, is told only when the application says that it doesn't know, when its session has ended, or when it has said
 * nothing for the delivery timeout.
 */
import { PledgedError } from '../base/errors.ts'
import { guarded } from './admission.ts'
import { type Refusal, refusalOfNewWork, unknownParticipant } from './checks.ts'
import { acknowledged, notDelivered, owe, sendVerb, trouble } from './delivering.ts'
import type { Event } from './events.ts'
import { issuedHere } from './lookup.ts'
import type { Verb } from './messages.ts'
import type { PreparedBranch } from './requests.ts'
import { beginLeased, requireSession } from './sessions.ts'
import type { Branch, ParticipantState, Transaction, Turn } from './state.ts'
import { branchAt, newBranch, note, participantOf } from './state.ts'

export function enlist(turn: Turn, { replyTo, request }: Extract<Event, { type: 'enlist' }>): void {
  guarded(turn, replyTo, () => {
    const { branch } = request
    const session = requireSession(turn.state, request.session)
    const xid = issuedHere(turn.state, request.xid)
    const known = turn.state.transactions.get(xid)
    const refusal =
      refusalOfBranch(turn, branch) ?? (known === undefined ? refusalOfNewWork(turn.state) : undefined)
    if (refusal !== undefined) throw refusal
    const transaction = known ?? beginLeased(turn, session.number, xid, undefined)
    if (transaction === undefined || transaction.session !== session) {
      throw new PledgedError(
        'XID_NOT_LEASED',
        `${xid} is not leased by this session, or has been used: begin with another xid`,
      )
    }
    if (transaction.phase !== 'active') {
      throw new PledgedError(
        'TRANSACTION_DECIDED',
        `${xid} takes no more branches: ${transaction.message === '' ? 'it was asked to commit' : transaction.message}`,
      )
    }
    addBranch(turn, transaction, branch)
    turn.effects.push({ type: 'enlisted', replyTo })
  })
}

function addBranch(turn: Turn, transaction: Transaction, branch: PreparedBranch): void {
  const enlisted = branchAt(transaction, branch.participant)
  if (enlisted !== undefined && isSame(enlisted.byApplication, branch)) return
  if (enlisted !== undefined) {
    throw new PledgedError(
      'DUPLICATE_PARTICIPANT',
      `participant "${branch.participant}" is enlisted in ${transaction.xid} with another connection`,
    )
  }
  const { branchesPerTransactionMax } = turn.state.limits
  if (transaction.branches.length >= branchesPerTransactionMax) {
    throw new PledgedError(
      'TOO_MANY_BRANCHES',
      `${transaction.xid} has ${transaction.branches.length} branches; limits.branches_per_transaction is ${branchesPerTransactionMax}`,
    )
  }
  transaction.branches.push({ ...newBranch(branch.participant, 'enlisted'), byApplication: branch })
  // Whoever looks for what holds the locks finds that connection in the database's own lists.
  note(
    turn,
    transaction,
    'begun',
    branch.participant,
    `on the application's connection ${branch.connectionId}`,
  )
}

/** A connection to another database than the participant's would leave behind what nobody can end (R10). */
function refusalOfBranch({ state }: Turn, { participant: name, resourceId }: PreparedBranch): Refusal {
  const participant = state.participants.get(name)
  if (participant?.known !== true) return unknownParticipant(state, name)
  if (participant.pause !== undefined) {
    return new PledgedError('PARTICIPANT_PAUSED', `participant "${name}" is paused: ${participant.pause.why}`)
  }
  if (participant.resourceId === resourceId) return undefined
  return new PledgedError(
    'INVALID_REQUEST',
    `participant "${name}" is bound to resource ${participant.resourceId}, and the connection leads to ${resourceId}: ` +
      'connect to the same database as the daemon does, or name the participant whose database it is',
  )
}

/** Why the list of a commit isn't that of what was enlisted. */
export function checkPrepared(
  transaction: Transaction | undefined,
  prepared: readonly PreparedBranch[],
): Refusal {
  const enlisted = transaction?.branches ?? []
  const agrees =
    enlisted.length === prepared.length &&
    prepared.every((branch) =>
      enlisted.some(
        (other) => other.participant === branch.participant && isSame(other.byApplication, branch),
      ),
    )
  if (agrees) return undefined
  const namesOf = (branches: readonly { readonly participant: string }[]): string =>
    branches.length === 0 ? 'none' : branches.map(({ participant }) => participant).join(', ')
  return new PledgedError(
    'INVALID_REQUEST',
    `prepared_branches (${namesOf(prepared)}) are not the branches that were enlisted (${namesOf(enlisted)}), with their ` +
      'resources and connections: abort the transaction',
  )
}

function isSame(one: PreparedBranch | undefined, other: PreparedBranch): boolean {
  return one?.resourceId === other.resourceId && one.connectionId === other.connectionId
}

/** The commit says how each of them has voted. */
export function acceptPrepared(
  turn: Turn,
  transaction: Transaction,
  prepared: readonly PreparedBranch[],
): void {
  for (const { participant, readOnly } of prepared) {
    const branch = branchAt(transaction, participant)
    if (branch === undefined) continue
    branch.state = readOnly === true ? 'read_only' : 'prepared'
    branch.vote = { vote: readOnly === true ? 'read_only' : 'yes' }
    note(turn, transaction, 'voted', participant, readOnly === true ? 'read_only' : 'yes, by its application')
  }
}

/** Books the decision of a branch, and sends it where nobody else will. */
export function tell(turn: Turn, transaction: Transaction, branch: Branch, verb: Verb): void {
  const participant = participantOf(turn, branch.participant)
  if (branch.byApplication !== undefined && transaction.session !== undefined) {
    leaveToApplication(turn, participant, transaction, verb)
    return
  }
  owe(turn, participant, transaction, branch, verb)
  if (participant.link !== undefined) sendVerb(turn, participant, transaction.xid, verb)
}

/** Booked as if it had been sent now: when nothing is heard of it for as long as of a delivery, recovery takes it over. */
function leaveToApplication(
  turn: Turn,
  participant: ParticipantState,
  transaction: Transaction,
  verb: Verb,
): void {
  participant.owed.delete(transaction.xid)
  participant.owed.set(transaction.xid, {
    verb,
    transaction,
    sentMs: turn.now.monotonicMs,
    attempts: 0,
    sinceTimeMs: turn.now.wallMs,
    lastError: '',
  })
  note(turn, transaction, 'delivery_tried', participant.name, 'left to its application')
}

/** Of a decision: an application that says so earlier, or of another session, says nothing. */
export function endedByApplication(
  turn: Turn,
  { session, ending }: Extract<Event, { type: 'ended_by_application' }>,
): void {
  const transaction = [...(turn.state.sessions.get(session)?.transactions ?? [])].find(
    ({ xid }) => xid === ending.xid,
  )
  const branch = branchAt(transaction, ending.participant)
  if (transaction === undefined || branch?.byApplication === undefined) return
  const participant = participantOf(turn, branch.participant)
  if (!participant.owed.has(transaction.xid)) return
  if (ending.result === 'done') {
    acknowledged(turn, participant, transaction.xid, 'acknowledged', 'by its application')
  } else {
    handToRecovery(turn, participant, transaction, 'its application could not learn how it ended')
  }
}

/** Nobody will say how these branches ended: their participants find out. */
export function leftByApplication(turn: Turn, transaction: Transaction, reason: string): void {
  for (const { participant: name, byApplication } of transaction.branches) {
    if (byApplication === undefined) continue
    handToRecovery(turn, participantOf(turn, name), transaction, `its application left it: ${reason}`)
  }
}

function handToRecovery(
  turn: Turn,
  participant: ParticipantState,
  transaction: Transaction,
  reason: string,
): void {
  const owed = participant.owed.get(transaction.xid)
  if (owed === undefined || participant.troubled.has(transaction.xid)) return
  notDelivered(turn, participant, owed, reason)
  trouble(turn, participant, transaction.xid, 'owed', reason)
}
