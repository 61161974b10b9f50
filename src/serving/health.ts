/** grpc.health.v1.Health: serving while new work is taken, for the whole and for each service by name. */
import type { Server, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import type { PledgedError } from '../base/errors.ts'

/** Why no new work is taken now; undefined while it is. */
export type Ready = () => PledgedError | undefined

/** Whoever probes has no secrets, and learns no more than whether work is taken: its methods are everybody's. */
export function isOfHealth(method: string): boolean {
  return method.startsWith('/grpc.health.v1.Health/')
}

export interface Health {
  /** Tells those who watch, if something has changed since it was last looked at. */
  refresh(): void
  /** From now on nothing is served, whatever `ready` says. */
  stop(): void
}

/** `services`: by their full names. */
export function serveHealth(server: Server, services: readonly string[], ready: Ready): Health {
  const implementation = new HealthImplementation()
  let shown: boolean | undefined
  let stopped = false
  const refresh = () => {
    const serving = !stopped && ready() === undefined
    if (serving === shown) return
    shown = serving
    for (const service of ['', ...services])
      implementation.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING')
  }
  refresh()
  implementation.addToServer({
    addService: (service: ServiceDefinition, handlers: UntypedServiceImplementation) =>
      server.addService(service, refreshedBefore(handlers, refresh)),
  })
  return {
    refresh,
    stop: () => {
      stopped = true
      refresh()
    },
  }
}

/** A probe is answered with what holds when it asks. */
function refreshedBefore(
  handlers: UntypedServiceImplementation,
  refresh: () => void,
): UntypedServiceImplementation {
  return Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [
      name,
      (...call: unknown[]) => {
        refresh()
        return (handler as (...call: unknown[]) => unknown)(...call)
      },
    ]),
  ) as UntypedServiceImplementation
}
