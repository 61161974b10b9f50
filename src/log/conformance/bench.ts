/** What the cases have in common: a log that is opened, appended to, and opened again. */
import { onTestFinished } from 'vitest'
import type { PledgedError } from '../../base/errors.ts'
import type { Xid } from '../../base/ids.ts'
import { formatXid } from '../../base/ids.ts'
import type { KeptTransaction, LogRecord } from '../../protocol/records.ts'
import type { Log, OpenedLog } from '../log.ts'

export interface LogBackend {
  /** A log on a place of its own, not opened. */
  create(): Log
  /** Another one on the place of a log that was closed. */
  reopen(log: Log): Log
  /** Another one on what a kill of its process would leave of an open log now. */
  crash(log: Log): Log
}

/** Appends, and waits for the answer. */
export function appended(log: Log, ...records: LogRecord[]): Promise<void> {
  return new Promise((resolve, reject) => {
    log.append(records, (failure) => (failure === undefined ? resolve() : reject(failure)))
  })
}

/** The failure of an append that is expected to fail. */
export function refused(log: Log, ...records: LogRecord[]): Promise<PledgedError | undefined> {
  return new Promise((resolve) => log.append(records, resolve))
}

export function xidsOf(opened: OpenedLog): (sequence: number) => Xid {
  return (sequence) => formatXid({ logId: opened.logId, epoch: opened.epoch, sequence })
}

export interface Opened {
  readonly log: Log
  readonly answer: OpenedLog
  readonly xid: (sequence: number) => Xid
}
export type Create = () => Promise<Opened>
export type Again = (log: Log) => Promise<Opened>

export async function opened(log: Log): Promise<Opened> {
  const answer = await log.open()
  onTestFinished(() => log.close())
  return { log, answer, xid: xidsOf(answer) }
}

export function xidsIn(kept: readonly KeptTransaction[]): readonly Xid[] {
  return kept.map(({ record }) => record.xid)
}

/** Of a transaction in which everyone kept their pledge. */
export const nothingBroken: Omit<KeptTransaction, 'record'> = {
  heuristics: [],
  acknowledgements: [],
  branchesForgotten: [],
}
