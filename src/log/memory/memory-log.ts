import { assert } from '../../base/assert.ts'
import { PledgedError } from '../../base/errors.ts'
import type { LogId, Xid, XidPosition } from '../../base/ids.ts'
import { compareXids, drawEpoch, drawLogId, epochNumber } from '../../base/ids.ts'
import type { Clock, Random } from '../../base/ports.ts'
import { systemClock, systemRandom } from '../../base/ports.ts'
import type { KeptTransaction, LogRecord } from '../../protocol/records.ts'
import { endTimeMs, History, isForgotten } from '../history.ts'
import type { EndedQuery, Log, LogCounters, OpenedLog, OpenStage } from '../log.ts'
import { decodeRecord, encodeRecord } from '../record-codec.ts'
import type { StoredRecord } from '../stored-record.ts'
import { isTransactionRecord, requestKey } from '../stored-record.ts'
import type { MemoryDisk } from './memory-disk.ts'
import { TransactionIndex } from './transaction-index.ts'

/**
 * Called when a batch was written; it calls `complete`, later and once, when the batch is durable, or with a
 * failure. A hook that never calls it is a disk that lost power.
 */
export type SyncHook = (complete: (failure?: PledgedError) => void) => void
type Done = (failure: PledgedError | undefined) => void

export interface MemoryLogOptions {
  readonly disk: MemoryDisk
  readonly random?: Random | undefined
  readonly clock?: Clock | undefined
  readonly sync?: SyncHook | undefined
}

interface Waiting {
  readonly bodies: readonly string[]
  readonly done: Done
  readonly isAppend: boolean
}

export class MemoryLog implements Log {
  readonly #disk: MemoryDisk
  readonly #random: Random
  readonly #clock: Clock
  readonly #sync: SyncHook
  readonly #history = new History()
  readonly #index = new TransactionIndex()
  #opening = 0
  #state: 'new' | 'opened' | 'closed' = 'new'
  #failure: PledgedError | undefined
  #waiting: Waiting[] = []
  #syncing = false
  #idle: (() => void)[] = []
  #forcedWrites = 0
  #records = 0

  constructor(options: MemoryLogOptions) {
    this.#disk = options.disk
    this.#random = options.random ?? systemRandom
    this.#clock = options.clock ?? systemClock
    this.#sync = options.sync ?? ((complete) => queueMicrotask(() => complete()))
  }

