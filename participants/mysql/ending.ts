/**
 * XA COMMIT and XA ROLLBACK. On the session that prepared the branch, where it is at hand; else from another, which
 * MariaDB refuses with XAER_NOTA for as long as the preparing session is connected (R3). Such a session may be a
 * process's that died, behind a network that doesn't say so: it is ended.
 */
import type { Verb, Xid } from '../../src/sdk/participant/index.ts'
import { DatabaseFailure } from '../shared/servers/database-failure.ts'
import type { Connections } from './connections.ts'
import { NOT_PREPARED } from './errors.ts'
import type { HeldSessions } from './held-sessions.ts'
import { endIdleHolder } from './idle-holder.ts'
import { objectionToName, xaLiteral } from './names.ts'
import { recoveredXids } from './recovered.ts'
import type { Session } from './session.ts'

export interface EndingOptions {
  readonly branch: string
  readonly connections: Connections
  readonly held: HeldSessions
  readonly answerTimeoutMs: number
}

type Answer = 'ended' | 'not_prepared'

export class Ending {
  readonly #options: EndingOptions

  constructor(options: EndingOptions) {
    this.#options = options
  }

  async end(verb: Verb, xid: Xid): Promise<Answer> {
    const { branch, connections, held } = this.#options
    if (objectionToName(xid, branch) !== undefined) return 'not_prepared'
    const own = held.take(xid)
    if (own?.isUsable === true) return this.#endOwn(own, verb, xid)
    own?.destroy()
    return connections.side(async (session) => {
      const answer = await this.#endOn(session, verb, xid)
      if (answer === 'ended' || !(await this.#isHeldByAnother(session, xid))) return answer
      return this.#endOn(session, verb, xid)
    })
  }

  async #endOwn(session: Session, verb: Verb, xid: Xid): Promise<Answer> {
    try {
      const answer = await this.#endOn(session, verb, xid)
      if (answer === 'ended') session.release()
      else session.destroy()
      return answer
    } catch (error) {
      const isHeldStill = error instanceof DatabaseFailure && error.effect === 'not_done' && session.isUsable
      if (isHeldStill) this.#options.held.hold(xid, session)
      else session.destroy()
      throw error
    }
  }

  async #endOn(session: Session, verb: Verb, xid: Xid): Promise<Answer> {
    const { branch, answerTimeoutMs } = this.#options
    const statement = verb === 'commit' ? 'XA COMMIT' : 'XA ROLLBACK'
    try {
      await session.command(`${statement} ${xaLiteral(xid, branch)}`, { phase: 'end', answerTimeoutMs })
      return 'ended'
    } catch (error) {
      if (error instanceof DatabaseFailure && NOT_PREPARED.has(error.code)) return 'not_prepared'
      throw error
    }
  }

  /** Whether the branch is prepared and the session that prepared it was idle: it is gone now. */
  async #isHeldByAnother(session: Session, xid: Xid): Promise<boolean> {
    const { branch, connections, answerTimeoutMs } = this.#options
    const options = { phase: 'look', answerTimeoutMs } as const
    if (!(await recoveredXids(session, branch, options)).includes(xid)) return false
    return endIdleHolder(session, xid, { ...options, branch, connections })
  }
}
