/** The coordinator's state as people and monitors see it. */
import { PledgedError } from '../base/errors.ts'
import type { XidPosition } from '../base/ids.ts'
import { compareXids } from '../base/ids.ts'
import type { Log } from '../log/log.ts'
import { isLiving, withoutRecord } from '../protocol/lookup.ts'
import type { TransactionView } from '../protocol/requests.ts'
import type { ParticipantState, ProtocolState, Transaction } from '../protocol/state.ts'
import { newParticipant } from '../protocol/state.ts'
import { viewOf, viewOfKept } from '../protocol/view.ts'
import type { RecoveryView } from './recoveries.ts'
import type { ParticipantView, StatusView, TransactionPage, TransactionQuery } from './views.ts'

const PAGE_SIZE_MAX = 1_000
const PAGE_SIZE_DEFAULT = 50

/** A branch has pledged and has not acknowledged the decision, or there is none yet. */
function isInDoubt(transaction: Transaction): boolean {
  return transaction.branches.some(
    (branch) =>
      branch.state === 'prepared' ||
      branch.state === 'committing' ||
      // Handed over, and nobody knows how it ended (R17).
      (transaction.phase === 'handed_over' && transaction.unknown) ||
      (branch.state === 'aborting' && branch.vote?.vote === 'yes'),
  )
}

interface Doubt {
  readonly inDoubt: number
  readonly oldestInDoubtTimeMs: number | undefined
}

/** Of the transactions in memory, and of the branches that participants hold of transactions that aren't. */
function doubtOf(state: ProtocolState): Doubt {
  const since = new Map<string, number>()
  for (const transaction of state.transactions.values()) {
    if (isInDoubt(transaction)) since.set(transaction.xid, transaction.createTimeMs)
  }
  for (const participant of state.participants.values()) {
    for (const [xid, timeMs] of heldWithoutTransaction(state, participant)) since.set(xid, timeMs)
  }
  return summary(since.values())
}

function doubtAt(state: ProtocolState, participant: ParticipantState): Doubt {
  const since = new Map(heldWithoutTransaction(state, participant))
  for (const [xid, owed] of participant.owed) since.set(xid, owed.sinceTimeMs)
  for (const transaction of participant.voting) {
    const branch = transaction.branches.find((other) => other.participant === participant.name)
    if (branch?.state === 'prepared') since.set(transaction.xid, transaction.createTimeMs)
  }
  return summary(since.values())
}

function heldWithoutTransaction(state: ProtocolState, participant: ParticipantState): [string, number][] {
  const held: [string, number][] = []
  for (const [xid, owed] of participant.owed) {
    if (owed.transaction === undefined) held.push([xid, owed.sinceTimeMs])
  }
  for (const inquiry of state.inquiries.values()) {
    const sinceTimeMs = inquiry.holders.get(participant.name)
    if (sinceTimeMs !== undefined) held.push([inquiry.xid, sinceTimeMs])
  }
  return held
}

function summary(sinceTimesMs: Iterable<number>): Doubt {
  let inDoubt = 0
  let oldestInDoubtTimeMs: number | undefined
  for (const timeMs of sinceTimesMs) {
    inDoubt += 1
    if (oldestInDoubtTimeMs === undefined || timeMs < oldestInDoubtTimeMs) oldestInDoubtTimeMs = timeMs
  }
  return { inDoubt, oldestInDoubtTimeMs }
}

function viewOfParticipant(
  state: ProtocolState,
  participant: ParticipantState,
  recovery: RecoveryView | undefined,
  nowWallMs: number,
): ParticipantView {
  return {
    name: participant.name,
    kind: participant.kind,
    resourceId: participant.resourceId,
    keepsWitnesses: participant.keepsWitnesses,
    link: recovery?.dialled === true ? 'dialled' : 'attached',
    up: participant.link !== undefined,
    state: recovery?.state ?? 'away',
    ...doubtAt(state, participant),
    foreignBranches: participant.foreign.length,
    foreignBranchesOfLivingLogs: participant.foreign.filter((held) => isLiving(held, state.limits, nowWallMs))
      .length,
    lastError: recovery?.lastError ?? '',
    failures: recovery?.failures ?? 0,
    nextTryTimeMs: recovery?.nextTryTimeMs,
    pause: participant.pause && {
      who: participant.pause.who,
      why: participant.pause.why,
      timeMs: participant.pause.timeMs,
    },
  }
}

/** What the state does not know of itself. */
export interface Surroundings {
  readonly uptimeMs: number
  readonly nowWallMs: number
  readonly forcedWrites: number
  readonly recoveries: ReadonlyMap<string, RecoveryView>
}

export function statusOf(state: ProtocolState, around: Surroundings): StatusView {
  let inFlight = 0
  for (const transaction of state.transactions.values()) if (transaction.decision === undefined) inFlight += 1
  return {
    logId: state.logId,
    epoch: state.epoch,
    uptimeMs: around.uptimeMs,
    inFlight,
    ...doubtOf(state),
    heuristics: state.heuristics.size,
    committed: state.committed,
    aborted: state.aborted,
    forcedWrites: around.forcedWrites,
    draining: state.draining,
    logFailure: state.failure,
    participants: [...new Set([...state.participants.keys(), ...around.recoveries.keys()])].map((name) =>
      viewOfParticipant(
        state,
        state.participants.get(name) ?? newParticipant(name),
        around.recoveries.get(name),
        around.nowWallMs,
      ),
    ),
  }
}

/**
 * Unfinished ones first, the oldest first; then, if asked for, what has ended, the youngest first. Of broken pledges
 * all that nobody has acknowledged: they don't end by themselves.
 */
