/** A coordinator over the memory log, and two participants in its process whose answers a test sets. */
import { expect } from 'vitest'
import type { Limits } from '../../base/limits.ts'
import { defaultLimits } from '../../base/limits.ts'
import { systemClock, systemRandom, systemTimers } from '../../base/ports.ts'
import type { SyncHook } from '../../log/memory/index.ts'
import { MemoryDisk, MemoryLog } from '../../log/memory/index.ts'
import type { BranchResult, HeldBranch, Vote } from '../../protocol/messages.ts'
import type { ExecuteRequest } from '../../protocol/requests.ts'
import { ParticipantHost } from '../../sdk/participant/host.ts'
import type { Participant } from '../../sdk/participant/participant.ts'
import { vote } from '../../sdk/participant/participant.ts'
import { MemoryDialer } from '../../transport/memory/index.ts'
import { Coordinator } from '../coordinator.ts'

export const limits: Limits = {
  ...defaultLimits,
  backoffMinMs: 1,
  backoffMaxMs: 10,
  lazyAppendDelayMs: 1,
  scanUnsettledMs: 20,
  linkCloseTimeoutMs: 20,
}

/** A participant in memory whose answers the test sets. It outlives its hosts, as a database does. */
export class Scripted implements Participant {
  readonly prepared = new Set<string>()
  readonly committed: string[] = []
  nextVote: () => Vote | Promise<Vote> = () => vote.yes()
  nextResult: BranchResult | undefined
  /** When the coordinator of an xid's log was last seen here. */
  readonly seen = new Map<string, number>()
  readonly #name: string

  constructor(name: string) {
    this.#name = name
  }

  describe() {
    return Promise.resolve({ kind: 'scripted', resourceId: this.#name, keepsWitnesses: false })
  }

  async prepare({ xid }: { xid: string }): Promise<Vote> {
    const answer = await this.nextVote()
    if (answer.vote === 'yes') this.prepared.add(xid)
    return answer
  }

  commit(xid: string) {
    if (this.nextResult !== undefined) return this.#end(this.nextResult)
    if (this.prepared.delete(xid)) this.committed.push(xid)
    return this.#end(this.committed.includes(xid) ? 'done' : 'broken')
  }

  abort(xid: string) {
    this.prepared.delete(xid)
    return this.#end('done')
  }

  listPrepared() {
    const branches: HeldBranch[] = [...this.prepared].map((xid) => ({
      xid,
      prepareTimeMs: 0,
      logSeenTimeMs: this.seen.get(xid),
    }))
    return Promise.resolve({ branches, nextPageToken: '' })
  }

  close() {
    return Promise.resolve()
  }

  #end(result: BranchResult) {
    return Promise.resolve({ result, message: '', evidence: 'none' as const })
  }
}

export class Bench {
  readonly disk = new MemoryDisk()
  readonly left = new Scripted('left')
  readonly right = new Scripted('right')
  dialers: MemoryDialer[] = []
  coordinator: Coordinator | undefined

  async start(sync?: SyncHook): Promise<Coordinator> {
    this.dialers = [this.left, this.right].map((participant, index) => {
      const name = index === 0 ? 'left' : 'right'
      return new MemoryDialer({ name, host: () => new ParticipantHost({ name, participant, limits }) })
    })
    const coordinator = new Coordinator({
      log: new MemoryLog({ disk: this.disk, sync }),
      limits,
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      dialers: this.dialers,
    })
    this.coordinator = coordinator
    await coordinator.start()
    await expect.poll(() => coordinator.status().participants.filter(({ up }) => up).length).toBe(2)
    return coordinator
  }
}

export const work = new Uint8Array([1])
export function request(more: Partial<ExecuteRequest> = {}): ExecuteRequest {
  const branches = [
    { participant: 'left', work },
    { participant: 'right', work },
  ]
  return { caller: 'app', branches, waitFor: 'completion', ...more }
}
