/**
 * The dialers of the configured participants: those that are built in run in a worker thread each, so that a driver
 * that blocks, or a bug in one, is no other participant's; those of kind grpc are called at their address.
 */
import type { Limits } from '../base/limits.ts'
import type { Timers } from '../base/ports.ts'
import { builtInDialer } from '../embedding/built-in-dialer.ts'
import type { Dialer } from '../transport/link.ts'
import { UnaryDialer } from '../transport/unary/index.ts'
import type { ConfiguredParticipant } from './configuration.ts'

export interface DialersOptions {
  readonly participants: readonly ConfiguredParticipant[]
  readonly limits: Limits
  readonly timers: Timers
}

export function dialersOf({ participants, ...options }: DialersOptions): Dialer[] {
  return participants.map((participant) => {
    const { name, ...resource } = participant
    if (resource.kind === 'grpc') {
      const { address, access } = resource
      return new UnaryDialer({ name, address, access, ...options })
    }
    return builtInDialer({ name, resource, ...options })
  })
}
