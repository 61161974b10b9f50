/**
 * Database servers of one's own, for the demo and the tests: private instances in a directory of theirs, on a port of
 * 127.0.0.1 of theirs, with passwords of theirs. A system's own servers and clusters are neither used nor touched.
 * `startPostgres` and `startMariadb` resolve when the server answers; where its programs are missing, they throw
 * CONFIGURATION with the sentence that says what to install. Nothing is left behind: neither after `stop()`, nor when
 * this process ends without it, not even by kill -9.
 */
export { createDatabaseAt } from './create-database.ts'
export { startMariadb } from './mariadb.ts'
export { startPostgres } from './postgres.ts'
export type { DatabaseServer, ServerOptions } from './server.ts'
