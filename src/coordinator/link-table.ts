/** Links by number: the core knows links by number only, and a link that it dismissed is heard no more. */
import type { CrashPoints } from '../base/crash-points.ts'
import { noCrashPoints } from '../base/crash-points.ts'
import type { Timers } from '../base/ports.ts'
import type { CoordinatorMessage } from '../protocol/messages.ts'
import type { Link } from '../transport/link.ts'

export class LinkTable {
  readonly #timers: Timers
  readonly #crashPoints: CrashPoints
  readonly #numbers = new Map<Link, number>()
  readonly #links = new Map<number, Link>()
  /** The admitted link of each participant. */
  readonly #current = new Map<string, Link>()
  #outbox = new Map<string, CoordinatorMessage[]>()
  #next = 1

  constructor(options: { readonly timers: Timers; readonly crashPoints: CrashPoints }) {
    this.#timers = options.timers
    this.#crashPoints = options.crashPoints
  }

  add(link: Link): number {
    const number = this.#next
    this.#next += 1
    this.#numbers.set(link, number)
    this.#links.set(number, link)
    return number
  }

  /** Undefined for a link that was dismissed or has closed. */
  numberOf(link: Link): number | undefined {
    return this.#numbers.get(link)
  }

  /** The admitted link: from now on messages for its participant go there. */
  admit(number: number): Link | undefined {
    const link = this.#links.get(number)
    if (link !== undefined) this.#current.set(link.identity.name, link)
    return link
  }

  remove(number: number): Link | undefined {
    const link = this.#links.get(number)
    if (link === undefined) return undefined
    this.#links.delete(number)
    this.#numbers.delete(link)
    if (this.#current.get(link.identity.name) === link) {
      this.#current.delete(link.identity.name)
      this.#outbox.delete(link.identity.name)
    }
    return link
  }

  all(): Link[] {
    return [...this.#links.values()]
  }

  /** Queues a message until the end of the turn. */
  send(participant: string, message: CoordinatorMessage): void {
    const messages = this.#outbox.get(participant)
    if (messages === undefined) this.#outbox.set(participant, [message])
    else messages.push(message)
  }

  /** What was queued for a participant without a link is dropped: recovery owes it. */
  flush(): void {
    if (this.#outbox.size === 0) return
    const outbox = this.#outbox
    // Not cleared: what it held would be kept by its old table (see base/churning.ts).
    this.#outbox = new Map()
    for (const [participant, messages] of outbox) {
      const link = this.#current.get(participant)
      if (link === undefined) continue
      this.#passBefore(messages)
      link.send(messages)
      this.#passAfter(messages)
    }
  }

  #passBefore(messages: readonly CoordinatorMessage[]): void {
    for (const { type } of messages) {
      if (type === 'prepare') this.#crashPoints.pass('coordinator.prepare.before-send')
      if (type === 'commit') this.#crashPoints.pass('coordinator.delivery.before-send')
      if (type === 'abort') this.#crashPoints.pass('coordinator.abort.before-send')
    }
  }

  /** A link writes at the end of its own turn: two turns later the message is on its way. */
  #passAfter(messages: readonly CoordinatorMessage[]): void {
    if (this.#crashPoints === noCrashPoints) return
    this.#timers.soon(() => {
      this.#timers.soon(() => {
        for (const { type } of messages) {
          if (type === 'prepare') this.#crashPoints.pass('coordinator.prepare.after-send')
          if (type === 'commit') this.#crashPoints.pass('coordinator.delivery.after-send')
          if (type === 'abort') this.#crashPoints.pass('coordinator.abort.after-send')
          if (type === 'list_prepared') this.#crashPoints.pass('coordinator.scan.sent')
        }
      })
    })
  }
}
