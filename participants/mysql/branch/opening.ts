/** Takes a connection, sees what it leads to, and begins the XA branch on it. */

import type { BranchContext, BranchOpening, OpenBranch } from '../../../src/sdk/client/index.ts'
import { PledgedError } from '../../../src/sdk/participant/index.ts'
import type { GuardedWork } from '../../shared/connections/guarded-work.ts'
import type { BranchOptions } from '../../shared/connections/options.ts'
import { DatabaseFailure } from '../../shared/servers/database-failure.ts'
import { defaultServerLimits } from '../../shared/servers/limits.ts'
import { leftMs } from '../../shared/servers/places.ts'
import { checkBranchName, objectionToName } from '../names.ts'
import { factsOf } from './facts.ts'
import { OpenMysqlBranch } from './open-branch.ts'
import { BranchSession } from './session.ts'
import { type MysqlSource, takeConnection } from './source.ts'
import { beginning } from './statements.ts'

/** XAER_OUTSIDE */
const IN_A_TRANSACTION = '1400'

export class MysqlBranchOpening implements BranchOpening<GuardedWork<unknown>> {
  readonly participant: string
  readonly source: MysqlSource
  readonly #options: BranchOptions

  constructor(participant: string, source: MysqlSource, options: BranchOptions) {
    this.participant = checkBranchName(participant)
    this.source = source
    this.#options = options
  }

  async open({ xid, timeoutMs, signal }: BranchContext): Promise<OpenBranch<GuardedWork<unknown>>> {
    const {
      lockTimeoutMs = defaultServerLimits.lockTimeoutMs,
      answerTimeoutMs = defaultServerLimits.answerTimeoutMs,
    } = this.#options
    const { participant } = this
    const objection = objectionToName(xid, participant)
    if (objection !== undefined) throw new PledgedError('INVALID_REQUEST', objection)
    const name = { xid, participant }
    const until = { signal, deadlineMs: performance.now() + timeoutMs }
    const taken = await takeConnection(this.source, until)
    const session = new BranchSession(taken)
    let isBegun = false
    try {
      const facts = await factsOf(session, participant, until)
      const statements = beginning(name, { leftMs: leftMs(until.deadlineMs), lockTimeoutMs })
      isBegun = true
      await session.script({ phase: 'work', flavour: facts.flavour, statements, until })
      return new OpenMysqlBranch({ session, facts, name, signal, answerTimeoutMs })
    } catch (error) {
      const isRefused = error instanceof DatabaseFailure && error.code === IN_A_TRANSACTION
      const isLost = error instanceof DatabaseFailure && error.connectionLost
      if (isRefused || (!isBegun && !isLost)) taken.giveBack()
      else taken.destroy()
      throw isRefused ? inTransaction(participant) : error
    }
  }
}

function inTransaction(participant: string): PledgedError {
  return new PledgedError(
    'INVALID_REQUEST',
    `the connection for the branch of participant "${participant}" is in a transaction: end it first, since a branch is a ` +
      'transaction of its own',
  )
}
