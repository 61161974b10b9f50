/** The ends of a server's life. */
import { logVerbosity, type Server, setLogVerbosity } from '@grpc/grpc-js'
import type { Timers } from '../base/ports.ts'

/** Takes no more, lets the calls under way end for that long, then cuts what is left. */
export async function shutDown(server: Server, closeTimeoutMs: number, timers: Timers): Promise<void> {
  await new Promise<void>((resolve) => {
    const cancel = timers.after(closeTimeoutMs, resolve)
    server.tryShutdown(() => {
      cancel()
      resolve()
    })
  })
  server.forceShutdown()
}

/** grpc-js writes to stderr what we answer as errors of our own. Who debugs it sets its environment variable. */
export function silenceGrpc(): void {
  if (process.env['GRPC_VERBOSITY'] === undefined && process.env['GRPC_NODE_VERBOSITY'] === undefined) {
    setLogVerbosity(logVerbosity.NONE)
  }
}
