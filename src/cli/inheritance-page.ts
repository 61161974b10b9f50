/** What a backup holds, and what a restored log inherits, and doesn't: for people and for programs. */
import type { Inheritance } from '../daemon/offline-log.ts'
import { counted, grouped, listed } from './text.ts'

/** A disaster's worth of them is better read from the JSON. */
const LISTED_MAX = 50

export function inheritanceJson(inherited: Inheritance) {
  const { forgottenThrough } = inherited
  return {
    log_id: inherited.logId,
    earlier_log_ids: inherited.earlierLogIds,
    epoch_number: inherited.epochNumber,
    records: inherited.records,
    unended: inherited.unended.map(({ xid, branches, decideTimeMs }) => ({
      xid,
      participants: branches,
      decide_time: new Date(decideTimeMs).toISOString(),
    })),
    handed_over: inherited.handedOver.map(({ xid, participant }) => ({ xid, participant })),
    heuristics: inherited.heuristics.map(({ xid, participant, ended, message }) => ({
      xid,
      participant,
      ended,
      message,
    })),
    participants: inherited.participants.map(({ name, kind, resourceId }) => ({
      name,
      kind,
      resource_id: resourceId,
    })),
    forgotten_through:
      forgottenThrough === undefined ? null : `${forgottenThrough.epochNumber}.${forgottenThrough.sequence}`,
  }
}

export function recordsText({ records, participants }: Inheritance): string {
  return `${counted(records, 'record')}, ${counted(participants.length, 'participant')}`
}

/** What counts on, each with the transactions that it is about. */
export function inheritedLines({ unended, heuristics }: Inheritance): string[] {
  const decided = `${counted(unended.length, 'commit')} not acknowledged by all${unended.length === 0 ? '' : ': delivered when a daemon starts'}`
  return [
    decided,
    ...indented(unended, ({ xid, branches }) => `${xid}  ${listed(branches)}`),
    ...(heuristics.length === 0
      ? []
      : [`${counted(heuristics.length, 'broken pledge')} that nobody has acknowledged`]),
    ...indented(heuristics, ({ xid, participant, ended }) => `${xid}  ${participant}, ended by ${ended}`),
  ]
}

/** What nobody may conclude from the absence of a record. */
export function notPresumedLines({ logId, earlierLogIds, handedOver }: Inheritance): string[] {
  const logs = [logId, ...earlierLogIds]
  return [
    `any other xid of ${logs.length === 1 ? 'log' : 'logs'} ${listed(logs)}: that log may have decided it after the backup; a branch that is still prepared is reported as foreign, and left alone (\`pledged diff\`)`,
    'a request that was first sent before now and is not in the backup: it is not run again',
    ...(handedOver.length === 0
      ? []
      : [`${counted(handedOver.length, 'transaction')} that only the participant knows the outcome of`]),
    ...indented(handedOver, ({ xid, participant }) => `${xid}  ${participant}`),
  ]
}

function indented<Item>(items: readonly Item[], line: (item: Item) => string): string[] {
  const lines = items.slice(0, LISTED_MAX).map((item) => `  ${line(item)}`)
  const more = items.length - lines.length
  return more === 0 ? lines : [...lines, `  and ${grouped(more)} more (--json has all of them)`]
}
