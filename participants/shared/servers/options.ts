/** What every participant over a database server takes. */
import type { NamedStatements } from '../statement-work.ts'
import { defaultServerLimits, type ServerLimits } from './limits.ts'

export interface ServerParticipantOptions {
  /** The participant's name, which is its branches': it is part of what the database shows as prepared. */
  readonly name: string
  /** With user and password; neither an error nor a log line ever contains the password. */
  readonly url: string
  /** Named statements. Given, work may contain these and no other. */
  readonly statements?: NamedStatements | undefined
  /** Connections to the database, at most. Default 16. */
  readonly poolSize?: number | undefined
  /** How long a statement may wait for a lock; per branch never longer than its vote is waited for. Default 5 s. */
  readonly lockTimeoutMs?: number | undefined
  /** Tests run with all of them small. */
  readonly limits?: Partial<ServerLimits> | undefined
}

export function serverLimitsOf(options: Pick<ServerParticipantOptions, 'limits'>): ServerLimits {
  return { ...defaultServerLimits, ...options.limits }
}
