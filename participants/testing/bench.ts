/** What each test of a participant begins with. */
import type { Participant, Vote, Xid } from '../../src/sdk/participant/index.ts'
import type { Database } from '../shared/files/database.ts'
import { defaultParticipantLimits as limits } from '../shared/files/limits.ts'
import { createPledgeParticipant } from '../shared/files/pledge-participant.ts'
import type { ResourceKind } from '../shared/files/resource.ts'
import { bytes, closing, prepareRequest, temporaryFile, type Watch, watched } from './kit.ts'

export interface Subject {
  readonly kind: 'sqlite' | 'offsets'
  /** Makes the file ready for the works. */
  seed(file: string): void
  resourceKind(file: string, watchDatabase: <D extends Database>(database: D) => D): ResourceKind<unknown>
  /** Both want the same lock; each can be applied once, `first` then `second`. */
  readonly first: string
  readonly second: string
  /** How many of the two have been applied, read on a connection of its own. */
  applied(file: string): number
}

export const YES: Vote = { vote: 'yes' }

export type Bench = ReturnType<typeof benchOf>

export function benchOf(subject: Subject) {
  const seeded = (): string => {
    const file = temporaryFile('participant.db')
    subject.seed(file)
    return file
  }
  const open = (file: string, watch: Watch = {}, nowMs?: () => number): Participant => {
    const resourceKind = subject.resourceKind(file, (database) => watched(database, watch))
    return closing(createPledgeParticipant({ resourceKind, limits, nowMs }))
  }
  const prepare = (
    participant: Participant,
    id: Xid,
    work = subject.first,
    timeoutMs = 5_000,
  ): Promise<Vote> => participant.prepare(prepareRequest(id, bytes(work), { timeoutMs }))
  const heldBy = async (participant: Participant): Promise<readonly string[]> =>
    (await participant.listPrepared(100, '')).branches.map((branch) => branch.xid)
  return { subject, seeded, open, prepare, heldBy }
}
