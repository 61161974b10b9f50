/**
 * From work to vote: XA START, the statements, the witness, XA END, XA PREPARE on one session.
 *
 * R14 holds by XA itself: while a branch is active the server refuses whatever would end it, after a deadlock it
 * refuses everything else (also where a handler in a routine swallowed the error), and XA END succeeds only in the
 * transaction that XA START began. The witness is written just before it.
 *
 * An engine without transactions is the hole that remains. The catalogue refuses it beforehand; and since ROLLBACK TO
 * SAVEPOINT warns (1196) where such a table was changed, it is also seen when it happened unseen.
 */
import { type Vote, vote, type Xid } from '../../src/sdk/participant/index.ts'
import { Refusal } from '../shared/refusal.ts'
import type { PledgeRequest } from '../shared/servers/branch-store.ts'
import { DatabaseFailure } from '../shared/servers/database-failure.ts'
import type { Statement } from '../shared/statement-work.ts'
import type { Catalogue } from './catalogue.ts'
import type { Connections } from './connections.ts'
import { DUPLICATE_KEY } from './errors.ts'
import type { HeldSessions } from './held-sessions.ts'
import { objectionToName, xaLiteral } from './names.ts'
import type { ServerFacts } from './server-checks.ts'
import { type Session, textOf } from './session.ts'
import { onlyReads } from './statement-text.ts'
import { Watch } from './watch.ts'
import { insertWitness, WRITES_OF_SESSION } from './witness-sql.ts'
import { readOnly } from './witnesses.ts'

export interface PledgingOptions {
  readonly branch: string
  readonly connections: Connections
  readonly catalogue: Catalogue
  readonly held: HeldSessions
  readonly flavour: () => ServerFacts['flavour']
  readonly lockTimeoutMs: number
  readonly answerTimeoutMs: number
}

const WORK = { phase: 'work' } as const
const INSERT_WITNESS = insertWitness({ table: 'pledged_witness', xid: '?', branch: '?', changedRows: '?' })

export class Pledging {
  readonly #options: PledgingOptions

  constructor(options: PledgingOptions) {
    this.#options = options
  }

  async pledge(request: PledgeRequest): Promise<Vote> {
    const { branch, catalogue, connections, lockTimeoutMs } = this.#options
    const { xid, statements, timeoutMs, signal } = request
    const deadlineMs = performance.now() + timeoutMs
    const objection = objectionToName(xid, branch) ?? (await catalogue.objectionTo(statements))
    if (objection !== undefined) return vote.no(objection)
    const session = await connections.work({ lockTimeoutMs: Math.min(lockTimeoutMs, timeoutMs), signal })
    const watch = new Watch({ session, signal, deadlineMs, timeoutMs, connections })
    try {
      await this.#start(session, xid)
      return await this.#pledgeOn(session, request, watch)
    } catch (error) {
      await watch.settle()
      return await this.#undo(session, xid, watch.failure ?? error)
    } finally {
      watch.end()
    }
  }

