/**
 * A participant in memory that keeps every rule of the suite until it is told to break one. `Durable` is what its disk
 * would hold; a ModelVerbs is one process over it, and what a dead one still had to do doesn't happen.
 */

import { isUtf8 } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { BranchResult, Evidence, type HeldBranch, Vote } from '../../../wire/generated/pledged/v1/branch.ts'
import type {
  CommitBranchResponse,
  ListPreparedBranchesResponse,
  PrepareBranchRequest,
  PrepareBranchResponse,
} from '../../../wire/generated/pledged/v1/participant_service.ts'
import { sleep } from '../patience.ts'
import type { Break } from './model-breaks.ts'

interface Pledge {
  readonly xid: string
  readonly branch: string
  readonly work: string
  readonly prepareTime: Date
}

export class Durable {
  resourceId = `model-${randomUUID()}`
  readonly pledges = new Map<string, Pledge>()
  readonly witnesses = new Map<string, 'committed' | 'aborted'>()
  readonly epochs = new Map<string, string>()
}

/** Thrown with a name of a gRPC status. */
export class Refusal extends Error {
  readonly status: 'INVALID_ARGUMENT' | 'FAILED_PRECONDITION' | 'UNAVAILABLE'

  constructor(status: Refusal['status'], message: string) {
    super(message)
    this.status = status
  }
}

/** The process ends of it, where that is broken. */
export class Crash extends Refusal {
  constructor() {
    super('UNAVAILABLE', 'it crashed')
  }
}

const XID = /^[0-9a-z]{12}\.[1-9][0-9]{0,8}-[0-9a-z]{4}\.[1-9][0-9]{0,14}$/
const WORK_BYTES_MAX = 1 << 20
const PAGE_SIZE = 3
const SLOW_MS = 30
const CROWD = 20

export class ModelVerbs {
  readonly #disk: Durable
  readonly #breaks: ReadonlySet<Break>
  readonly #lanes = new Map<string, Promise<unknown>>()
  /** Pledges that are told before they are durable, where that is broken. */
  readonly #notYetDurable = new Set<string>()
  #alive = true

  constructor(disk: Durable, breaks: ReadonlySet<Break>) {
    this.#disk = disk
    this.#breaks = breaks
  }

