/** A link's owner that writes down what it is told, and lets a test wait for it. */
import type { ParticipantMessage } from '../../protocol/messages.ts'
import type { Dialer, Link, LinkListener } from '../link.ts'

export class Recorder implements LinkListener {
  readonly opens: Link[] = []
  readonly messages: ParticipantMessage[] = []
  readonly closings: string[] = []
  readonly failures: string[] = []
  #changed: (() => void)[] = []

  opened(link: Link): void {
    this.opens.push(link)
    this.#wake()
  }

  received(_link: Link, messages: readonly ParticipantMessage[]): void {
    this.messages.push(...messages)
    this.#wake()
  }

  closed(_link: Link, reason: string): void {
    this.closings.push(reason)
    this.#wake()
  }

  readonly failed = (reason: string): void => {
    this.failures.push(reason)
    this.#wake()
  }

  get callbacks(): number {
    return this.opens.length + this.messages.length + this.closings.length + this.failures.length
  }

  async until(reached: () => boolean): Promise<void> {
    while (!reached()) await new Promise<void>((resolve) => this.#changed.push(resolve))
  }

  /** Dials and waits for the link, which it welcomes. */
  async open(dialer: Dialer, welcome: Parameters<Link['welcome']>[0]): Promise<Link> {
    const before = this.opens.length
    dialer.dial(this, this.failed)
    await this.until(() => this.opens.length > before || this.failures.length > 0)
    const link = this.opens.at(-1)
    if (link === undefined) throw new Error(`the dial failed: ${this.failures.at(-1)}`)
    link.welcome(welcome)
    return link
  }

  #wake(): void {
    const changed = this.#changed
    this.#changed = []
    for (const resolve of changed) resolve()
  }
}
