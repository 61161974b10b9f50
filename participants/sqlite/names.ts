/** Names in the user's database: whose they are, and how they are quoted. */

const OWN = /^(?:pledged|sqlite)_/i
const GUARD_PREFIX = 'pledged_guard_'

/** Pledged's or SQLite's own: not for branches to write. */
export function isOwnName(name: string): boolean {
  return OWN.test(name)
}

export function guardName(operation: string, table: string): string {
  return `${GUARD_PREFIX}${operation.toLowerCase()}_${table}`
}

export function isGuard(trigger: string): boolean {
  return trigger.startsWith(GUARD_PREFIX)
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
