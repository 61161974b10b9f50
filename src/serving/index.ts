/**
 * What every gRPC server of ours has in common, the daemon's and that of a participant that listens: where it listens, who is
 * let in, its health, what it says to bytes that are no message, and how it goes down. It knows none of the services.
 *
 * - An address that can't be had is CONFIGURATION, with the address and what is wrong with it. A unix socket is its
 *   owner's alone from its first moment; one that a killed process left behind is removed.
 * - It holds no more connections, calls and half-sent requests than its limits say, whoever is at the other end.
 * - `serverCredentials` and `BearerTokens` hold what is in files, and hold it anew when the files are replaced. What is wrong
 *   with a file is CONFIGURATION, with its name; no token, no key and no part of one is in any error.
 * - `behind` a door, a call that isn't let in reaches no handler, and no message of it is read.
 * - `tolerant` service definitions hand a malformed message to the handler, where `requireMessage` refuses it.
 */
export { behind, type Door, type OpenStream } from './authenticated-call.ts'
export {
  type Authenticate,
  type AuthenticationOptions,
  authenticator,
  type CallHeaders,
} from './authentication.ts'
export {
  BearerTokens,
  type ReadTokens,
  readTokenFile,
  type TokenFile,
} from './bearer-tokens.ts'
export { bind } from './bind.ts'
export { BoundedServer, type ServerLimits } from './bounded-server.ts'
export { type CertificateEntry, CertificateIdentities } from './certificate-identities.ts'
export { Connections, type ConnectionsOptions } from './connections.ts'
export { type Health, isOfHealth, type Ready, serveHealth } from './health.ts'
export { type Identity, ROLES, type Role, sameIdentity } from './identity.ts'
export {
  isLocal,
  type ListenAddress,
  parseListenAddress,
  removeStaleSocket,
} from './listen-address.ts'
export { requireMessage, tolerant } from './messages.ts'
export { type KeyPair, type KeyPairFiles, readCertificates, readKeyPair } from './pem-files.ts'
export {
  checkServerTls,
  type Rotation,
  type RotationOptions,
  type ServerTls,
  serverCredentials,
} from './server-credentials.ts'
export { shutDown, silenceGrpc } from './shutdown.ts'
export { fingerprintOf } from './watched-files.ts'
