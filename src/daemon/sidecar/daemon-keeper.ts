/**
 * Keeps a daemon part alive, on the same socket, for as long as the application lives. What a `kill -9` of it leaves is in
 * its log: the next life ends it, and the application's client connects again.
 */
import { PledgedError } from '../../base/errors.ts'
import type { Logger } from '../logger.ts'
import type { Environment } from '../options.ts'
import { DaemonLife, type Ending } from './daemon-life.ts'
import type { DaemonPartOptions } from './daemon-part.ts'
import { errorOf, isLasting, type Ready } from './messages.ts'
import { endingText, RestartDelays } from './restarting.ts'
import { END_MARGIN_MS, FIRST_LIVES_MAX, LAST_LIVES_MAX } from './tuning.ts'

export interface DaemonKeeperOptions {
  readonly part: DaemonPartOptions
  readonly environment: Environment
  readonly logger: Logger
}

export class DaemonKeeper {
  readonly #options: DaemonKeeperOptions
  readonly #delays = new RestartDelays()
  #life: DaemonLife | undefined
  #lives = 0
  #ready: Ready | undefined
  #finishing: Promise<void> | undefined

  constructor(options: DaemonKeeperOptions) {
    this.#options = options
  }

  /**
   * Resolves when requests are taken on; with undefined where it was told to finish meanwhile. Rejects with what a
   * restart would not mend, and when several lives have ended.
   */
  async start(): Promise<Ready | undefined> {
    for (;;) {
      const life = this.#begin()
      const ready = await life.ready
      if (this.#isFinishing) return undefined
      if (ready !== undefined) {
        await refuseLastingRefusal(life, ready)
        void this.#keep(life)
        return ready
      }
      const ending = await life.ended
      if (ending.failure !== undefined && isLasting(ending.failure)) throw errorOf(ending.failure)
      if (this.#lives >= FIRST_LIVES_MAX) throw neverReady(ending)
      await this.#tellAndPause(ending)
      if (this.#isFinishing) return undefined
    }
  }

  /** Drains it, and resolves when it has ended. */
  finish(): Promise<void> {
    this.#finishing ??= this.#finish()
    return this.#finishing
  }

  /** Ends the drain at once: what it leaves is delivered after the next start. */
  hurry(): void {
    this.#life?.drain()
  }

  get #isFinishing(): boolean {
    return this.#finishing !== undefined
  }

  async #finish(): Promise<void> {
    this.#delays.skip()
    // Nobody was promised anything.
    if (this.#ready === undefined) return await this.#life?.kill()
    for (let attempt = 1; ; attempt += 1) {
      // It may be down at this moment, or die in its drain, with decisions in its log that somebody waits for.
      const life = this.#life === undefined || this.#life.hasEnded ? this.#begin() : this.#life
      const ending = await this.#drained(life, this.#ready)
      if (ending.failure === undefined && ending.signal === null) return
      if (attempt < LAST_LIVES_MAX && !ending.hung) continue
      return this.#tellEnd(ending)
    }
  }

  async #drained(life: DaemonLife, { drainTimeoutMs }: Ready): Promise<Ending & { readonly hung: boolean }> {
    let hung = false
    const killing = setTimeout(() => {
      hung = true
      void life.kill()
    }, drainTimeoutMs + END_MARGIN_MS)
    life.drain()
    const ending = await life.ended
    clearTimeout(killing)
    return { ...ending, hung }
  }

  async #keep(first: DaemonLife): Promise<void> {
    for (let life = first; ; life = this.#begin()) {
      const isReady = (await life.ready) !== undefined
      if (isReady) this.#delays.serves()
      const ending = await life.ended
      if (this.#isFinishing) return
      await this.#tellAndPause(ending)
      if (this.#isFinishing) return
    }
  }

  #begin(): DaemonLife {
    const { part, environment } = this.#options
    this.#lives += 1
    const life = new DaemonLife(part, environmentOfLife(environment, this.#lives))
    void life.ready.then((ready) => {
      this.#ready ??= ready
    })
    this.#life = life
    return life
  }

  async #tellAndPause(ending: Ending): Promise<void> {
    const delayMs = this.#delays.next()
    this.#options.logger.error(
      { reason: endingText(ending), delay_ms: delayMs },
      this.#ready === undefined
        ? 'the daemon part ended before it was ready; it is started again'
        : 'the daemon part ended; it is started again, and the application goes on',
    )
    await this.#delays.pause(delayMs)
  }

  /** What it can still say, it has said. */
  #tellEnd(ending: Ending): void {
    if (ending.failure === undefined && ending.signal === null) return
    this.#options.logger.error(
      { reason: endingText(ending), data_dir: this.#ready?.dataDirectory },
      'the daemon part did not end in order: keep the data directory, and start it again; what was decided is delivered then',
    )
  }
}

/** A test arms the crash points of the daemon part by a name of their own, for its first life alone. */
function environmentOfLife(environment: Environment, life: number): Environment {
  const armed = life === 1 ? environment['PLEDGED_DAEMON_CRASH_POINT'] : undefined
  return { ...environment, PLEDGED_CRASH_POINT: armed ?? '' }
}

/** It answers, and will refuse all work for as long as it has this log. */
async function refuseLastingRefusal(life: DaemonLife, { refusal }: Ready): Promise<void> {
  if (refusal === undefined) return
  life.drain()
  await life.ended
  throw errorOf(refusal)
}

function neverReady(ending: Ending): PledgedError {
  return new PledgedError(
    ending.failure?.code ?? 'UNAVAILABLE',
    `the daemon part ended ${FIRST_LIVES_MAX} times before it was ready, and nothing was started: ${endingText(ending)}`,
  )
}
