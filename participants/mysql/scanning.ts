/** What is prepared here under this participant's name, of every log, for how long, and what that costs. */
import { type HeldBranch, type HeldPage, tryParseXid } from '../../src/sdk/participant/index.ts'
import { DatabaseFailure } from '../shared/servers/database-failure.ts'
import type { Connections } from './connections.ts'
import { dirtyRows } from './dirty-read.ts'
import { DENIED } from './errors.ts'
import { recoveredXids } from './recovered.ts'
import { type Row, type Session, type StatementOptions, textOf } from './session.ts'

export interface ScanningOptions {
  readonly branch: string
  readonly connections: Pick<Connections, 'side'>
  readonly answerTimeoutMs: number
  readonly now?: () => number
}

/** Of branches that haven't ended, so by a dirty read: it tells people something, and decides nothing. */
const WITNESSES = `SELECT xid AS xid, changed_rows AS changed_rows, session_id AS session_id,
    CAST(UNIX_TIMESTAMP(time) * 1000 AS UNSIGNED) AS time_ms
  FROM pledged_witness WHERE branch = ? AND xid IN (?)`
const LOGS = `SELECT log_id AS log_id, CAST(UNIX_TIMESTAMP(last_seen) * 1000 AS UNSIGNED) AS time_ms
  FROM pledged_logs WHERE log_id IN (?)`
/** Takes the right PROCESS. A branch whose session is gone has no number there any more. */
const LOCKS = `SELECT trx_mysql_thread_id AS id, trx_rows_locked AS locked_rows, trx_tables_locked AS locked_tables
  FROM information_schema.innodb_trx WHERE trx_mysql_thread_id IN (?)`

export class Scanning {
  readonly #options: ScanningOptions
  readonly #look: StatementOptions
  /** For a branch whose witness can't be read: when it was first seen here. */
  readonly #firstSeenMs = new Map<string, number>()

  constructor(options: ScanningOptions) {
    this.#options = options
    this.#look = { phase: 'look', answerTimeoutMs: options.answerTimeoutMs }
  }

  isPrepared(xid: string): Promise<boolean> {
    return this.#options.connections.side(async (session) =>
      (await recoveredXids(session, this.#options.branch, this.#look)).includes(xid),
    )
  }

  list(pageSize: number, pageToken: string): Promise<HeldPage> {
    return this.#options.connections.side(async (session) => {
      const all = await this.#ownXids(session)
      this.#forgetAllBut(new Set(all))
      const rest = all.filter((xid) => xid > pageToken).sort(byCodeUnits)
      const page = rest.slice(0, pageSize)
      const branches = page.length === 0 ? [] : await this.#described(session, page)
      return { branches, nextPageToken: rest.length > page.length ? (page.at(-1) ?? '') : '' }
    })
  }

  /**
   * XA knows no databases: a participant of another database of this server, in another daemon, may have the same name.
   * A branch is this database's if its log was admitted here, or if it has written its witness here.
   */
  async #ownXids(session: Session): Promise<readonly string[]> {
    const listed = await recoveredXids(session, this.#options.branch, this.#look)
    const logs = await this.#logs(session, listed)
    const isAdmitted = (xid: string): boolean => logs.has(tryParseXid(xid)?.logId ?? '')
    const others = listed.filter((xid) => !isAdmitted(xid))
    const witnesses = await this.#witnesses(session, others)
    return listed.filter((xid) => isAdmitted(xid) || witnesses.has(xid))
  }

  async #logs(session: Session, xids: readonly string[]): Promise<ReadonlyMap<string, Row>> {
    const logIds = [...new Set(xids.flatMap((xid) => tryParseXid(xid)?.logId ?? []))]
    return byKey(logIds.length === 0 ? [] : await session.rows(LOGS, [logIds], this.#look), 'log_id')
  }

  async #witnesses(session: Session, xids: readonly string[]): Promise<ReadonlyMap<string, Row>> {
    const plain = xids.filter(isPlain)
    if (plain.length === 0) return new Map()
    return byKey(await dirtyRows(session, WITNESSES, [this.#options.branch, plain], this.#look), 'xid')
  }

  async #described(session: Session, xids: readonly string[]): Promise<readonly HeldBranch[]> {
    const witnesses = await this.#witnesses(session, xids)
    const logs = await this.#logs(session, xids)
    const locks = await this.#locks(session, [...witnesses.values()])
    return xids.map((xid) => {
      const witness = witnesses.get(xid)
      const logSeen = logs.get(tryParseXid(xid)?.logId ?? '')
      return {
        xid,
        prepareTimeMs: witness === undefined ? this.#firstSeen(xid) : Number(witness['time_ms']),
        cost: costOf(witness, locks.get(textOf(witness, 'session_id'))),
        logSeenTimeMs: logSeen === undefined ? undefined : Number(logSeen['time_ms']),
      }
    })
  }

  async #locks(session: Session, witnesses: readonly Row[]): Promise<ReadonlyMap<string, Row>> {
    const ids = witnesses.flatMap((row) => (row['session_id'] === null ? [] : textOf(row, 'session_id')))
    if (ids.length === 0) return new Map()
    try {
      return byKey(await session.rows(LOCKS, [ids], this.#look), 'id')
    } catch (error) {
      if (error instanceof DatabaseFailure && DENIED.has(error.code)) return new Map()
      throw error
    }
  }

  #firstSeen(xid: string): number {
    const seenMs = this.#firstSeenMs.get(xid) ?? (this.#options.now ?? Date.now)()
    this.#firstSeenMs.set(xid, seenMs)
    return seenMs
  }

  #forgetAllBut(xids: ReadonlySet<string>): void {
    for (const xid of this.#firstSeenMs.keys()) if (!xids.has(xid)) this.#firstSeenMs.delete(xid)
  }
}

function costOf(witness: Row | undefined, locks: Row | undefined): string {
  if (locks !== undefined) {
    return `holds ${textOf(locks, 'locked_rows')} row locks in ${textOf(locks, 'locked_tables')} tables, and their old versions`
  }
  const changed = textOf(witness, 'changed_rows')
  if (changed === '') return 'holds its locks, and the old versions of what it changed'
  return `holds the locks of ${changed} changed rows, and their old versions`
}

function byKey(rows: readonly Row[], column: string): ReadonlyMap<string, Row> {
  return new Map(rows.map((row) => [String(row[column]), row]))
}

/** What a witness can be called; anyone can prepare a branch of any name. */
function isPlain(xid: string): boolean {
  return /^[\x20-\x7e]+$/.test(xid)
}

function byCodeUnits(left: string, right: string): number {
  return left < right ? -1 : 1
}
