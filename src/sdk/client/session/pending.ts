/** What a caller waits for, from the asking to its one end. */
import type { Scope } from '../scope.ts'
import type { Try } from '../try.ts'

export class Pending<Response> {
  readonly ended: Promise<Try<Response>>
  readonly scope: Scope
  readonly #resolve: (end: Try<Response>) => void
  readonly #forgetScope: () => void

  /** `onOver`: the caller waits no more, and it has not ended yet. */
  constructor(scope: Scope, onOver: () => void) {
    const ended = Promise.withResolvers<Try<Response>>()
    this.scope = scope
    this.ended = ended.promise
    this.#resolve = ended.resolve
    this.#forgetScope = scope.onOver(onOver)
  }

  /** The first end counts. */
  end(end: Try<Response>): void {
    this.#forgetScope()
    this.#resolve(end)
  }
}
