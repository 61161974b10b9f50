/**
 * What a session is told before it is used. Work means the same whatever the server's defaults are, and its text is
 * read by the server as ./statement-text.ts reads it.
 */
import { IDLE_SESSION_S } from './limits.ts'

/** No ANSI_QUOTES, no NO_BACKSLASH_ESCAPES; a value that doesn't fit is an error, and never cut off. */
const SQL_MODE = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'

/** A witness that isn't committed must not be seen, and one that is, at once (R3). */
export const READ_COMMITTED = 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED'

/** Both lock timeouts are in whole seconds, of rows and of tables. What is shorter is somebody else's to watch. */
export function settingsStatement(lockTimeoutMs: number): string {
  const lockTimeoutS = Math.max(1, Math.floor(lockTimeoutMs / 1_000))
  const settings = {
    sql_mode: `'${SQL_MODE}'`,
    autocommit: 1,
    completion_type: "'NO_CHAIN'",
    innodb_lock_wait_timeout: lockTimeoutS,
    lock_wait_timeout: lockTimeoutS,
    wait_timeout: IDLE_SESSION_S,
  }
  return `SET ${Object.entries(settings)
    .map(([name, value]) => `SESSION ${name} = ${value}`)
    .join(', ')}`
}
