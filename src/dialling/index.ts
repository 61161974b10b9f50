/**
 * How a gRPC client of ours gets in where not everybody may: what `src/serving` is to a server, for the calling side. It knows none
 * of the services, and has no part in when to connect.
 *
 * - `Access` is made once for an address. What is wrong with its files is CONFIGURATION then, with the file and what to do;
 *   afterwards they are looked at again, and what can be used is taken over without a restart: a token by the next call, a
 *   certificate by the next connection.
 * - A token leaves this machine through TLS or not at all.
 * - Without a token and without TLS it is plain text, and costs nothing.
 */
export { Access, type AccessOptions } from './access.ts'
export type { ClientTls } from './tls-files.ts'