  /** kill -9. What the disk has is what the next process finds. */
  die(): void {
    this.#alive = false
    const { pledges, witnesses, epochs } = this.#disk
    if (this.#breaks.has('a kill loses pledges')) pledges.clear()
    for (const xid of this.#notYetDurable) pledges.delete(xid)
    for (const [xid, ending] of witnesses) {
      const lost = ending === 'committed' ? 'a kill loses witnesses' : 'a kill loses bars'
      if (this.#breaks.has(lost)) witnesses.delete(xid)
    }
    if (this.#breaks.has('a kill loses epochs')) epochs.clear()
  }

  get resourceId(): string {
    return this.#breaks.has('another resource id each time') ? randomUUID() : this.#disk.resourceId
  }

  admit(logId: string, epoch: string): void {
    const known = this.#disk.epochs.get(logId)
    const order = known === undefined ? 1 : Number.parseInt(epoch, 10) - Number.parseInt(known, 10)
    const isClone = order === 0 && epoch !== known && !this.#breaks.has('clones are admitted')
    if (order < 0 || isClone) throw new Refusal('FAILED_PRECONDITION', `epoch ${known} was seen`)
    if (order > 0) this.#disk.epochs.set(logId, epoch)
  }

  async prepare(request: PrepareBranchRequest): Promise<PrepareBranchResponse> {
    this.#checkXid(request.xid)
    const slow =
      this.#breaks.has('an abort overtakes a running prepare') ||
      this.#breaks.has('a prepare that was given up goes on')
    if (slow) return await this.#prepareSlowly(request)
    return await this.#inLane(request.xid, () => this.#vote(request))
  }

  /** Looks, takes its time, and pledges whatever has come meanwhile. */
  async #prepareSlowly(request: PrepareBranchRequest): Promise<PrepareBranchResponse> {
    if (this.#disk.witnesses.has(request.xid)) return no('it has ended')
    await sleep(SLOW_MS)
    this.#disk.witnesses.delete(request.xid)
    return this.#vote(request)
  }

  #vote({ xid, branch, work, onePhase }: PrepareBranchRequest): PrepareBranchResponse {
    const { pledges, witnesses } = this.#disk
    const text = Buffer.from(work).toString('latin1')
    const held = pledges.get(xid)
    if (held !== undefined) return this.#voteAgain(held, text)
    const ending = witnesses.get(xid)
    if (ending === 'committed' && !this.#breaks.has('a commit bars nothing')) return no('it has committed')
    if (ending === 'aborted') return no('it has aborted')
    const objection = this.#objectionTo(work, text)
    if (objection !== undefined) return objection
    if (this.#breaks.has('commits without being asked')) return voted(Vote.COMMITTED)
    if (onePhase && !this.#breaks.has('one phase leaves it held')) {
      witnesses.set(xid, 'committed')
      return voted(Vote.COMMITTED)
    }
    pledges.set(xid, { xid, branch, work: text, prepareTime: new Date() })
    this.#afterPledge(xid)
    return voted(onePhase ? Vote.COMMITTED : Vote.YES)
  }

  #voteAgain(held: Pledge, work: string): PrepareBranchResponse {
    if (this.#breaks.has('a repeated prepare drops the pledge')) this.#disk.pledges.delete(held.xid)
    const same = held.work === work || this.#breaks.has('takes other work')
    return same ? voted(Vote.YES) : no('it is prepared with other work')
  }

  #objectionTo(work: Uint8Array, text: string): PrepareBranchResponse | undefined {
    if (this.#breaks.has('hostile work ends it') && !isUtf8(work)) {
      this.die()
      throw new Crash()
    }
    if (work.byteLength > WORK_BYTES_MAX) return no('the work is too large')
    if (text.startsWith('refuse') && !this.#breaks.has('takes whatever comes')) return no('refused')
    const lock = /^lock (\S+)/.exec(text)?.[1]
    const holds = [...this.#disk.pledges.values()].some(({ work: other }) =>
      other.startsWith(`lock ${lock} `),
    )
    if (lock !== undefined && holds && !this.#breaks.has('sees no conflicts'))
      return { ...no('locked'), retryable: true }
    return undefined
  }

  #afterPledge(xid: string): void {
    const { pledges } = this.#disk
    if (this.#breaks.has('forgets in a crowd') && pledges.size > CROWD)
      pledges.delete([...pledges.keys()][1] ?? '')
    if (!this.#breaks.has('votes before it is durable')) return
    this.#notYetDurable.add(xid)
    setTimeout(() => this.#notYetDurable.delete(xid), SLOW_MS)
  }

  async commit(xid: string, givenUp: () => boolean): Promise<CommitBranchResponse> {
    if (this.#breaks.has('malformed xids commit') && !XID.test(xid)) return ended(BranchResult.DONE)
    this.#checkXid(xid)
    if (this.#breaks.has('a commit that was given up is lost')) {
      await sleep(SLOW_MS)
      if (givenUp()) this.#disk.pledges.delete(xid)
    }
    if (this.#breaks.has('commits overlap') || this.#breaks.has('commits in two steps'))
      return await this.#commitInSteps(xid)
    return await this.#inLane(xid, () => this.#commitNow(xid))
  }

  async #commitInSteps(xid: string): Promise<CommitBranchResponse> {
    if (!this.#disk.pledges.delete(xid)) return this.#commitOfAbsent(xid)
    await sleep(SLOW_MS)
    if (!this.#alive) throw new Refusal('UNAVAILABLE', 'dead')
    this.#disk.witnesses.set(xid, 'committed')
    return ended(BranchResult.DONE)
  }

  #commitNow(xid: string): CommitBranchResponse {
    const { pledges, witnesses } = this.#disk
    if (!pledges.has(xid)) return this.#commitOfAbsent(xid)
    if (!this.#breaks.has('a commit keeps the pledge')) pledges.delete(xid)
    witnesses.set(xid, 'committed')
    return ended(BranchResult.DONE)
  }

  #commitOfAbsent(xid: string): CommitBranchResponse {
    const ending = this.#disk.witnesses.get(xid)
    const excused =
      ending === undefined
        ? this.#breaks.has('an unknown commit is done')
        : ending === 'aborted' && this.#breaks.has('a commit of what has aborted is done')
    if (excused) return ended(BranchResult.DONE)
    const isBefore = ending === 'committed' && !this.#breaks.has('a second commit is broken')
    return ended(isBefore ? BranchResult.DONE_BEFORE : BranchResult.BROKEN)
  }

  async abort(xid: string, branch: string): Promise<CommitBranchResponse> {
    this.#checkXid(xid)
    return await this.#inLane(xid, () => this.#abortNow(xid, branch))
  }

  #abortNow(xid: string, branch: string): CommitBranchResponse {
    const { pledges, witnesses } = this.#disk
    const ending = witnesses.get(xid)
    if (ending === 'committed' && !pledges.has(xid)) {
      const excused = this.#breaks.has('an abort of what has committed is done')
      return ended(excused ? BranchResult.DONE : BranchResult.BROKEN)
    }
    if (ending === 'aborted' && !pledges.has(xid)) {
      const isUnknown = this.#breaks.has('a second abort is unknown')
      return ended(isUnknown ? BranchResult.UNKNOWN : BranchResult.DONE_BEFORE)
    }
    const held = pledges.get(xid)
    if (held === undefined && this.#breaks.has('an abort of nothing is unknown'))
      return ended(BranchResult.UNKNOWN)
    const stays =
      this.#breaks.has('an abort keeps the pledge') ||
      (this.#breaks.has('branches of other names stay') && branch !== 'conformance')
    if (!stays) pledges.delete(xid)
    const bars = this.#breaks.has(
      held === undefined ? 'an abort of nothing bars nothing' : 'an abort bars nothing',
    )
    if (!bars) witnesses.set(xid, 'aborted')
    return ended(BranchResult.DONE)
  }

  list(pageSize: number, pageToken: string): ListPreparedBranchesResponse {
    const byOffset = this.#breaks.has('pages by offset')
    if (pageToken !== '' && !(byOffset ? /^[0-9]+$/ : XID).test(pageToken)) {
      if (this.#breaks.has('an odd page token ends it')) {
        this.die()
        throw new Crash()
      }
      throw new Refusal('INVALID_ARGUMENT', 'no such page token')
    }
    if (this.#breaks.has('the list is empty')) return { branches: [], nextPageToken: '' }
    const all = [...this.#disk.pledges.values()].sort((left, right) => (left.xid < right.xid ? -1 : 1))
    const from = byOffset ? Number(pageToken) : all.filter(({ xid }) => xid <= pageToken).length
    const to = from + (pageSize > 0 ? pageSize : PAGE_SIZE)
    const skipped = this.#breaks.has('paging skips') ? 1 : 0
    const last = all[to - 1 + skipped]?.xid ?? ''
    return {
      branches: all.slice(from, to).map(held),
      nextPageToken: to >= all.length ? '' : byOffset ? String(to) : last,
    }
  }

  evidence(xid: string): Evidence {
    if (this.#disk.pledges.has(xid) && this.#breaks.has('held looks committed'))
      return Evidence.WITNESS_COMMITTED
    const ending = this.#disk.witnesses.get(xid)
    if (ending === undefined) return Evidence.NO_WITNESS
    const looksCommitted = ending === 'committed' || this.#breaks.has('barred looks committed')
    return looksCommitted ? Evidence.WITNESS_COMMITTED : Evidence.WITNESS_ABORTED
  }

  forget(xids: readonly string[]): void {
    for (const xid of xids) {
      this.#disk.witnesses.delete(xid)
      if (this.#breaks.has('forgetting drops what is held')) this.#disk.pledges.delete(xid)
    }
    if (this.#breaks.has('forgetting takes all')) this.#disk.witnesses.clear()
  }

  get alive(): boolean {
    return this.#alive
  }

  /** One verb of an xid after the other. */
  async #inLane<Result>(xid: string, run: () => Result): Promise<Result> {
    const before = this.#lanes.get(xid)
    const turn = (async () => {
      await before
      await sleep(0)
      if (!this.#alive) throw new Refusal('UNAVAILABLE', 'dead')
      return run()
    })()
    const settled = turn.catch(() => {})
    this.#lanes.set(xid, settled)
    return await turn
  }

  #checkXid(xid: string): void {
    if (!XID.test(xid)) throw new Refusal('INVALID_ARGUMENT', 'not an xid')
  }
}

function held({ xid, branch, prepareTime }: Pledge): HeldBranch {
  return { xid, branch, prepareTime, cost: '', logSeenTime: undefined }
}

function no(message: string): PrepareBranchResponse {
  return { vote: Vote.NO, message, pledgeTtl: undefined, retryable: false }
}

function voted(vote: Vote): PrepareBranchResponse {
  return { vote, message: '', pledgeTtl: undefined, retryable: false }
}

function ended(result: BranchResult): CommitBranchResponse {
  return { result, message: '', evidence: Evidence.NONE }
}
