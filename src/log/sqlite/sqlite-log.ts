import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { assert, present, unreachable } from '../../base/assert.ts'
import { messageOf, PledgedError } from '../../base/errors.ts'
import type { Xid, XidPosition } from '../../base/ids.ts'
import { defaultLimits } from '../../base/limits.ts'
import type { KeptTransaction, LogRecord } from '../../protocol/records.ts'
import type { EndedQuery, Log, LogCounters, OpenedLog, OpenStage } from '../log.ts'
import { appendLines } from './append-lines.ts'
import type { SqliteLogFaults } from './database.ts'
import { unwritable } from './failures.ts'
import type { LogFiles } from './files.ts'
import { logFiles } from './files.ts'
import type { Answer, FromWorker, Question, RequestLookup, ToWorker, WorkerSettings } from './messages.ts'
import { received } from './messages.ts'
import type { Tuning } from './tuning.ts'
import { defaultTuning } from './tuning.ts'

export interface SqliteLogOptions {
  /** Made, for this user alone, where it is missing. */
  readonly directory: string
  /** Records of one forced write; a single call with more is still one. */
  readonly batchRecordsMax?: number | undefined
  /** Called once, when what was kept turns out to be damaged while the log is open; it is poisoned then. */
  readonly onDamage?: ((damage: PledgedError) => void) | undefined
  readonly tuning?: Partial<Tuning> | undefined
  readonly faults?: SqliteLogFaults | undefined
}

interface WaitingAppend {
  readonly records: number
  readonly done: (failure: PledgedError | undefined) => void
}

interface WaitingQuestion {
  readonly resolve: (answer: Answer) => void
  readonly reject: (failure: PledgedError) => void
}

/** Names that are about to be asked for. */
interface Lookup {
  readonly names: RequestLookup[]
  readonly found: Promise<readonly (readonly KeptTransaction[])[]>
}

interface WaitingOpen {
  readonly onStage: (stage: OpenStage) => void
  readonly resolve: (opened: OpenedLog) => void
  readonly reject: (failure: PledgedError) => void
}

/** How long a process that exits without `close` waits for its log. */
const EXIT_WAIT_MS = 5_000

export class SqliteLog implements Log {
  readonly #options: SqliteLogOptions
  readonly #files: LogFiles
  readonly #appends: WaitingAppend[] = []
  readonly #questions = new Map<number, WaitingQuestion>()
  readonly #onExit = (): void => this.#closeNow()
  #worker: Worker | undefined
  #closed = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
  #opening: WaitingOpen | undefined
  #lookup: Lookup | undefined
  #closing: Promise<void> | undefined
  /** Why nothing can be asked any more: closed, or the worker died. */
  #gone: PledgedError | undefined
  #workerHasEnded = false
  #questionId = 0
  #forcedWrites = 0
  #records = 0

  constructor(options: SqliteLogOptions) {
    this.#options = options
    this.#files = logFiles(options.directory)
  }

  /** Absolute. */
  get directory(): string {
    return this.#files.directory
  }

