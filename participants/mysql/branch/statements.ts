/** The statements by which a branch begins, pledges and ends, each list to be run in its order. */
import { assert, type Xid } from '../../../src/sdk/participant/index.ts'
import type { DatabaseFailure } from '../../shared/servers/database-failure.ts'
import { xaLiteral } from '../names.ts'
import { insertWitness } from '../witness-sql.ts'
import type { Facts } from './facts.ts'

export interface BranchName {
  readonly xid: Xid
  readonly participant: string
}

export interface Timeouts {
  /** What is left of the transaction's. */
  readonly leftMs: number
  readonly lockTimeoutMs: number
}

const PREFIX = '@pledged_'

/** Of rows and of tables. */
const LOCK_TIMEOUTS = ['innodb_lock_wait_timeout', 'lock_wait_timeout'] as const
/** Of a process that stands still, or lost its power, the server hears nothing, for hours: its locks go with this. */
const IDLE_TIMEOUT = 'wait_timeout'
const SETTINGS = [...LOCK_TIMEOUTS, IDLE_TIMEOUT] as const
/** One year, which is as long as the server takes. */
const TIMEOUT_S_MAX = 31_536_000

/** The session's own settings are kept in variables of the user's, and put back before the branch is prepared. */
export function beginning(name: BranchName, { leftMs, lockTimeoutMs }: Timeouts): readonly string[] {
  const left = seconds(leftMs, Math.ceil)
  const limits = {
    innodb_lock_wait_timeout: Math.min(seconds(lockTimeoutMs, Math.floor), left),
    lock_wait_timeout: Math.min(seconds(lockTimeoutMs, Math.floor), left),
    wait_timeout: left,
  }
  const kept = SETTINGS.map((setting) => `${PREFIX}${setting} = @@SESSION.${setting}`)
  const set = SETTINGS.map(
    (setting) => `SESSION ${setting} = LEAST(@@SESSION.${setting}, ${limits[setting]})`,
  )
  // First the begin: where it is refused, nothing was set.
  return [`XA START ${nameOf(name)}`, `SET ${kept.join(', ')}`, `SET ${set.join(', ')}`]
}

const RESTORING = `SET ${SETTINGS.map((setting) => `SESSION ${setting} = ${PREFIX}${setting}`).join(', ')}`

/**
 * R4, R14: the witness is written, the engines are seen to be able to take everything back, and the branch is prepared.
 * An engine without transactions makes ROLLBACK TO SAVEPOINT warn (1196). MariaDB runs it as one statement, which stops at
 * what it signals.
 */
export function pledging(name: BranchName, facts: Facts): readonly string[] {
  const isCompound = facts.flavour === 'mariadb'
  const xa = nameOf(name)
  const { xid, participant } = name
  const values = { xid: literal(xid), branch: literal(participant), changedRows: 'NULL' }
  return [
    insertWitness({ table: facts.witness, ...values }),
    ...(isCompound ? [signalling('ROW_COUNT() <> 1', 'read_only')] : []),
    'SAVEPOINT pledged',
    'ROLLBACK TO SAVEPOINT pledged',
    ...(isCompound ? [signalling('@@warning_count > 0', 'untransactional')] : []),
    RESTORING,
    `XA END ${xa}`,
    `XA PREPARE ${xa}`,
  ]
}

export const REFUSALS = ['read_only', 'untransactional'] as const
export type RefusalName = (typeof REFUSALS)[number]

/** ER_SIGNAL_EXCEPTION */
export function refusalIn({ code, message }: DatabaseFailure): RefusalName | undefined {
  if (code !== '1644') return undefined
  return REFUSALS.find((name) => message.includes(`pledged:${name}`))
}

export function rollingBack(name: BranchName): readonly string[] {
  const xa = nameOf(name)
  return [`XA END ${xa}`, `XA ROLLBACK ${xa}`, RESTORING]
}

/** Of what the server has rolled back itself, and of what is prepared. */
export function rollingBackEnded(name: BranchName): readonly string[] {
  return [`XA ROLLBACK ${nameOf(name)}`, RESTORING]
}

export function nameOf({ xid, participant }: BranchName): string {
  return xaLiteral(xid, participant)
}

function signalling(condition: string, name: RefusalName): string {
  return `IF ${condition} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'pledged:${name}'; END IF`
}

function literal(text: string): string {
  assert(/^[-0-9a-z.]+$/.test(text), 'xids and names are safe in a literal')
  return `'${text}'`
}

function seconds(ms: number, round: (value: number) => number): number {
  return Math.min(Math.max(1, round(ms / 1_000)), TIMEOUT_S_MAX)
}