export async function listTransactions(
  state: ProtocolState,
  log: Log,
  query: TransactionQuery,
  nowWallMs: number,
): Promise<TransactionPage> {
  if (query.heuristic === true) return listHeuristics(state, log, query, nowWallMs)
  return listAll(state, log, query, nowWallMs)
}

async function listHeuristics(
  state: ProtocolState,
  log: Log,
  query: TransactionQuery,
  nowWallMs: number,
): Promise<TransactionPage> {
  const pageSize = pageSizeOf(query)
  const place = parsePageToken(query.pageToken)
  const xids = [...new Set([...state.heuristics.values()].map(({ xid }) => xid))]
  const views = await Promise.all(
    xids.map(async (xid) => {
      const transaction = state.transactions.get(xid)
      if (transaction !== undefined) return viewOf(transaction)
      const kept = await log.findTransaction(xid)
      return kept === undefined ? withoutRecord(state, xid) : viewOfKept(kept)
    }),
  )
  const matching = views
    .filter((view) => matches(view, query, nowWallMs))
    .map((view) => ({ view, place: positionOf(view.xid) }))
    .sort((left, right) => compareXids(left.place, right.place))
  const following = matching.filter(
    (other) => place === undefined || compareXids(other.place, place.after) > 0,
  )
  const last = following[pageSize - 1]
  return {
    transactions: following.slice(0, pageSize).map(({ view }) => view),
    nextPageToken:
      following.length > pageSize && last !== undefined ? pageToken('unfinished', last.place) : '',
    totalUnfinished: matching.length,
  }
}

function pageSizeOf({ pageSize }: TransactionQuery): number {
  return Math.min(pageSize <= 0 ? PAGE_SIZE_DEFAULT : pageSize, PAGE_SIZE_MAX)
}

async function listAll(
  state: ProtocolState,
  log: Log,
  query: TransactionQuery,
  nowWallMs: number,
): Promise<TransactionPage> {
  const pageSize = pageSizeOf(query)
  const place = parsePageToken(query.pageToken)
  const matching = [...state.transactions.values()]
    .filter((transaction) => transaction.phase !== 'ended')
    .filter((transaction) => matches(viewOf(transaction), query, nowWallMs))
    .filter((transaction) => query.inDoubt !== true || isInDoubt(transaction))
    .sort(compareXids)
  const totalUnfinished = matching.length
  const unfinished = place?.ended
    ? []
    : matching.filter((transaction) => place === undefined || compareXids(transaction, place.after) > 0)
  const transactions = unfinished.slice(0, pageSize).map((transaction) => viewOf(transaction))
  const last = unfinished[pageSize - 1]
  if (unfinished.length > pageSize && last !== undefined) {
    return { transactions, nextPageToken: pageToken('unfinished', last), totalUnfinished }
  }
  if (query.includeEnded !== true || query.inDoubt === true) {
    return { transactions, nextPageToken: '', totalUnfinished }
  }
  const room = pageSize - transactions.length
  const ended = await listEnded(log, query, room, place?.ended === true ? place.after : undefined, nowWallMs)
  return {
    transactions: [...transactions, ...ended.transactions],
    nextPageToken: ended.nextPageToken,
    totalUnfinished,
  }
}

/** A page may be short, or empty, where the filters leave little: the token says whether there is more. */
async function listEnded(
  log: Log,
  query: TransactionQuery,
  room: number,
  before: XidPosition | undefined,
  nowWallMs: number,
): Promise<{ transactions: TransactionView[]; nextPageToken: string }> {
  if (room === 0) return { transactions: [], nextPageToken: pageToken('ended', before ?? FROM_THE_TOP) }
  const kept = await log.listEnded({ pageSize: room, before, participant: query.participant })
  const oldest = kept.at(-1)
  const transactions = kept.map(viewOfKept).filter((view) => matches(view, query, nowWallMs))
  if (oldest === undefined || kept.length < room) return { transactions, nextPageToken: '' }
  return { transactions, nextPageToken: pageToken('ended', positionOf(oldest.record.xid)) }
}

const FROM_THE_TOP: XidPosition = { epochNumber: 999_999_999, sequence: Number.MAX_SAFE_INTEGER }

function matches(view: TransactionView, query: TransactionQuery, nowWallMs: number): boolean {
  if (query.states.length > 0 && !query.states.includes(view.state)) return false
  if (query.heuristic === true && !view.heuristic) return false
  if (query.minAgeMs !== undefined && nowWallMs - view.createTimeMs < query.minAgeMs) return false
  return (
    query.participant === undefined ||
    view.branches.some((branch) => branch.participant === query.participant)
  )
}

function positionOf(xid: string): XidPosition {
  const [, epoch = '', sequence = ''] = xid.split('.')
  return { epochNumber: Number.parseInt(epoch, 10), sequence: Number(sequence) }
}

function pageToken(list: 'unfinished' | 'ended', place: XidPosition): string {
  return `${list === 'ended' ? 'e' : 'u'}${place.epochNumber}.${place.sequence}`
}

function parsePageToken(token: string): { ended: boolean; after: XidPosition } | undefined {
  if (token === '') return undefined
  const match = /^([ue])(\d{1,9})\.(\d{1,16})$/.exec(token)
  if (match === null) {
    throw new PledgedError('INVALID_REQUEST', 'page_token is not one that an earlier page gave')
  }
  return { ended: match[1] === 'e', after: { epochNumber: Number(match[2]), sequence: Number(match[3]) } }
}
