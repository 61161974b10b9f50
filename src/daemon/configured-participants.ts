/**
 * The dialers of the configured participants: those that are built in run in a worker thread each, so that a driver
 * that blocks, or a bug in one, is no other participant's; those of kind grpc are called at their address.
 */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { BuiltInResource } from '../../participants/registry.ts'
import type { Limits } from '../base/limits.ts'
import type { Timers } from '../base/ports.ts'
import type { HostLimits } from '../sdk/participant/host.ts'
import type { Dialer, LinkListener } from '../transport/link.ts'
import { UnaryDialer } from '../transport/unary/index.ts'
import { WorkerDialer } from '../transport/worker/index.ts'
import type { ConfiguredParticipant } from './configuration.ts'

/** What the worker thread is told at its start. The URL of a database goes this way, and no other. */
export interface ParticipantWorkerData {
  readonly name: string
  readonly resource: BuiltInResource
  readonly limits: HostLimits
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
    const dialer = dialerOf(participant, { limits, timers })
    return new ReportedDialer(dialer, dialFailed)
  })
}

function dialerOf(
  participant: ConfiguredParticipant,
  options: Pick<DialersOptions, 'limits' | 'timers'>,
): Dialer {
  const { name, ...resource } = participant
  if (resource.kind === 'grpc') return new UnaryDialer({ name, address: resource.address, ...options })
  return new WorkerDialer({ name, makeWorker: () => startWorker(name, resource, options.limits), ...options })
}

function startWorker(name: string, resource: BuiltInResource, limits: Limits): Worker {
  const { participantConcurrencyMax, participantWorkBytesMax, linkCloseTimeoutMs } = limits
  const entry = new URL(`./participant-worker${extname(import.meta.filename)}`, import.meta.url)
  const workerData: ParticipantWorkerData = {
    name,
    resource,
    limits: { participantConcurrencyMax, participantWorkBytesMax, linkCloseTimeoutMs },
  }
  return new Worker(entry, { workerData, name: `participant ${name}` })
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
