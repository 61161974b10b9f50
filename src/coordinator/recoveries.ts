/** Drives the recovery machine of each participant: signals in, timers and dials out. */
import type { Limits } from '../base/limits.ts'
import type { Clock, Random, Timers } from '../base/ports.ts'
import type { ParticipantRecoveryAction, ParticipantRecoveryEvent } from '../recovery/index.ts'
import { ParticipantRecovery } from '../recovery/index.ts'
import type { Dialer, LinkListener } from '../transport/link.ts'

export interface RecoveriesOptions {
  readonly limits: Limits
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly dialers: readonly Dialer[]
  readonly listener: LinkListener
  /** Ask the participant what it holds prepared; deliver all that it is owed. */
  readonly post: (event: { readonly type: 'scan' | 'deliver'; readonly participant: string }) => void
}

interface Recovered {
  readonly machine: ParticipantRecovery
  readonly dialer: Dialer | undefined
  nextTryTimeMs: number | undefined
  cancelTimer: (() => void) | undefined
}

export interface RecoveryView {
  readonly state: ParticipantRecovery['state']
  readonly dialled: boolean
  readonly lastError: string
  readonly failures: number
  readonly nextTryTimeMs: number | undefined
}

export class Recoveries {
  readonly #options: RecoveriesOptions
  readonly #recovered = new Map<string, Recovered>()
  #stopped = false

  constructor(options: RecoveriesOptions) {
    this.#options = options
  }

  /** Dials whom we dial; `known` are those of whom the log knows. */
  start(known: Iterable<string>): void {
    for (const { name } of this.#options.dialers) this.#of(name)
    for (const name of known) this.#of(name)
  }

  signal(name: string, event: ParticipantRecoveryEvent): void {
    if (this.#stopped) return
    // One that was turned away at its first coming has nothing to recover, and must not be remembered.
    if (event.type === 'link_down' && !this.#recovered.has(name)) return
    const recovered = this.#of(name)
    this.#carryOut(name, recovered, recovered.machine.send(event))
  }

  /** By name; also of participants that are configured and have never come up. */
  views(): ReadonlyMap<string, RecoveryView> {
    const views = new Map<string, RecoveryView>()
    for (const [name, { machine, dialer, nextTryTimeMs }] of this.#recovered) {
      const { state, lastError, failures } = machine
      views.set(name, { state, lastError, failures, dialled: dialer !== undefined, nextTryTimeMs })
    }
    return views
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const { cancelTimer } of this.#recovered.values()) cancelTimer?.()
    await Promise.all(this.#options.dialers.map((dialer) => dialer.close()))
  }

  #of(name: string): Recovered {
    const found = this.#recovered.get(name)
    if (found !== undefined) return found
    const dialer = this.#options.dialers.find((other) => other.name === name)
    const machine = new ParticipantRecovery({ dials: dialer !== undefined, limits: this.#options.limits })
    const recovered = { machine, dialer, nextTryTimeMs: undefined, cancelTimer: undefined }
    this.#recovered.set(name, recovered)
    this.#carryOut(name, recovered, machine.start())
    return recovered
  }

  #carryOut(name: string, recovered: Recovered, actions: readonly ParticipantRecoveryAction[]): void {
    for (const action of actions) {
      switch (action.type) {
        case 'dial':
          recovered.dialer?.dial(this.#options.listener, (reason) => {
            this.signal(name, { type: 'dial_failed', reason })
          })
          break
        case 'scan':
        case 'deliver':
          this.#options.post({ type: action.type, participant: name })
          break
        case 'schedule':
          this.#schedule(name, recovered, action.delayMs)
          break
      }
    }
  }

  #schedule(name: string, recovered: Recovered, delayMs: number): void {
    const { clock, timers, random } = this.#options
    // Half of it is jitter: participants that fell together don't come back together.
    const jitteredMs = delayMs / 2 + random.below(Math.floor(delayMs / 2) + 1)
    recovered.cancelTimer?.()
    recovered.nextTryTimeMs = clock.wallMs() + jitteredMs
    recovered.cancelTimer = timers.after(jitteredMs, () => {
      recovered.nextTryTimeMs = undefined
      recovered.cancelTimer = undefined
      this.signal(name, { type: 'timer' })
    })
  }
}
