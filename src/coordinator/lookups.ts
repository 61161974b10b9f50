/** What the core asks of the log's history, and the answers as events. */
import { present } from '../base/assert.ts'
import { PledgedError } from '../base/errors.ts'
import type { Log } from '../log/log.ts'
import type { Effect } from '../protocol/effects.ts'
import type { Event, ReplyTo } from '../protocol/events.ts'
import { nameOf } from '../protocol/lookup.ts'

export interface LookupsOptions {
  readonly log: Log
  readonly post: (event: Event) => void
  readonly refuse: (replyTo: ReplyTo, error: PledgedError) => void
}

export class Lookups {
  readonly #options: LookupsOptions

  constructor(options: LookupsOptions) {
    this.#options = options
  }

  findRequest({ asked }: Extract<Effect, { type: 'find_request' }>): void {
    const { log, post, refuse } = this.#options
    const requestId = present(nameOf(asked), 'only a request with a name is looked up')
    log.findRequest(asked.request.caller, requestId).then(
      (kept) => post({ type: 'request_found', asked, kept }),
      (error: unknown) => refuse(asked.replyTo, PledgedError.from(error)),
    )
  }

  findTransaction({ xid, purpose }: Extract<Effect, { type: 'find_transaction' }>): void {
    const { log, post, refuse } = this.#options
    log.findTransaction(xid).then(
      (kept) => post({ type: 'transaction_found', xid, purpose, kept }),
      (error: unknown) => {
        // A branch that is held and could not be looked up shows again in the next scan.
        if (purpose.for === 'answer') refuse(purpose.replyTo, PledgedError.from(error))
      },
    )
  }
}
