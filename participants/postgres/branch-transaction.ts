/**
 * A branch, from BEGIN to its pledge, on one session. The witness is written last: a branch that wrote nothing needs
 * none and votes read-only, and from the witness to PREPARE nothing of the user's runs any more.
 */
import { escapeLiteral } from 'pg'
import { type Vote, vote } from '../../src/sdk/participant/index.ts'
import { Refusal } from '../shared/refusal.ts'
import type { PledgeRequest } from '../shared/servers/branch-store.ts'
import { DatabaseFailure } from '../shared/servers/database-failure.ts'
import type { Statement } from '../shared/statement-work.ts'
import { gidOf } from './names.ts'
import type { OpenedDatabase } from './opening.ts'
import type { Session } from './session.ts'

export interface BranchTransactionOptions {
  readonly branch: string
  readonly database: OpenedDatabase
  readonly lockTimeoutMs: number
}

/** Throws DatabaseFailure where the end is unclear; the session is then of no use any more. */
export async function pledgeBranch(
  session: Session,
  request: PledgeRequest,
  options: BranchTransactionOptions,
): Promise<Vote> {
  try {
    const begun = await begin(session, request, options)
    for (const statement of request.statements) await runStatement(session, statement)
    const hasWritten = await writeWitness(session, request, { ...options, begun })
    if (!hasWritten) {
      await session.command('work', 'ROLLBACK')
      return vote.readOnly()
    }
    return request.onePhase
      ? await commit(session)
      : await prepare(session, gidOf(request.xid, options.branch))
  } catch (error) {
    const voted = noVoteOf(error)
    if (voted === undefined) throw error
    await rollBack(session)
    return voted
  }
}

/** Resolves with what tells this transaction from any other of the session. */
async function begin(
  session: Session,
  { timeoutMs }: PledgeRequest,
  { database, lockTimeoutMs }: BranchTransactionOptions,
): Promise<string> {
  const settings = [
    `lock_timeout = ${Math.max(1, Math.min(lockTimeoutMs, timeoutMs))}`,
    `statement_timeout = ${timeoutMs}`,
    // Of a process that lost its power the server hears nothing, for hours: its locks, and its witness, go with this.
    `idle_in_transaction_session_timeout = ${timeoutMs}`,
    ...database.settings,
  ]
  const script = [
    'BEGIN READ WRITE',
    ...settings.map((setting) => `SET LOCAL ${setting}`),
    'SELECT extract(epoch FROM transaction_timestamp())::text AS begun',
  ]
  const [row] = await session.script<{ begun: string }>('work', script.join('; '))
  return row?.begun ?? ''
}

async function runStatement(session: Session, { place, sql, params, expectRows }: Statement): Promise<void> {
  let rowCount: number
  try {
    ;({ rowCount } = await session.run('work', sql, params))
  } catch (error) {
    throw error instanceof DatabaseFailure ? error.at(place) : error
  }
  if (session.transactionStatus !== 'T') {
    throw new Refusal(
      `${place} ended the transaction of the branch, which only its coordinator may: what ran before may have been committed`,
    )
  }
  if (expectRows === undefined || rowCount === expectRows) return
  throw new Refusal(`${place} was to change or return ${expectRows} rows, and it was ${rowCount}`)
}

/**
 * R14: in the same statement, before the witness is written, the transaction is seen to be the one that was begun,
 * under the role that will end it. `false`: the branch has written nothing, and no witness was written.
 */
async function writeWitness(
  session: Session,
  { xid }: PledgeRequest,
  { branch, database, begun }: BranchTransactionOptions & { readonly begun: string },
): Promise<boolean> {
  const text = `
    WITH state AS (
      SELECT extract(epoch FROM transaction_timestamp())::text = $3 AND current_user = $4 AS is_own,
             txid_current_if_assigned() IS NOT NULL AS has_written
    ), written AS (
      INSERT INTO ${database.tables.witness} (xid, branch, outcome)
      SELECT $1, $2, 'committed' FROM state WHERE is_own AND has_written
      RETURNING xid
    )
    SELECT is_own, has_written,
           (SELECT count(*) FROM written) AS witnesses,
           set_config('statement_timeout', '0', true)
    FROM state`
  const [state] = await session.rows<{ is_own: boolean; has_written: boolean; witnesses: string }>(
    'work',
    text,
    [xid, branch, begun, database.role],
  )
  if (state?.is_own !== true) {
    throw new Refusal(
      'the work ended the transaction of the branch and began another, or changed its role: what ran before may have been committed',
    )
  }
  if (!state.has_written) return false
  if (state.witnesses === '1') return true
  throw new Refusal(
    'the witness of the branch was not written: is there a rule or a trigger on pledged_witness?',
  )
}

async function prepare(session: Session, gid: string): Promise<Vote> {
  const command = await session.command('prepare', `PREPARE TRANSACTION ${escapeLiteral(gid)}`)
  if (command === 'PREPARE') return vote.yes()
  // PostgreSQL answers the PREPARE of a failed transaction with the tag ROLLBACK, and no error.
  throw new Refusal(`PostgreSQL rolled the branch back instead of preparing it (${command})`)
}

async function commit(session: Session): Promise<Vote> {
  const command = await session.command('prepare', 'COMMIT')
  if (command === 'COMMIT') return vote.committed()
  throw new Refusal(`PostgreSQL rolled the branch back instead of committing it (${command})`)
}

/** Undefined: no vote can be given here. */
function noVoteOf(error: unknown): Vote | undefined {
  if (error instanceof Refusal) return vote.no(error.message, { retryable: error.retryable })
  if (!(error instanceof DatabaseFailure) || error.effect !== 'not_done') return undefined
  if (isOfWitness(error)) {
    return vote.no(
      'this transaction has ended here already: its prepare comes too late, or for the second time',
    )
  }
  return vote.no(error.message, { retryable: error.retryable })
}

function isOfWitness({ code, cause }: DatabaseFailure): boolean {
  const { table } = (cause ?? {}) as { readonly table?: unknown }
  return code === '23505' && table === 'pledged_witness'
}

async function rollBack(session: Session): Promise<void> {
  if (session.lost || session.transactionStatus === 'I') return
  try {
    await session.command('work', 'ROLLBACK')
  } catch {
    // Its session is destroyed, and the server rolls back.
  }
}
