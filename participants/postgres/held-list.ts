/** What is prepared under this participant's name, and what each costs the database. */
import type { HeldBranch, HeldPage } from '../../src/sdk/participant/index.ts'
import type { Session } from './session.ts'
import type { Tables } from './tables.ts'

interface HeldRow {
  readonly xid: string
  readonly prepared_ms: number
  readonly transactions: number
  readonly owner: string
  readonly is_mine: boolean
  readonly locks: string
  readonly tables: readonly string[] | null
  readonly last_seen_ms: number | null
}

/**
 * Of this database, whoever prepared them: one that another role prepared must be seen all the same. A prepared
 * transaction keeps the virtual one that it was prepared in until a restart, and its locks are found by that: it is the
 * one that holds the lock on the transaction's own id, for no process.
 */
const list = ({ logs }: Tables): string => `
  WITH held AS (
    SELECT split_part(gid, '/', 2) COLLATE "C" AS xid, transaction, prepared, owner
    FROM pg_prepared_xacts
    WHERE database = current_database() AND gid = 'pledged/' || split_part(gid, '/', 2) || '/' || $1::text
  ), page AS (
    SELECT * FROM held WHERE xid > $2::text ORDER BY xid LIMIT $3::int
  ), own AS (
    SELECT l.transactionid::text AS id, l.virtualtransaction
    FROM pg_locks l JOIN page ON page.transaction = l.transactionid
    WHERE l.locktype = 'transactionid' AND l.pid IS NULL
  ), locks AS (
    SELECT own.id, count(*) AS locks,
           array_agg(DISTINCT c.oid::regclass::text) FILTER (
             WHERE c.relkind IN ('r', 'p', 'm') AND c.relname <> 'pledged_witness'
           ) AS tables
    FROM own
    JOIN pg_locks l ON l.virtualtransaction = own.virtualtransaction AND l.pid IS NULL
    LEFT JOIN pg_class c ON c.oid = l.relation
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    GROUP BY own.id
  )
  SELECT page.xid, extract(epoch FROM prepared)::float8 * 1000 AS prepared_ms, age(page.transaction) AS transactions,
         owner::text AS owner, owner = current_user AS is_mine, coalesce(locks.locks, 0) AS locks, locks.tables,
         extract(epoch FROM seen.last_seen)::float8 * 1000 AS last_seen_ms
  FROM page
  LEFT JOIN locks ON locks.id = page.transaction::text
  LEFT JOIN ${logs} seen ON seen.log_id = split_part(page.xid, '.', 1)
  ORDER BY page.xid`

export interface ListRequest {
  readonly branch: string
  readonly tables: Tables
  readonly pageSize: number
  readonly pageToken: string
}

export async function listHeld(
  session: Session,
  { branch, tables, pageSize, pageToken }: ListRequest,
): Promise<HeldPage> {
  const rows = await session.rows<HeldRow>('look', list(tables), [branch, pageToken, pageSize + 1])
  const branches = rows.slice(0, pageSize).map(toHeldBranch)
  return { branches, nextPageToken: rows.length > pageSize ? (branches.at(-1)?.xid ?? '') : '' }
}

function toHeldBranch(row: HeldRow): HeldBranch {
  return {
    xid: row.xid,
    prepareTimeMs: Math.round(row.prepared_ms),
    cost: costOf(row),
    logSeenTimeMs: row.last_seen_ms === null ? undefined : Math.round(row.last_seen_ms),
  }
}

function costOf({ locks, tables, transactions, owner, is_mine }: HeldRow): string {
  const where = tables === null ? '' : ` on ${tables.join(', ')}`
  return [
    `holds ${counted(Number(locks), 'lock')}${where}`,
    `holds back vacuum by ${counted(transactions, 'transaction')}`,
    ...(is_mine ? [] : [`prepared by the role ${owner}, which alone may end it`]),
  ].join('; ')
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
