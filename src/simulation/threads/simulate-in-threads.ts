/** Hands out shares of the histories to threads, and adds up what comes back. */
import { availableParallelism } from 'node:os'
import { extname, join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import type { Break } from '../breaks/index.ts'
import type { Failure } from '../simulate.ts'
import { Tally } from '../tally.ts'
import type { Share, ShareDone, ThreadData } from './messages.ts'

export interface Progress {
  readonly tally: Tally
  readonly failure: Failure | undefined
}

export interface ThreadedSimulation {
  readonly seed: number
  readonly histories: number
  readonly broken?: Break | undefined
  /** When fired, what is under way is given up, and what was counted by then is the result. */
  readonly signal: AbortSignal
  readonly onProgress: (progress: Progress) => void
}

const HISTORIES_PER_SHARE = 50
/** A history leaves much that dies with it: in a small young generation half of it lives for too long. */
const YOUNG_GENERATION_MB = 64

const THREAD = join(import.meta.dirname, `simulation-thread${extname(import.meta.filename)}`)

export async function simulateInThreads(options: ThreadedSimulation): Promise<Progress> {
  // Every core has a thread of ours already: helpers of the garbage collector would only take turns with them.
  setFlagsFromString('--single-threaded-gc')
  const count = Math.min(availableParallelism(), Math.ceil(options.histories / HISTORIES_PER_SHARE))
  const run = new ThreadedRun(options)
  const { seed, broken } = options
  const workerData: ThreadData = { seed, breakName: broken?.name }
  const workers = Array.from(
    { length: Math.max(1, count) },
    () =>
      new Worker(THREAD, { workerData, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } }),
  )
  try {
    await Promise.race([Promise.all(workers.map((worker) => run.employ(worker))), stopped(options.signal)])
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
  return run.progress
}

class ThreadedRun {
  readonly #options: ThreadedSimulation
  readonly #tally = new Tally()
  #next = 0
  #failure: Failure | undefined

  constructor(options: ThreadedSimulation) {
    this.#options = options
  }

  get progress(): Progress {
    return { tally: this.#tally, failure: this.#failure }
  }

  /** Resolves when there is nothing left for the thread to do. */
  employ(worker: Worker): Promise<void> {
    return new Promise((resolve, reject) => {
      const handOut = () => {
        const share = this.#take()
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
        if (share !== undefined) worker.postMessage(share)
        else resolve()
      }
      worker.on('error', reject)
      worker.on('exit', () => reject(new Error('a thread of the simulation ended by itself')))
      worker.on('message', (done: ShareDone) => {
        this.#add(done)
        handOut()
      })
      handOut()
    })
  }

  /** After a violation the earlier histories are run to their end, and the first violation is the one reported. */
  #take(): Share | undefined {
    const from = this.#next
    const histories = Math.min(HISTORIES_PER_SHARE, this.#options.histories - from)
    if (histories <= 0 || this.#failure !== undefined) return undefined
    this.#next += histories
    return { from, histories }
  }

  #add({ counts, failure }: ShareDone): void {
    this.#tally.add(counts)
    if (failure !== undefined && failure.index < (this.#failure?.index ?? Number.POSITIVE_INFINITY)) {
      this.#failure = failure
    }
    this.#options.onProgress(this.progress)
  }
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
