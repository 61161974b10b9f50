/** An open branch on PostgreSQL: from its begin to its end, on one connection. */
import type { ClientBase, PoolClient } from 'pg'
import type { BranchContext, OpenBranch } from '../../../src/sdk/client/index.ts'
import { assert, unreachable } from '../../../src/sdk/participant/index.ts'
import { ConnectionGuard } from '../../shared/connections/guard.ts'
import type { GuardedWork } from '../../shared/connections/guarded-work.ts'
import { soonAfter } from '../../shared/connections/patience.ts'
import { Refusal } from '../../shared/refusal.ts'
import { DatabaseFailure } from '../../shared/servers/database-failure.ts'
import { failureOf, isOfDatabase } from '../errors.ts'
import { type Facts, forgetFacts } from './facts.ts'
import { guardRules } from './guard-rules.ts'
import type { BranchSession } from './session.ts'
import { isInTransaction } from './source.ts'
import { type BranchName, HAS_WRITTEN, pledging, refusalIn } from './statements.ts'
import { mayOnlyRead } from './transaction-control.ts'

export interface OpenPostgresBranchOptions {
  readonly session: BranchSession
  readonly facts: Facts
  readonly name: BranchName
  readonly signal: BranchContext['signal']
  readonly answerTimeoutMs: number
}

/** doubt: whether it is prepared isn't known. ended: the connection is the application's again, or closed. */
type State = 'open' | 'prepared' | 'doubt' | 'ended'

export class OpenPostgresBranch implements OpenBranch<GuardedWork<PoolClient>> {
  readonly resourceId: string
  readonly connectionId: string
  readonly handle: GuardedWork<PoolClient>
  readonly #options: OpenPostgresBranchOptions
  readonly #guard: ConnectionGuard<ClientBase>
  #hasOnlyRead = true
  readonly #stopListening: () => void
  #state: State = 'open'

  constructor(options: OpenPostgresBranchOptions) {
    this.#options = options
    this.resourceId = options.facts.resourceId
    this.connectionId = String(options.facts.processId)
    const rules = guardRules(options.name.participant, (sql) => {
      this.#hasOnlyRead &&= sql !== undefined && mayOnlyRead(sql)
    })
    this.#guard = new ConnectionGuard(options.session.taken.client, rules)
    this.handle = {
      // The guard gives a client that isn't of a pool its `release`.
      connection: this.#guard.handle as PoolClient,
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
    if (this.#options.signal.aborted) throw new Refusal('the transaction can not commit any more')
    try {
      if (this.#hasOnlyRead && !(await this.#hasWritten())) return await this.#endReadOnly()
      await this.#pledge()
      return 'prepared'
    } catch (error) {
      const { processId } = this.#options.facts
      const refusal = error instanceof DatabaseFailure ? refusalIn(error, processId) : undefined
      if (refusal === 'read_only') return this.#endReadOnly()
      throw this.#explained(error, refusal)
    }
  }

  async commit(): Promise<boolean> {
    assert(this.#state === 'prepared', 'what is committed is prepared')
    return this.#endPrepared('COMMIT PREPARED')
  }

  async rollBack(): Promise<boolean> {
    this.#guard.end()
    switch (this.#state) {
      case 'open':
        await this.#rollBackOpen()
        return true
      case 'prepared':
        return this.#endPrepared('ROLLBACK PREPARED')
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
    // After PREPARE TRANSACTION a session has nothing to do with it any more: whoever comes can end it.
    if (this.#state === 'prepared') this.#close('giveBack')
    else this.#close('destroy')
  }

  isRetryable(error: unknown): boolean {
    if (isOfDatabase(error)) return failureOf(error, 'work').retryable
    const cause = error instanceof Error ? error.cause : undefined
    return cause !== undefined && this.isRetryable(cause)
  }

  async #hasWritten(): Promise<boolean> {
    const { session, signal } = this.#options
    const [result] = await session.run('work', HAS_WRITTEN, { signal })
    return result?.rows[0]?.['has_written'] === true
  }

  async #endReadOnly(): Promise<'read_only'> {
    await this.#rollBackOpen()
    return 'read_only'
  }

  async #pledge(): Promise<void> {
    const { session, name, facts, signal } = this.#options
    const results = await session.run('prepare', pledging(name, facts), { signal })
    const [witness] = results
    const command = results.at(-1)?.command
    if (command !== 'PREPARE') {
      // PostgreSQL answers the PREPARE of a failed transaction with the tag ROLLBACK, and no error.
      throw new Refusal(`PostgreSQL rolled the branch back instead of preparing it (${command})`)
    }
    this.#state = 'prepared'
    if (witness?.rowCount === 1) return
    throw new Refusal(
      'the witness of the branch was not written: is there a rule or a trigger on pledged_witness?',
    )
  }

  /** Also sees to what the branch is in now. */
  #explained(error: unknown, refusal: ReturnType<typeof refusalIn>): unknown {
    if (!(error instanceof DatabaseFailure)) return error
    const { participant } = this.#options.name
    if (refusal !== undefined) {
      forgetFacts(this.#options.session.taken.client)
      return new Refusal(
        refusal === 'other_role'
          ? `the role of the connection was changed (SET ROLE) in the branch of "${participant}": what another role has prepared, the daemon could not end`
          : `the work ended the transaction of the branch of "${participant}": what ran before may have been committed`,
      )
    }
    if (error.effect !== 'not_done') this.#state = 'doubt'
    if (error.connectionLost || this.#state === 'doubt') {
      this.#close('destroy')
      return error
    }
    const isOfWitness =
      error.code === '23505' && (error.cause as { table?: unknown }).table === 'pledged_witness'
    return isOfWitness
      ? new Refusal(
          `transaction ${this.#options.name.xid} has ended at "${participant}" already: its prepare comes too late`,
        )
      : error
  }

  async #endPrepared(statement: 'COMMIT PREPARED' | 'ROLLBACK PREPARED'): Promise<boolean> {
    const { session, name, answerTimeoutMs } = this.#options
    const deadlineMs = performance.now() + answerTimeoutMs
    try {
      await session.run('end', `${statement} '${name.gid}'`, { deadlineMs })
      this.#close('giveBack')
      return true
    } catch (error) {
      // Where there is no such branch the daemon may have ended it, and then knows how (R3).
      const isLost = failureOf(error, 'end').connectionLost
      this.#close(isLost ? 'destroy' : 'giveBack')
      return false
    }
  }

  /** PREPARE was never sent: whatever becomes of the connection, the server rolls back. */
  async #rollBackOpen(): Promise<void> {
    const { session, signal, answerTimeoutMs } = this.#options
    if (signal.aborted && this.#guard.inFlight > 0) return this.#giveUp()
    try {
      await session.run('work', 'ROLLBACK', { deadlineMs: performance.now() + answerTimeoutMs })
      this.#close(isInTransaction(session.taken.client) ? 'destroy' : 'giveBack')
    } catch {
      this.#close('destroy')
    }
  }

  /** PREPARE was never sent; the statement that runs would keep its locks until it has ended. */
  #giveUp(): void {
    const { session, facts } = this.#options
    const isUnderWay = this.#guard.inFlight > 0
    this.#close('destroy')
    if (isUnderWay) void session.taken.terminate(facts.processId)
  }

  #close(how: 'giveBack' | 'destroy'): void {
    if (this.#state !== 'doubt') this.#state = 'ended'
    this.#stopListening()
    this.#options.session.taken[how]()
  }
}
