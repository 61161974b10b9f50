/** A database of a test's own, in a server that others use, too. */
import { randomBytes } from 'node:crypto'
import { createDatabaseAt } from '../../../src/demo/servers/index.ts'

/**
 * `adminUrl` is what `inject('postgresUrl')` or `inject('mariadbUrl')` gives. Answers with the URL of the new
 * database, with a user of its own who may do everything in it and nothing elsewhere. It goes with the server.
 */
export function freshDatabase(adminUrl: string): Promise<string> {
  return createDatabaseAt(adminUrl, `t${randomBytes(6).toString('hex')}`)
}
