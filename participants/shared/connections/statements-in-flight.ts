/**
 * Statements that were sent and are not answered yet, by whichever way the driver answers: a callback, a promise, or
 * events of what it returned. The answers reach the application as they are.
 */
import { EventEmitter, errorMonitor } from 'node:events'

type Callback = (this: unknown, ...args: unknown[]) => unknown

/** How one ended: undefined, or with an error. */
type Outcome = { readonly error: unknown } | undefined

export class StatementsInFlight {
  readonly #pending = new Set<Promise<Outcome>>()
  /** Of those that wait for a call, in the order in which they were sent. */
  readonly #waiting = new Set<(error: unknown) => void>()

  get count(): number {
    return this.#pending.size
  }

  /** Throws the first error of those that were in flight. */
  async settled(): Promise<void> {
    let failure: Outcome
    // A statement's answer may start another.
    while (this.#pending.size > 0) {
      const outcomes = await Promise.all(this.#pending)
      failure ??= outcomes.find((outcome) => outcome !== undefined)
    }
    if (failure !== undefined) throw failure.error
  }

  /** Calls `send` with these arguments, or with some that hear of the answer on its way. */
  follow(args: readonly unknown[], send: (args: unknown[]) => unknown): unknown {
    const callback = args.at(-1)
    if (typeof callback === 'function') {
      return send([...args.slice(0, -1), this.#heard(callback as Callback)])
    }
    const result = send([...args])
    if (result instanceof EventEmitter) this.#add(endOf(result))
    else if (result instanceof Promise || isThenable(result)) this.#add(answerOf(result))
    return result
  }

  /** The connection was closed, by a driver that then says nothing more to those who wait for a call. */
  giveUp(error: unknown): void {
    for (const fail of this.#waiting) fail(error)
  }

  #heard(callback: Callback): Callback {
    const ended = Promise.withResolvers<Outcome>()
    this.#add(ended.promise)
    const answer = (self: unknown, values: unknown[]): unknown => {
      if (!this.#waiting.delete(fail)) return undefined
      ended.resolve(outcomeOf(values[0]))
      return callback.apply(self, values)
    }
    const fail = (error: unknown): unknown => answer(undefined, [error])
    this.#waiting.add(fail)
    return function (this: unknown, ...values) {
      return answer(this, values)
    }
  }

  #add(statement: Promise<Outcome>): void {
    this.#pending.add(statement)
    void statement.then(() => this.#pending.delete(statement))
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { readonly then?: unknown } | undefined)?.then === 'function'
}

async function answerOf(answer: PromiseLike<unknown>): Promise<Outcome> {
  try {
    await answer
    return undefined
  } catch (error) {
    return { error }
  }
}

/** Listens without being a listener for errors: one that nobody listens for is thrown, as the driver would have it. */
function endOf(statement: EventEmitter): Promise<Outcome> {
  const ended = Promise.withResolvers<Outcome>()
  statement.once(errorMonitor, (error: unknown) => ended.resolve({ error }))
  for (const event of ['end', 'close']) statement.once(event, () => ended.resolve(undefined))
  return ended.promise
}

function outcomeOf(error: unknown): Outcome {
  return error === null || error === undefined ? undefined : { error }
}
