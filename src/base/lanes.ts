/**
 * Order and width of work that is asked for all at once. Jobs of one lane (an xid) run one after another in the order they came,
 * lanes run side by side. A job that never settles holds back its own lane and no other.
 */
import { ChurningMap, ChurningSet } from './churning.ts'

/** Must not reject: it answers for its own failure. */
export type Job = () => Promise<void>

export class Lanes {
  /** What waits behind the running job of each lane that has one. */
  readonly #waiting = new ChurningMap<string, Job[]>()
  #idle: (() => void)[] = []

  /** Starts the job now, or when the earlier ones of its lane are done. */
  run(lane: string, job: Job): void {
    const waiting = this.#waiting.get(lane)
    if (waiting !== undefined) {
      waiting.push(job)
      return
    }
    this.#waiting.set(lane, [])
    void this.#work(lane, job)
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    if (this.#waiting.size === 0) return
    await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  async #work(lane: string, first: Job): Promise<void> {
    for (let job: Job | undefined = first; job !== undefined; job = this.#waiting.get(lane)?.shift())
      await job()
    this.#waiting.delete(lane)
    if (this.#waiting.size > 0) return
    const idle = this.#idle
    this.#idle = []
    for (const resolve of idle) resolve()
  }
}

/** At most `max` holders at once; the others wait in the order they came. */
export class Slots {
  readonly #max: number
  readonly #waiting = new ChurningSet<() => void>()
  #taken = 0

  constructor(max: number) {
    this.#max = max
  }

  /** `signal`, asked for where there is a wait, ends it: false, there is no slot to give back. */
  async take(signal?: () => AbortSignal): Promise<boolean> {
    if (this.#taken < this.#max) {
      this.#taken += 1
      return true
    }
    return await new Promise((resolve) => this.#wait(resolve, signal?.()))
  }

  /** Hands the slot to the longest waiting, so that `taken` never passes `max` in between. */
  give(): void {
    const [next] = this.#waiting
    if (next === undefined) this.#taken -= 1
    else next()
  }

  #wait(resolve: (taken: boolean) => void, signal: AbortSignal | undefined): void {
    const leave = (): void => {
      if (this.#waiting.delete(taken)) resolve(false)
    }
    const taken = (): void => {
      this.#waiting.delete(taken)
      signal?.removeEventListener('abort', leave)
      resolve(true)
    }
    this.#waiting.add(taken)
    if (signal?.aborted === true) leave()
    else signal?.addEventListener('abort', leave, { once: true })
  }
}
