/** A dialer whose failures are told at once: the coordinator keeps the reason to itself until it is asked. */
import type { Dialer, LinkListener } from '../transport/link.ts'

export class HeardDialer implements Dialer {
  readonly #dialer: Dialer
  readonly #failed: (name: string, reason: string) => void

  constructor(dialer: Dialer, failed: (name: string, reason: string) => void) {
    this.#dialer = dialer
    this.#failed = failed
  }

  get name(): string {
    return this.#dialer.name
  }

  dial(listener: LinkListener, failed: (reason: string) => void): void {
    this.#dialer.dial(listener, (reason) => {
      this.#failed(this.name, reason)
      failed(reason)
    })
  }

  close(): Promise<void> {
    return this.#dialer.close()
  }
}
