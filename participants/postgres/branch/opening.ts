/** Takes a connection, sees what it leads to, and begins the branch's transaction on it. */
import type { PoolClient } from 'pg'
import type { BranchContext, BranchOpening, OpenBranch } from '../../../src/sdk/client/index.ts'
import type { GuardedWork } from '../../shared/connections/guarded-work.ts'
import type { BranchOptions } from '../../shared/connections/options.ts'
import { DatabaseFailure } from '../../shared/servers/database-failure.ts'
import { defaultServerLimits } from '../../shared/servers/limits.ts'
import { leftMs } from '../../shared/servers/places.ts'
import { checkBranchName, gidOf } from '../names.ts'
import { factsOf } from './facts.ts'
import { OpenPostgresBranch } from './open-branch.ts'
import { BranchSession } from './session.ts'
import { isInTransaction, type PostgresSource, takeClient } from './source.ts'
import { beginning } from './statements.ts'

export class PostgresBranchOpening implements BranchOpening<GuardedWork<PoolClient>> {
  readonly participant: string
  readonly source: PostgresSource
  readonly #options: BranchOptions

  constructor(participant: string, source: PostgresSource, options: BranchOptions) {
    this.participant = checkBranchName(participant)
    this.source = source
    this.#options = options
  }

  async open({ xid, timeoutMs, signal }: BranchContext): Promise<OpenBranch<GuardedWork<PoolClient>>> {
    const {
      lockTimeoutMs = defaultServerLimits.lockTimeoutMs,
      answerTimeoutMs = defaultServerLimits.answerTimeoutMs,
    } = this.#options
    const { participant } = this
    const until = { signal, deadlineMs: performance.now() + timeoutMs }
    const name = { xid, participant, gid: gidOf(xid, participant) }
    const taken = await takeClient(this.source, until)
    const session = new BranchSession(taken)
    try {
      const facts = await factsOf(session, participant, until)
      const timeouts = { leftMs: leftMs(until.deadlineMs), lockTimeoutMs }
      await session.run('connect', beginning(name, facts, timeouts), until)
      return new OpenPostgresBranch({ session, facts, name, signal, answerTimeoutMs })
    } catch (error) {
      const isOfUse = !(error instanceof DatabaseFailure && error.connectionLost)
      if (isOfUse && !isInTransaction(taken.client)) taken.giveBack()
      else taken.destroy()
      throw error
    }
  }
}
