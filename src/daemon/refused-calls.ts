/**
 * What the log says of calls that were not let in. Whoever tries a door a thousand times a second must not fill the disk
 * with it, on which decisions are forced: some lines a second, then how many more there were.
 */
import type { Timers } from '../base/ports.ts'
import type { RefusedCall } from '../transport/grpc/index.ts'
import type { Logger } from './logger.ts'

const LINES_PER_WINDOW_MAX = 5
const WINDOW_MS = 1_000

export interface RefusedCallsOptions {
  readonly logger: Pick<Logger, 'warn'>
  readonly timers: Timers
}

export class RefusedCalls {
  readonly #options: RefusedCallsOptions
  #count = 0
  #closeWindow: (() => void) | undefined

  constructor(options: RefusedCallsOptions) {
    this.#options = options
  }

  /** It is told who, from where, what and why: never what they brought. */
  tell({ peer, method, identity, error }: RefusedCall): void {
    const { logger, timers } = this.#options
    this.#closeWindow ??= timers.after(WINDOW_MS, () => this.#windowEnded())
    this.#count += 1
    if (this.#count > LINES_PER_WINDOW_MAX) return
    logger.warn(
      { peer, method, ...(identity !== undefined && { identity }), code: error.code, reason: error.message },
      'a call was not let in',
    )
  }

  close(): void {
    this.#closeWindow?.()
    this.#windowEnded()
  }

  #windowEnded(): void {
    const untold = this.#count - LINES_PER_WINDOW_MAX
    this.#count = 0
    this.#closeWindow = undefined
    if (untold > 0) this.#options.logger.warn({ calls: untold }, 'more calls were not let in')
  }
}
