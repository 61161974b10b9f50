/** An open branch on MySQL or MariaDB: an XA branch, from its start to its end, on one connection. */
import type { Connection as CallbackConnection } from 'mysql2'
import type { BranchContext, OpenBranch } from '../../../src/sdk/client/index.ts'
import { assert, unreachable } from '../../../src/sdk/participant/index.ts'
import { ConnectionGuard } from '../../shared/connections/guard.ts'
import type { GuardedWork } from '../../shared/connections/guarded-work.ts'
import { soonAfter } from '../../shared/connections/patience.ts'
import { Refusal } from '../../shared/refusal.ts'
import { DatabaseFailure } from '../../shared/servers/database-failure.ts'
import { abandoned, DUPLICATE_KEY, failureOf, isOfDatabase } from '../errors.ts'
import type { Facts } from './facts.ts'
import { guardRules } from './guard-rules.ts'
import { promiseFace } from './promise-face.ts'
import type { BranchSession, StatementResult } from './session.ts'
import {
  type BranchName,
  nameOf,
  pledging,
  type RefusalName,
  refusalIn,
  rollingBack,
  rollingBackEnded,
} from './statements.ts'
import { WriteCounters } from './write-counters.ts'

export interface OpenMysqlBranchOptions {
  readonly session: BranchSession
  readonly facts: Facts
  readonly name: BranchName
  readonly signal: BranchContext['signal']
  readonly answerTimeoutMs: number
}

/** doubt: whether it is prepared isn't known. ended: the connection is the application's again, or closed. */
type State = 'open' | 'prepared' | 'doubt' | 'ended'

const WHY: Readonly<Record<RefusalName, string>> = {
  read_only: 'the server takes no writes any more (read_only): is it a replica?',
  untransactional:
    'the work changed a table whose engine has no transactions: that change stays, though the transaction aborts. ' +
    'Make the table ENGINE=InnoDB',
}

export class OpenMysqlBranch implements OpenBranch<GuardedWork<unknown>> {
  readonly resourceId: string
  readonly connectionId: string
  readonly handle: GuardedWork<unknown>
  readonly #options: OpenMysqlBranchOptions
  readonly #guard: ConnectionGuard<CallbackConnection>
  readonly #counters: WriteCounters
  readonly #stopListening: () => void
  #state: State = 'open'

