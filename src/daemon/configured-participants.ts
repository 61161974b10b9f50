/** The dialers of the configured participants: each runs in a worker thread of its own. */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Limits } from '../base/limits.ts'
import type { Timers } from '../base/ports.ts'
import type { Dialer, LinkListener } from '../transport/link.ts'
import { WorkerDialer } from '../transport/worker/index.ts'
import type { ConfiguredParticipant } from './configuration.ts'

/** What the worker thread is told at its start. */
export interface ParticipantWorkerData extends ConfiguredParticipant {
  readonly limits: Pick<Limits, 'participantConcurrencyMax' | 'linkCloseTimeoutMs'>
}

export interface DialersOptions {
  readonly participants: readonly ConfiguredParticipant[]
  readonly limits: Limits
  readonly timers: Timers
  /** The coordinator keeps the reason to itself until it is asked; the operator should see it at once. */
  readonly dialFailed: (name: string, reason: string) => void
}

export function dialersOf({ participants, limits, timers, dialFailed }: DialersOptions): Dialer[] {
  return participants.map((participant) => {
    const makeWorker = (): Worker => startWorker(participant, limits)
    const dialer = new WorkerDialer({ name: participant.name, makeWorker, timers, limits })
    return new ReportedDialer(dialer, dialFailed)
  })
}

function startWorker(participant: ConfiguredParticipant, limits: Limits): Worker {
  const { participantConcurrencyMax, linkCloseTimeoutMs } = limits
  const entry = new URL(`./participant-worker${extname(import.meta.filename)}`, import.meta.url)
  const workerData: ParticipantWorkerData = {
    ...participant,
    limits: { participantConcurrencyMax, linkCloseTimeoutMs },
  }
  return new Worker(entry, { workerData, name: `participant ${participant.name}` })
}

class ReportedDialer implements Dialer {
  readonly #dialer: Dialer
  readonly #dialFailed: (name: string, reason: string) => void

  constructor(dialer: Dialer, dialFailed: (name: string, reason: string) => void) {
    this.#dialer = dialer
    this.#dialFailed = dialFailed
  }

  get name(): string {
    return this.#dialer.name
  }

  dial(listener: LinkListener, failed: (reason: string) => void): void {
    this.#dialer.dial(listener, (reason) => {
      this.#dialFailed(this.name, reason)
      failed(reason)
    })
  }

  close(): Promise<void> {
    return this.#dialer.close()
  }
}