  async open(onStage: (stage: OpenStage) => void = () => {}): Promise<OpenedLog> {
    assert(this.#state === 'new', 'a log is opened once')
    onStage('lock')
    this.#opening = this.#disk.startOpening()
    this.#state = 'opened'
    onStage('open')
    if (this.#disk.logId === undefined) this.#disk.nameLog(drawLogId(this.#random))
    for (const body of this.#disk.bodies()) this.#remember(decodeRecord(body))
    onStage('fence')
    const newest = this.#history.epochs.at(-1)
    const epoch = drawEpoch(newest === undefined ? 1 : epochNumber(newest) + 1, this.#random)
    await this.#force([{ type: 'epochs', epochs: [epoch], timeMs: this.#clock.wallMs() }])
    onStage('checkpoint')
    onStage('replay')
    return {
      logId: this.#logId(),
      epoch,
      epochs: this.#history.epochs,
      forgottenThrough: this.#history.forgottenThrough,
      unended: this.#history.unended,
      handedOver: this.#history.handedOver,
      superseded: this.#history.superseded,
      heuristics: this.#history.heuristics,
      branchesForgotten: this.#history.branchesForgotten,
      pauses: this.#history.pauses,
      audit: this.#history.audit,
      participants: this.#history.participants,
      keepsRequests: this.#keepsRequests(),
    }
  }

  append(records: readonly LogRecord[], done: Done): void {
    assert(this.#state !== 'new', 'a log is opened before it is appended to')
    this.#enqueue({ bodies: records.map(encodeRecord), done, isAppend: true })
  }

  async findTransaction(xid: Xid): Promise<KeptTransaction | undefined> {
    const kept = this.#index.find(xid)
    return kept === undefined || isForgotten(kept, this.#history.forgottenThrough) ? undefined : kept
  }

  async findRequest(caller: string, requestId: string): Promise<readonly KeptTransaction[]> {
    return this.#index
      .findRequest(requestKey(caller, requestId))
      .filter((kept) => !isForgotten(kept, this.#history.forgottenThrough))
  }

  async listEnded(query: EndedQuery): Promise<readonly KeptTransaction[]> {
    return this.#index.listEnded(query, this.#history.forgottenThrough)
  }

  async expired(endedBeforeMs: number): Promise<XidPosition | undefined> {
    let highest: XidPosition | undefined
    for (const { kept, place } of this.#index.oldestFirst()) {
      const { forgottenThrough } = this.#history
      if (forgottenThrough !== undefined && compareXids(place, forgottenThrough) <= 0) continue
      if ((endTimeMs(kept) ?? Number.POSITIVE_INFINITY) >= endedBeforeMs) break
      highest = place
    }
    return highest
  }

  async forget(through: XidPosition): Promise<void> {
    const { forgottenThrough } = this.#history
    if (forgottenThrough !== undefined && compareXids(through, forgottenThrough) <= 0) return
    const { epochNumber, sequence } = through
    await this.#force([{ type: 'forgotten', epochNumber, sequence }])
    this.#drop()
  }

  counters(): LogCounters {
    return { forcedWrites: this.#forcedWrites, records: this.#records }
  }

  async close(): Promise<void> {
    if (this.#state === 'opened' && this.#syncing) await new Promise<void>((idle) => this.#idle.push(idle))
    this.#state = 'closed'
  }

  #logId(): LogId {
    assert(this.#disk.logId !== undefined, 'an open log has a name')
    return this.#disk.logId
  }

  #remember(record: StoredRecord): void {
    this.#history.apply(record)
    if (isTransactionRecord(record)) this.#index.add(record)
  }

  #force(records: readonly StoredRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const done: Done = (failure) => (failure === undefined ? resolve() : reject(failure))
      this.#enqueue({ bodies: records.map(encodeRecord), done, isAppend: false })
    })
  }

  #enqueue(waiting: Waiting): void {
    this.#waiting.push(waiting)
    if (!this.#syncing) this.#startSync()
  }

  /** One sync at a time; what comes meanwhile gathers for the next. */
  #startSync(): void {
    const batch = this.#waiting
    this.#waiting = []
    this.#syncing = true
    const refusal = this.#refusal()
    if (refusal !== undefined) {
      queueMicrotask(() => this.#finish(batch, refusal))
      return
    }
    this.#disk.write(batch.flatMap((waiting) => waiting.bodies))
    let completed = false
    this.#sync((failure) => {
      assert(!completed, 'a sync completes once')
      completed = true
      this.#finish(batch, failure ?? this.#refusal())
    })
  }

  #refusal(): PledgedError | undefined {
    if (this.#failure !== undefined) return this.#failure
    if (this.#state === 'closed') return new PledgedError('LOG_UNWRITABLE', 'the log is closed')
    if (this.#disk.isCurrent(this.#opening)) return undefined
    return new PledgedError('LOG_UNWRITABLE', 'a newer opening of the log has fenced this one')
  }

  #finish(batch: readonly Waiting[], failure: PledgedError | undefined): void {
    // R6: the first failure is the last word, also for what waits behind it.
    this.#failure ??= failure
    if (failure === undefined) this.#settle(batch)
    for (const { done } of batch) done(failure)
    // Only now: what a callback appends must not be answered before the callbacks that follow.
    this.#syncing = false
    if (this.#waiting.length > 0) this.#startSync()
    else for (const idle of this.#idle.splice(0)) idle()
  }

  #settle(batch: readonly Waiting[]): void {
    this.#disk.sync()
    for (const { bodies } of batch) for (const body of bodies) this.#remember(decodeRecord(body))
    const appended = batch.filter(({ isAppend }) => isAppend).flatMap(({ bodies }) => bodies)
    if (appended.length === 0) return
    this.#forcedWrites += 1
    this.#records += appended.length
  }

  #drop(): void {
    const through = this.#history.forgottenThrough
    const dropped = new Set<Xid>()
    for (const { kept } of this.#index.oldestFirst())
      if (isForgotten(kept, through)) dropped.add(kept.record.xid)
    for (const xid of dropped) this.#index.remove(xid)
    this.#disk.retain((body) => {
      const record = decodeRecord(body)
      return !isTransactionRecord(record) || !dropped.has(record.xid)
    })
  }

  #keepsRequests(): boolean {
    for (const { kept } of this.#index.oldestFirst()) {
      if (kept.record.request === undefined || this.#history.isUnended(kept.record.xid)) continue
      if (!isForgotten(kept, this.#history.forgottenThrough)) return true
    }
    return false
  }
}
