/** Which server, and which database of it, a connection leads to (R10). */

export type Flavour = 'mariadb' | 'mysql'

export interface DatabaseIdentity {
  /** MySQL's; MariaDB has none. */
  readonly serverUuid: string | undefined
  /** Of the row in pledged_meta. */
  readonly drawnId: string
  readonly database: string
}

export const READ_RESOURCE_ID = "SELECT value FROM pledged_meta WHERE name = 'resource_id'"

export function flavourOf(version: string): Flavour {
  return /mariadb/i.test(version) ? 'mariadb' : 'mysql'
}

export function resourceIdOf({ serverUuid, drawnId, database }: DatabaseIdentity): string {
  const parts = [serverUuid, drawnId, encodeURIComponent(database)]
  return parts.filter((part) => part !== undefined).join('/')
}
