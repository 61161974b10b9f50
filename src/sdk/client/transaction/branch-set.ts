/** All branches of one transaction that are on the application's own connections, and how they end together. */
import type { PreparedBranch } from '../../../protocol/requests.ts'
import type { BegunTransaction } from '../session/sessions.ts'
import type { ApplicationBranch } from './application-branch.ts'
import type { TransactionPorts } from './ports.ts'

/** done: it has ended on its connection, for sure, as was decided. */
export interface EndedBranch {
  readonly participant: string
  readonly done: boolean
}

export class BranchSet {
  readonly #begun: BegunTransaction
  readonly #ports: TransactionPorts
  readonly #branches = new Map<string, ApplicationBranch>()

  constructor(begun: BegunTransaction, ports: TransactionPorts) {
    this.#begun = begun
    this.#ports = ports
  }

  get size(): number {
    return this.#branches.size
  }

  get busyParticipants(): readonly string[] {
    return this.#all.filter((branch) => branch.busy).map((branch) => branch.participant)
  }

  /** As the commit lists them: in an order that a second run of the same transaction has, too. */
  get prepared(): readonly PreparedBranch[] {
    const prepared = this.#all.map((branch) => branch.prepared).filter((branch) => branch !== undefined)
    return prepared.toSorted(byParticipant)
  }

  of(participant: string): ApplicationBranch | undefined {
    return this.#branches.get(participant)
  }

  add(branch: ApplicationBranch): void {
    this.#branches.set(branch.participant, branch)
  }

  /** All at once. `onFailed` is told of each that couldn't be. */
  async prepareAll(onFailed: (participant: string, error: unknown) => void): Promise<void> {
    const preparing = this.#all.map(async (branch) => {
      try {
        await branch.prepare()
        this.#ports.crashPoints.pass('application.prepare.after')
      } catch (error) {
        onFailed(branch.participant, error)
      }
    })
    await Promise.all(preparing)
  }

  /** Of what the coordinator has said to be committed. True: every one of them has, for sure. */
  async commitAll(): Promise<boolean> {
    const { crashPoints } = this.#ports
    const written = this.#all.filter((branch) => !branch.readOnly)
    const committing = written.map(async (branch): Promise<EndedBranch> => {
      const done = await branch.commit()
      if (done) crashPoints.pass('application.branch.committed')
      return { participant: branch.participant, done }
    })
    const ended = await Promise.all(committing)
    crashPoints.pass('application.branches.ended')
    this.acknowledge(ended)
    return ended.every((branch) => branch.done)
  }

  async rollBackAll(): Promise<readonly EndedBranch[]> {
    const rollingBack = this.#all.map(async (branch): Promise<EndedBranch> => {
      const done = await branch.rollBack()
      return { participant: branch.participant, done }
    })
    return Promise.all(rollingBack)
  }

  leaveAll(): void {
    for (const branch of this.#all) branch.leave()
  }

  acknowledge(ended: readonly EndedBranch[]): void {
    const { xid } = this.#begun
    for (const { participant, done } of ended) {
      this.#begun.acknowledge({ xid, participant, result: done ? 'done' : 'unknown' })
    }
  }

  get #all(): readonly ApplicationBranch[] {
    return [...this.#branches.values()]
  }
}

export function byParticipant(left: { participant: string }, right: { participant: string }): number {
  return left.participant < right.participant ? -1 : 1
}
