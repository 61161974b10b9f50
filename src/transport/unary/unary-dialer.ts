/** Dials the address of a participant that listens. */
import { assert } from '../../base/assert.ts'
import { messageOf } from '../../base/errors.ts'
import { defaultLimits } from '../../base/limits.ts'
import { type Clock, systemClock, systemTimers, type Timers } from '../../base/ports.ts'
import type { AccessOptions } from '../../dialling/index.ts'
import type { Dialer, LinkListener } from '../link.ts'
import { describeParticipant } from './description.ts'
import { ParticipantChannel } from './participant-channel.ts'
import { type UnaryLimits, UnaryLink } from './unary-link.ts'

export interface UnaryDialerOptions {
  readonly name: string
  /** HOST:PORT or unix:PATH. */
  readonly address: string
  /** What the participant is shown, and by what it is known. Its files are read at each dial. */
  readonly access?: AccessOptions | undefined
  readonly limits?: UnaryLimits | undefined
  readonly clock?: Clock | undefined
  readonly timers?: Timers | undefined
}

export class UnaryDialer implements Dialer {
  readonly name: string
  readonly #address: string
  readonly #access: AccessOptions
  readonly #limits: UnaryLimits
  readonly #clock: Clock
  readonly #timers: Timers
  #link: UnaryLink | undefined
  /** Of the dial that is under way. */
  #channel: ParticipantChannel | undefined
  #closed = false

  constructor(options: UnaryDialerOptions) {
    this.name = options.name
    this.#address = options.address
    this.#access = options.access ?? {}
    this.#limits = options.limits ?? defaultLimits
    this.#clock = options.clock ?? systemClock
    this.#timers = options.timers ?? systemTimers
  }

  dial(listener: LinkListener, failed: (reason: string) => void): void {
    assert(!this.#closed, 'a closed dialer dials no more')
    this.#link?.close()
    this.#link = undefined
    this.#channel?.close()
    try {
      this.#channel = new ParticipantChannel({
        address: this.#address,
        limits: this.#limits,
        access: this.#access,
      })
      void this.#open(this.#channel, listener, failed)
    } catch (error) {
      this.#timers.soon(() => failed(messageOf(error)))
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#channel?.close()
    this.#channel = undefined
    this.#link?.close()
    await this.#link?.ended
  }

  async #open(
    channel: ParticipantChannel,
    listener: LinkListener,
    failed: (reason: string) => void,
  ): Promise<void> {
    try {
      const identity = await describeParticipant(this.name, channel, this.#limits.connectTimeoutMs)
      if (channel !== this.#channel) return
      this.#channel = undefined
      const link = new UnaryLink({
        identity,
        channel,
        listener,
        limits: this.#limits,
        clock: this.#clock,
        timers: this.#timers,
      })
      this.#link = link
      listener.opened(link)
      channel.watch((reason) => link.lost(reason))
    } catch (error) {
      channel.close()
      if (channel !== this.#channel) return
      this.#channel = undefined
      failed(messageOf(error))
    }
  }
}
