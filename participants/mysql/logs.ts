/** R11: the newest epoch of each log that was admitted here, and when it was last seen. */
import type { CoordinatorIdentity } from '../../src/sdk/participant/index.ts'
import { DatabaseFailure } from '../shared/servers/database-failure.ts'
import { contradicts } from '../shared/servers/server-participant.ts'
import type { Connections } from './connections.ts'
import { DUPLICATE_KEY } from './errors.ts'
import { type Session, type StatementOptions, textOf } from './session.ts'

export interface LogsOptions {
  readonly connections: Pick<Connections, 'side'>
  readonly answerTimeoutMs: number
}

const KNOWN = 'SELECT epoch AS epoch FROM pledged_logs WHERE log_id = ? FOR UPDATE'
const INSERT = 'INSERT INTO pledged_logs (log_id, epoch, last_seen) VALUES (?, ?, CURRENT_TIMESTAMP(3))'
const RAISE = 'UPDATE pledged_logs SET epoch = ?, last_seen = CURRENT_TIMESTAMP(3) WHERE log_id = ?'

export class Logs {
  readonly #options: LogsOptions

  constructor(options: LogsOptions) {
    this.#options = options
  }

  /** The epoch that was kept. One that contradicts it stays as it is. */
  async raise(coordinator: CoordinatorIdentity): Promise<string | undefined> {
    try {
      return await this.#raise(coordinator)
    } catch (error) {
      // Another participant of this database met the same new log: now it is known.
      if (error instanceof DatabaseFailure && error.code === DUPLICATE_KEY) return this.#raise(coordinator)
      throw error
    }
  }

  #raise({ logId, epoch }: CoordinatorIdentity): Promise<string | undefined> {
    const options: StatementOptions = { phase: 'end', answerTimeoutMs: this.#options.answerTimeoutMs }
    return this.#options.connections.side((session) =>
      inTransaction(session, options, async () => {
        const [row] = await session.rows(KNOWN, [logId], options)
        const known = row === undefined ? undefined : textOf(row, 'epoch')
        if (known === undefined) await session.change(INSERT, [logId, epoch], options)
        else if (!contradicts(epoch, known)) await session.change(RAISE, [epoch, logId], options)
        return known
      }),
    )
  }
}

async function inTransaction<T>(
  session: Session,
  options: StatementOptions,
  run: () => Promise<T>,
): Promise<T> {
  try {
    await session.command('START TRANSACTION', options)
    const value = await run()
    await session.command('COMMIT', options)
    return value
  } catch (error) {
    // A transaction goes with its session.
    session.destroy()
    throw error
  }
}
