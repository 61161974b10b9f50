/**
 * Group commit: what is asked within one turn of the event loop runs in one SQLite transaction, with a savepoint
 * each, and costs one forced write. Nobody is answered before the COMMIT has returned; where it fails, nobody is
 * told of success. Operations run in the order they were asked for.
 */
import { type Database, inTransaction } from './database.ts'
import type { ParticipantLimits } from './limits.ts'
import { sqliteCodeOf } from './sqlite-errors.ts'

export interface Operation {
  /**
   * shared: runs inside the batch's transaction. alone: runs transactions of its own. read: runs with no
   * transaction open and takes no write lock. Each in its place in the order.
   */
  readonly mode: 'shared' | 'alone' | 'read'
  /** Returns what tells the asker, to be called once the transaction is durable. */
  run(): () => void
  failed(error: unknown): void
}

export interface OperationQueueOptions {
  /** The open database; throws where it can't be opened. */
  readonly database: () => Database
  /** Told of every error, after the transaction in which it happened is over. */
  readonly noticed: (error: unknown) => void
  readonly limits: ParticipantLimits
}

export class OperationQueue {
  readonly #options: OperationQueueOptions
  readonly #pending: Operation[] = []
  #flushIsDue = false
  /** Met in this flush: another process holds the write lock. */
  #lockedOut: Error | undefined
  #lazyTimer: NodeJS.Timeout | undefined

  constructor(options: OperationQueueOptions) {
    this.#options = options
  }

  /** `lazy`: nobody waits for it; it rides along with the next transaction, or goes alone after a while. */
  add(operation: Operation, options: { readonly lazy?: boolean } = {}): void {
    this.#pending.push(operation)
    if (options.lazy === true) this.#flushLater()
    else this.#flushSoon()
  }

  /** For operations whose turn came earlier and that were let go just now: they run next. */
  putFirst(operations: readonly Operation[]): void {
    if (operations.length === 0) return
    this.#pending.unshift(...operations)
    this.#flushSoon()
  }

  /** Runs everything that is pending. */
  flush(): void {
    clearTimeout(this.#lazyTimer)
    this.#lazyTimer = undefined
    this.#lockedOut = undefined
    for (;;) {
      const first = this.#pending[0]
      if (first === undefined) return
      // The thread has stood still for one busy timeout; it must not do so once for each that is pending.
      if (this.#lockedOut !== undefined && first.mode !== 'read') this.#failFirst(this.#lockedOut)
      else if (first.mode === 'shared') this.#runBatch()
      else this.#runAlone(first)
    }
  }

  #flushSoon(): void {
    if (this.#flushIsDue) return
    this.#flushIsDue = true
    setImmediate(() => {
      this.#flushIsDue = false
      this.flush()
    })
  }

  #flushLater(): void {
    this.#lazyTimer ??= setTimeout(() => this.flush(), this.#options.limits.lazyDelayMs)
  }

  #runAlone(operation: Operation): void {
    this.#pending.shift()
    let tell: () => void
    try {
      tell = operation.run()
    } catch (error) {
      operation.failed(error)
      this.#noticed(error)
      return
    }
    tell()
  }

  #runBatch(): void {
    const taken: Operation[] = []
    const outcomes: Outcome[] = []
    try {
      const database = this.#options.database()
      inTransaction(database, () => {
        for (;;) {
          const operation = this.#nextShared(taken.length)
          if (operation === undefined) return
          taken.push(operation)
          outcomes.push(runInSavepoint(database, operation))
        }
      })
    } catch (error) {
      this.#failBatch(taken, error)
      return
    }
    for (const { tell } of outcomes) tell()
    for (const { error } of outcomes) if (error !== undefined) this.#noticed(error)
  }

  /** The transaction is gone with all that ran in it; what was to run in it would only meet the same failure. */
  #failBatch(taken: readonly Operation[], error: unknown): void {
    for (const operation of taken) operation.failed(error)
    for (let count = taken.length; ; count += 1) {
      const operation = this.#nextShared(count)
      if (operation === undefined) break
      operation.failed(error)
    }
    this.#noticed(error)
  }

  #failFirst(error: Error): void {
    this.#pending.shift()?.failed(error)
  }

  #noticed(error: unknown): void {
    if (error instanceof Error && sqliteCodeOf(error) === 'SQLITE_BUSY') this.#lockedOut = error
    this.#options.noticed(error)
  }

  #nextShared(batchedSoFar: number): Operation | undefined {
    if (batchedSoFar >= this.#options.limits.batchOperationsMax) return undefined
    return this.#pending[0]?.mode === 'shared' ? this.#pending.shift() : undefined
  }
}

interface Outcome {
  readonly tell: () => void
  readonly error?: unknown
}

function runInSavepoint(database: Database, operation: Operation): Outcome {
  database.exec('SAVEPOINT operation')
  try {
    const tell = operation.run()
    database.exec('RELEASE operation')
    return { tell }
  } catch (error) {
    undoSavepoint(database, error)
    return { tell: () => operation.failed(error), error }
  }
}

/** Where SQLite has ended the whole transaction (disk full, I/O error) there is no savepoint left, and no batch. */
function undoSavepoint(database: Database, cause: unknown): void {
  try {
    database.exec('ROLLBACK TO operation')
    database.exec('RELEASE operation')
  } catch {
    throw cause
  }
}