  async #start(session: Session, xid: Xid): Promise<void> {
    try {
      await session.command(`XA START ${xaLiteral(xid, this.#options.branch)}`, WORK)
    } catch (error) {
      // What has this name is another session's, and must not be rolled back from here.
      session.destroy()
      throw error
    }
  }

  async #pledgeOn(session: Session, request: PledgeRequest, watch: Watch): Promise<Vote> {
    const { xid, statements, onePhase } = request
    const name = xaLiteral(xid, this.#options.branch)
    const changedRows = await this.#work(session, statements)
    if (changedRows === 'only read') {
      await session.command(`XA END ${name}`, WORK)
      await session.command(`XA ROLLBACK ${name}`, WORK)
      session.release()
      return vote.readOnly()
    }
    await this.#writeWitness(session, xid, changedRows)
    await this.#refuseUntransactional(session)
    await session.command(`XA END ${name}`, WORK)
    // From here on the statement is let run: to cut it off would only leave its effect unknown.
    watch.end()
    const options = { phase: 'prepare', answerTimeoutMs: this.#options.answerTimeoutMs } as const
    if (onePhase) {
      await session.command(`XA COMMIT ${name} ONE PHASE`, options)
      session.release()
      return vote.committed()
    }
    await session.command(`XA PREPARE ${name}`, options)
    this.#options.held.hold(xid, session)
    return vote.yes()
  }

  async #work(session: Session, statements: readonly Statement[]): Promise<number | 'only read'> {
    // A function that a SELECT calls may write: only where the session's counters stand still was nothing written.
    const mayOnlyRead = statements.every(({ sql }) => onlyReads(sql))
    const before = mayOnlyRead ? await writesOf(session) : ''
    let changedRows = 0
    for (const statement of statements) {
      const rows = await run(session, statement)
      if (!onlyReads(statement.sql)) changedRows += rows
    }
    return mayOnlyRead && (await writesOf(session)) === before ? 'only read' : changedRows
  }

  async #writeWitness(session: Session, xid: Xid, changedRows: number): Promise<void> {
    try {
      const values = [xid, this.#options.branch, changedRows]
      if ((await session.change(INSERT_WITNESS, values, WORK)).changedRows === 0) throw readOnly()
    } catch (error) {
      if (!(error instanceof DatabaseFailure) || error.code !== DUPLICATE_KEY) throw error
      throw new Refusal('this transaction was aborted here before its prepare arrived, or has ended already')
    }
  }

  async #refuseUntransactional(session: Session): Promise<void> {
    const probe =
      this.#options.flavour() === 'mariadb'
        ? ['BEGIN NOT ATOMIC SAVEPOINT pledged; ROLLBACK TO SAVEPOINT pledged; END']
        : ['SAVEPOINT pledged', 'ROLLBACK TO SAVEPOINT pledged']
    let warnings = 0
    for (const statement of probe) warnings = (await session.command(statement, WORK)).warnings
    if (warnings === 0) return
    throw new Refusal(
      'the work changed a table whose engine has no transactions: that change stays, though the branch is aborted. ' +
        'Make the table ENGINE=InnoDB, and grant the user TRIGGER, SHOW VIEW and EXECUTE, so that this is seen beforehand',
    )
  }

  /** The branch is not prepared, or nobody knows. Its session is cleared, or ended, which rolls back what is not. */
  async #undo(session: Session, xid: Xid, error: unknown): Promise<Vote> {
    const isClear =
      !(error instanceof DatabaseFailure) || (error.effect === 'not_done' && !error.connectionLost)
    if (isClear && session.isUsable) await this.#rollBack(session, xid)
    else session.destroy()
    if (error instanceof Refusal) return vote.no(error.message, { retryable: error.retryable })
    throw error
  }

  async #rollBack(session: Session, xid: Xid): Promise<void> {
    const name = xaLiteral(xid, this.#options.branch)
    const options = { phase: 'work', answerTimeoutMs: this.#options.answerTimeoutMs } as const
    try {
      // Refused where the server has rolled the branch back itself, or never began it.
      await session.command(`XA END ${name}`, options).catch(() => {})
      await session.command(`XA ROLLBACK ${name}`, options)
      session.release()
    } catch {
      session.destroy()
    }
  }
}

async function run(session: Session, { place, sql, params, expectRows }: Statement): Promise<number> {
  let rows: number
  try {
    rows = await session.work(sql, params)
  } catch (error) {
    if (!(error instanceof DatabaseFailure)) throw error
    throw new DatabaseFailure(error.code, `${place}: ${error.message}`, error, error)
  }
  if (expectRows !== undefined && rows !== expectRows) {
    throw new Refusal(`${place} was to affect ${expectRows} rows, and affected ${rows}`)
  }
  return rows
}

async function writesOf(session: Session): Promise<string> {
  const rows = await session.rows(WRITES_OF_SESSION, [], WORK)
  return rows.map((row) => `${textOf(row, 'Variable_name')}=${textOf(row, 'Value')}`).join(' ')
}
