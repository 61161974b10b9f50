/**
 * The dialer of a built-in participant: each runs in a worker thread of its own, so that a driver that blocks, or a bug
 * in one, is no other participant's, nor the application's.
 */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { BuiltInResource } from '../../participants/registry.ts'
import type { Limits } from '../base/limits.ts'
import type { Timers } from '../base/ports.ts'
import type { HostLimits } from '../sdk/participant/host.ts'
import type { Dialer } from '../transport/link.ts'
import { WorkerDialer } from '../transport/worker/index.ts'

/** What the worker thread is told at its start. The URL of a database goes this way, and no other. */
export interface ParticipantWorkerData {
  readonly name: string
  readonly resource: BuiltInResource
  readonly limits: HostLimits
}

export interface BuiltInDialerOptions {
  readonly name: string
  readonly resource: BuiltInResource
  readonly limits: Limits
  readonly timers: Timers
}

export function builtInDialer({ name, resource, limits, timers }: BuiltInDialerOptions): Dialer {
  return new WorkerDialer({ name, makeWorker: () => startWorker(name, resource, limits), limits, timers })
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
