/** A database and its user in a server of which only the administrator's URL is known. */
import { createMariadbDatabase } from './mariadb.ts'
import { createPostgresDatabase } from './postgres.ts'

/** Answers with the new user's URL. */
export function createDatabaseAt(adminUrl: string, name: string): Promise<string> {
  return new URL(adminUrl).protocol === 'mysql:'
    ? createMariadbDatabase(adminUrl, name)
    : createPostgresDatabase(adminUrl, name)
}