  constructor(options: OpenMysqlBranchOptions) {
    const { session, facts, name } = options
    this.#options = options
    this.resourceId = facts.resourceId
    this.connectionId = facts.sessionId
    this.#counters = new WriteCounters(session)
    const rules = guardRules(name.participant, (sql) => this.#counters.noticed(sql))
    this.#guard = new ConnectionGuard(session.taken.connection, rules)
    const { handle } = this.#guard
    this.handle = {
      connection: session.taken.face === 'callbacks' ? handle : promiseFace(handle),
      settled: () => this.#guard.settled(),
    }
    this.#stopListening = soonAfter(options.signal, () => this.#onGivenUp())
  }

  /** The transaction can not commit any more. A statement that doesn't end soon is not waited for. */
  #onGivenUp(): void {
    if (this.#state === 'open' && this.#guard.inFlight > 0) this.#giveUp()
  }

  async prepare(): Promise<'prepared' | 'read_only'> {
    assert(this.#state === 'open', 'an open branch is prepared once')
    this.#guard.end()
    const { signal } = this.#options
    if (signal.aborted) throw new Refusal('the transaction can not commit any more')
    try {
      if (!(await this.#counters.mayHaveWritten(signal))) {
        await this.#rollBackOpen()
        return 'read_only'
      }
      await this.#pledge()
      this.#state = 'prepared'
      return 'prepared'
    } catch (error) {
      throw this.#explained(error)
    }
  }

  async commit(): Promise<boolean> {
    assert(this.#state === 'prepared', 'what is committed is prepared')
    return this.#endPrepared('XA COMMIT')
  }

  async rollBack(): Promise<boolean> {
    this.#guard.end()
    switch (this.#state) {
      case 'open':
        await this.#rollBackOpen()
        return true
      case 'prepared':
        return this.#endPrepared('XA ROLLBACK')
      case 'doubt':
        return false
      case 'ended':
        return true
      default:
        return unreachable(this.#state)
    }
  }

  leave(): void {
    this.#guard.end()
    if (this.#state === 'open') return this.#giveUp()
    // MariaDB lets nobody else end the branch while the session that prepared it lives (R3).
    this.#close('destroy')
  }

  isRetryable(error: unknown): boolean {
    if (isOfDatabase(error)) return failureOf(error, 'work').retryable
    const cause = error instanceof Error ? error.cause : undefined
    return cause !== undefined && this.isRetryable(cause)
  }

  #pledge(): Promise<void> {
    const { session, facts, name, signal } = this.#options
    return session.script({
      phase: 'prepare',
      flavour: facts.flavour,
      statements: pledging(name, facts),
      until: { signal },
      inspect,
    })
  }

  /** Also sees to what the branch is in now. */
  #explained(error: unknown): unknown {
    if (!(error instanceof DatabaseFailure)) return error
    const refusal = refusalIn(error)
    if (refusal !== undefined) return new Refusal(WHY[refusal])
    if (error.effect !== 'not_done') this.#state = 'doubt'
    if (error.connectionLost || this.#state === 'doubt') {
      this.#close('destroy')
      return error
    }
    const { xid, participant } = this.#options.name
    return error.code === DUPLICATE_KEY
      ? new Refusal(`transaction ${xid} has ended at "${participant}" already: its prepare comes too late`)
      : error
  }

  async #endPrepared(statement: 'XA COMMIT' | 'XA ROLLBACK'): Promise<boolean> {
    const { session, name } = this.#options
    try {
      await session.run('end', `${statement} ${nameOf(name)}`, this.#answering())
      this.#close('giveBack')
      return true
    } catch {
      // The daemon may have ended it; where it hasn't, it can as soon as this session is gone.
      this.#close('destroy')
      return false
    }
  }

  /** XA PREPARE was never sent: whatever becomes of the connection, the server rolls back. */
  async #rollBackOpen(): Promise<void> {
    const { signal } = this.#options
    if (signal.aborted && this.#guard.inFlight > 0) return this.#giveUp()
    const isRolledBack =
      (await this.#succeeds(rollingBack(this.#options.name))) ||
      // The server has rolled the branch back itself, and refuses to end it.
      (await this.#succeeds(rollingBackEnded(this.#options.name)))
    this.#close(isRolledBack ? 'giveBack' : 'destroy')
  }

  async #succeeds(statements: readonly string[]): Promise<boolean> {
    const { session, facts } = this.#options
    try {
      await session.script({ phase: 'end', flavour: facts.flavour, statements, until: this.#answering() })
      return true
    } catch {
      return false
    }
  }

  #answering(): { readonly deadlineMs: number } {
    return { deadlineMs: performance.now() + this.#options.answerTimeoutMs }
  }

  /** PREPARE was never sent; the statement that runs would keep its locks until it has ended. */
  #giveUp(): void {
    const { session, facts } = this.#options
    const isUnderWay = this.#guard.inFlight > 0
    this.#close('destroy')
    if (isUnderWay) void session.taken.terminate(facts.sessionId)
  }

  #close(how: 'giveBack' | 'destroy'): void {
    if (this.#state !== 'doubt') this.#state = 'ended'
    this.#stopListening()
    this.#options.session.taken[how]()
    if (how === 'destroy') {
      this.#guard.giveUp(
        abandoned('work', 'the connection of the branch was closed: its transaction is over'),
      )
    }
  }
}

/** On MySQL, where no statement looks at the one before it. */
function inspect(sql: string, { affectedRows, warningStatus }: StatementResult): void {
  if (sql.startsWith('INSERT') && affectedRows !== 1) throw new Refusal(WHY.read_only)
  if (sql.startsWith('ROLLBACK TO') && warningStatus > 0) throw new Refusal(WHY.untransactional)
}
