/**
 * What every gRPC server of ours has in common, the daemon's and that of a participant that listens: where it listens,
 * its health, what it says to bytes that are no message, and how it goes down. It knows none of the services.
 *
 * - An address that can't be had is CONFIGURATION, with the address and what is wrong with it. A unix socket is its
 *   owner's alone from its first moment; one that a killed process left behind is removed.
 * - `tolerant` service definitions hand a malformed message to the handler, where `requireMessage` refuses it.
 */
export { bind } from './bind.ts'
export { type Health, type Ready, serveHealth } from './health.ts'
export {
  formatListenAddress,
  isLocal,
  type ListenAddress,
  parseListenAddress,
  removeStaleSocket,
} from './listen-address.ts'
export { requireMessage, tolerant } from './messages.ts'
export { shutDown, silenceGrpc } from './shutdown.ts'
