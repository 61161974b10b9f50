/** Callers that wait, by the number that the core knows them by. Each is answered once. */

import { present } from '../base/assert.ts'
import { ChurningMap } from '../base/churning.ts'
import type { PledgedError } from '../base/errors.ts'
import type { ReplyTo } from '../protocol/events.ts'
import type { Answer } from '../protocol/requests.ts'

/** To a client, where there is something to say; or, to an operator, what its order means. */
export type CallerAnswer = Answer | readonly string[] | void

interface Caller {
  readonly resolve: (answer: CallerAnswer) => void
  readonly reject: (error: PledgedError) => void
}

export class Callers {
  readonly #waiting = new ChurningMap<ReplyTo, Caller>()
  #next: ReplyTo = 1

  /** A new caller; `asked` is given its number. */
  wait<Expected extends CallerAnswer>(asked: (replyTo: ReplyTo) => void): Promise<Expected> {
    return new Promise((resolve, reject) => {
      const replyTo = this.#next
      this.#next += 1
      // Which of the two comes follows from what was asked.
      this.#waiting.set(replyTo, { resolve: (answer) => resolve(answer as Expected), reject })
      asked(replyTo)
    })
  }

  answer(replyTo: ReplyTo, answer: CallerAnswer): void {
    this.#take(replyTo).resolve(answer)
  }

  refuse(replyTo: ReplyTo, error: PledgedError): void {
    this.#take(replyTo).reject(error)
  }

  refuseAll(error: PledgedError): void {
    for (const caller of this.#waiting.values()) caller.reject(error)
    this.#waiting.clear()
  }

  #take(replyTo: ReplyTo): Caller {
    const caller = present(this.#waiting.get(replyTo), 'a caller is answered once')
    this.#waiting.delete(replyTo)
    return caller
  }
}
