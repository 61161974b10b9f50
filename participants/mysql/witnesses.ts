/**
 * The witness: a row written by the branch in its own transaction, or by an abort that found nothing (R4). It is read in
 * a fresh READ COMMITTED transaction, on a server that takes writes (R3).
 */
import type { Xid } from '../../src/sdk/participant/index.ts'
import type { WitnessOutcome } from '../shared/servers/branch-store.ts'
import { DatabaseFailure } from '../shared/servers/database-failure.ts'
import type { Connections } from './connections.ts'
import { DUPLICATE_KEY, LOCKED_FOR_TOO_LONG } from './errors.ts'
import { endIdleHolder } from './idle-holder.ts'
import { textOf } from './session.ts'
import { TAKES_WRITES } from './witness-sql.ts'

export interface WitnessesOptions {
  readonly branch: string
  readonly connections: Pick<Connections, 'side' | 'kill'>
  readonly answerTimeoutMs: number
}

const READ = `SELECT CAST(@@GLOBAL.read_only AS CHAR) AS read_only,
  (SELECT outcome FROM pledged_witness WHERE xid = ? AND branch = ?) AS outcome`
const ENDED = 'SELECT xid AS xid FROM pledged_witness WHERE branch = ? AND xid IN (?)'
/** The user may be one whom read_only doesn't stop; a replica doesn't know who writes at the primary. */
const INSERT_ABORTED = `INSERT INTO pledged_witness (xid, branch, outcome)
  SELECT ?, ?, 'aborted' FROM DUAL WHERE ${TAKES_WRITES}`

export class Witnesses {
  readonly #options: WitnessesOptions

  constructor(options: WitnessesOptions) {
    this.#options = options
  }

  read(xid: Xid): Promise<WitnessOutcome | undefined> {
    const { branch, connections, answerTimeoutMs } = this.#options
    return connections.side(async (session) => {
      const [row] = await session.rows(READ, [xid, branch], { phase: 'look', answerTimeoutMs })
      if (row === undefined || !['0', 'OFF'].includes(textOf(row, 'read_only').toUpperCase()))
        throw readOnly()
      const outcome = row['outcome']
      if (outcome === null) return undefined
      if (outcome === 'committed' || outcome === 'aborted') return outcome
      throw strange(`the witness of ${xid} says ${JSON.stringify(outcome)}, which Pledged has not written`)
    })
  }

  insertAborted(xid: Xid): Promise<'inserted' | 'exists'> {
    const { branch, connections, answerTimeoutMs } = this.#options
    return connections.side(async (session) => {
      try {
        const options = { phase: 'end', answerTimeoutMs } as const
        const { changedRows } = await session.change(INSERT_ABORTED, [xid, branch], options)
        if (changedRows === 0) throw readOnly()
        return 'inserted'
      } catch (error) {
        if (error instanceof DatabaseFailure && error.code === DUPLICATE_KEY) return 'exists'
        if (error instanceof DatabaseFailure && error.code === LOCKED_FOR_TOO_LONG) {
          await endIdleHolder(session, xid, { phase: 'look', answerTimeoutMs, branch, connections })
        }
        throw error
      }
    })
  }

  /**
   * R5. What is prepared isn't to be seen, and isn't touched: its lock is held for as long as it is in doubt. The others
   * go by the primary key, one after the other: with `xid IN (...)` the server may prefer to read the whole table, and
   * would wait for such locks on its way.
   */
  remove(xids: readonly Xid[]): Promise<void> {
    const { branch, connections, answerTimeoutMs } = this.#options
    if (xids.length === 0) return Promise.resolve()
    return connections.side(async (session) => {
      const rows = await session.rows(ENDED, [branch, xids], { phase: 'look', answerTimeoutMs })
      const ended = rows.map((row) => textOf(row, 'xid'))
      if (ended.length === 0) return
      await session.change(removal(ended.length), [...ended, branch], { phase: 'end', answerTimeoutMs })
    })
  }
}

function removal(count: number): string {
  const given = 'SELECT CONVERT(? USING ascii) COLLATE ascii_bin AS xid'
  return (
    `DELETE w FROM (${Array.from({ length: count }, () => given).join(' UNION ALL ')}) AS ended ` +
    'STRAIGHT_JOIN pledged_witness AS w FORCE INDEX (PRIMARY) ON w.xid = ended.xid AND w.branch = ?'
  )
}

export function readOnly(): DatabaseFailure {
  return strange('the server is read_only: it may be a replica, which does not know what became of a branch')
}

function strange(message: string): DatabaseFailure {
  return new DatabaseFailure('1836', message, { effect: 'not_done', retryable: true, connectionLost: true })
}