  /** After a failure it may be called again. */
  open(onStage: (stage: OpenStage) => void = () => {}): Promise<OpenedLog> {
    assert(this.#worker === undefined && this.#closing === undefined, 'a log is opened once')
    return new Promise((resolve, reject) => {
      this.#opening = { onStage, resolve, reject }
      this.#startWorker()
    })
  }

  append(records: readonly LogRecord[], done: (failure: PledgedError | undefined) => void): void {
    const worker = present(this.#worker, 'a log is opened before it is appended to')
    this.#appends.push({ records: records.length, done })
    // While it is being closed, earlier appends are still to be answered: this one fails when the thread ends.
    if (this.#workerHasEnded) queueMicrotask(() => this.#failAppends())
    if (this.#gone !== undefined) return
    const lines = appendLines(records).join('\n')
    worker.postMessage({ kind: 'append', lines, count: records.length } satisfies ToWorker)
  }

  async findTransaction(xid: Xid): Promise<KeptTransaction | undefined> {
    return (await this.#ask({ ask: 'transaction', xid })) as KeptTransaction | undefined
  }

  async findRequest(caller: string, requestId: string): Promise<readonly KeptTransaction[]> {
    this.#lookup ??= this.#lookUp()
    const place = this.#lookup.names.push({ caller, requestId }) - 1
    const found = await this.#lookup.found
    return present(found[place], 'each name has its answer')
  }

  /** One question for all that are asked for during one turn: each by itself, they would cost more than their transactions. */
  #lookUp(): Lookup {
    const names: RequestLookup[] = []
    const found = Promise.resolve().then(async () => {
      this.#lookup = undefined
      return (await this.#ask({ ask: 'requests', names })) as readonly (readonly KeptTransaction[])[]
    })
    return { names, found }
  }

  async listEnded(query: EndedQuery): Promise<readonly KeptTransaction[]> {
    return (await this.#ask({ ask: 'ended', query })) as readonly KeptTransaction[]
  }

  async expired(endedBeforeMs: number): Promise<XidPosition | undefined> {
    return (await this.#ask({ ask: 'expired', endedBeforeMs })) as XidPosition | undefined
  }

  async forget(through: XidPosition): Promise<void> {
    await this.#ask({ ask: 'forget', through })
  }

  counters(): LogCounters {
    return { forcedWrites: this.#forcedWrites, records: this.#records }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) return
    // Its answer comes before its exit; a worker that died has left nothing to close.
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    if (this.#gone !== undefined) return
    const closed = this.#ask({ ask: 'close' })
    this.#gone = unwritable(this.#files, 'it is closed')
    try {
      await closed
    } finally {
      await ended
    }
  }

  #startWorker(): void {
    this.#closed = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
    const settings: WorkerSettings = {
      directory: this.#files.directory,
      tuning: { ...defaultTuning, ...this.#options.tuning },
      batchRecordsMax: this.#options.batchRecordsMax ?? defaultLimits.appendBatchRecordsMax,
      faults: this.#options.faults,
      closed: this.#closed,
    }
    const worker = new Worker(new URL(`./worker${extname(import.meta.filename)}`, import.meta.url), {
      workerData: settings,
    })
    let cause: unknown
    worker.on('message', (message: FromWorker) => this.#receive(message))
    worker.on('error', (error) => {
      cause = error
    })
    worker.on('exit', () => this.#workerEnded(cause))
    process.on('exit', this.#onExit)
    this.#worker = worker
  }

  #receive(message: FromWorker): void {
    switch (message.kind) {
      case 'stage':
        return this.#opening?.onStage(message.stage)
      case 'opened': {
        const opening = this.#opening
        this.#opening = undefined
        return opening?.resolve(message.opened)
      }
      case 'open_failed':
        return this.#openFailed(received(message.failure))
      case 'appended':
        return this.#appended(message.calls, message.failure && received(message.failure))
      case 'answer':
        return this.#takeQuestion(message.id)?.resolve(message.answer)
      case 'question_failed':
        return this.#takeQuestion(message.id)?.reject(received(message.failure))
      case 'damage':
        return this.#options.onDamage?.(received(message.failure))
      default:
        return unreachable(message)
    }
  }

  #appended(calls: number, failure: PledgedError | undefined): void {
    const answered = this.#appends.splice(0, calls)
    const records = answered.reduce((sum, append) => sum + append.records, 0)
    if (failure === undefined && records > 0) {
      this.#forcedWrites += 1
      this.#records += records
    }
    for (const { done } of answered) done(failure)
  }

  #openFailed(failure: PledgedError): void {
    const opening = this.#opening
    this.#opening = undefined
    this.#worker?.removeAllListeners()
    this.#worker = undefined
    process.off('exit', this.#onExit)
    opening?.reject(failure)
  }

  #ask(question: Question): Promise<Answer> {
    const worker = present(this.#worker, 'a log is opened before it is asked')
    if (this.#gone !== undefined) return Promise.reject(this.#gone)
    this.#questionId += 1
    const id = this.#questionId
    return new Promise((resolve, reject) => {
      this.#questions.set(id, { resolve, reject })
      worker.postMessage({ kind: 'question', id, question } satisfies ToWorker)
    })
  }

  #takeQuestion(id: number): WaitingQuestion | undefined {
    const question = this.#questions.get(id)
    this.#questions.delete(id)
    return question
  }

  /** R6: a thread that died takes with it what it knew of the batches under way. */
  #workerEnded(cause: unknown): void {
    process.off('exit', this.#onExit)
    this.#workerHasEnded = true
    const why = cause === undefined ? 'its thread ended' : `its thread ended: ${messageOf(cause)}`
    const failure = unwritable(this.#files, why, cause)
    this.#gone ??= failure
    if (this.#opening !== undefined) return this.#openFailed(failure)
    this.#failAppends()
    for (const id of this.#questions.keys()) this.#takeQuestion(id)?.reject(failure)
  }

  #failAppends(): void {
    for (const { done } of this.#appends.splice(0)) done(this.#gone)
  }

  /**
   * The process exits and nobody closed the log. Its thread's end would close SQLite, which removes the WAL while
   * the log still has its open mark: the next opening would take that for damage. So the log is closed first.
   */
  #closeNow(): void {
    if (this.#gone !== undefined || this.#worker === undefined) return
    this.#worker.postMessage({ kind: 'question', id: 0, question: { ask: 'close' } } satisfies ToWorker)
    Atomics.wait(new Int32Array(this.#closed), 0, 0, EXIT_WAIT_MS)
  }
}
