/**
 * One transaction of an application that has no SDK: what it asks may be absurd, and what it does to its own branches is what
 * it was told. It commits and takes back only as the coordinator said, and leaves the rest.
 */
import type { Xid } from '../../base/ids.ts'
import type { CommitRequest, PreparedBranch } from '../../protocol/requests.ts'
import type { SessionReply } from '../../protocol/session-messages.ts'
import type { ApplicationConnection } from './application-connection.ts'
import { resourceIdOf } from './model-branch.ts'
import type { RawSession } from './raw-session.ts'

export interface RawBranch {
  readonly connection: ApplicationConnection
  readonly key: string
  readonly enlisted: PreparedBranch
}

/** What the list of a commit says, beside what is the case. */
export type Listed = 'as_enlisted' | 'one_left_out' | 'another_connection' | 'none'

export class RawTransaction {
  readonly xid: Xid
  readonly branches: RawBranch[] = []
  /** Once more, or by another session, it is this that is sent. */
  request: CommitRequest | undefined
  #isEnding = false

  constructor(xid: Xid) {
    this.xid = xid
  }

  enlist(connection: ApplicationConnection, key: string): RawBranch {
    const { resource } = connection
    const enlisted = {
      participant: resource.name,
      resourceId: resourceIdOf(resource),
      connectionId: connection.id,
    }
    const branch = { connection, key, enlisted }
    this.branches.push(branch)
    return branch
  }

  /** As it is enlisted, and prepared or read-only, or with a mistake in it. */
  list(listed: Listed, readOnly: ReadonlySet<string>): PreparedBranch[] {
    const all = this.branches.map(({ enlisted }) => ({
      ...enlisted,
      readOnly: readOnly.has(enlisted.participant),
    }))
    switch (listed) {
      case 'as_enlisted':
        return all
      case 'one_left_out':
        return all.slice(1)
      case 'another_connection':
        return all.map((branch) => ({ ...branch, connectionId: 'another' }))
      case 'none':
        return []
    }
  }

  /** What the answer says of this very xid is done; what says nothing is nothing. */
  answered(session: RawSession, reply: SessionReply | undefined): void {
    if (reply?.type !== 'answer' || reply.answer.xid !== this.xid) return
    const { outcome } = reply.answer
    if (outcome === 'committed') void this.#end(session, (connection) => connection.commit())
    if (outcome === 'aborted') void this.#end(session, (connection) => connection.rollBack())
  }

  leave(): void {
    if (this.#isEnding) return
    this.#isEnding = true
    for (const { connection } of this.branches) connection.leave()
  }

  async #end(
    session: RawSession,
    end: (connection: ApplicationConnection) => Promise<boolean>,
  ): Promise<void> {
    if (this.#isEnding) return
    this.#isEnding = true
    const { xid } = this
    await Promise.all(
      this.branches.map(async ({ connection, enlisted: { participant } }) => {
        const result = (await end(connection)) ? 'done' : 'unknown'
        session.say({ type: 'acknowledgement', ending: { xid, participant, result } })
      }),
    )
  }
}
