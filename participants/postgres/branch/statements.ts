/** The statements by which a branch begins, and pledges, each text one message. */
import { assert, type Xid } from '../../../src/sdk/participant/index.ts'
import type { DatabaseFailure } from '../../shared/servers/database-failure.ts'
import type { Facts } from './facts.ts'

export interface BranchName {
  readonly xid: Xid
  readonly participant: string
  readonly gid: string
}

export interface Timeouts {
  /** What is left of the transaction's. */
  readonly leftMs: number
  readonly lockTimeoutMs: number
}

/** It stands for this transaction, since only this transaction has it: it goes with whatever ends it. */
const MARK = 'pledged.branch'
const TIMEOUT_MS_MAX = 2_147_483_647

/** No query, so that the application can still choose the isolation: SET TRANSACTION comes before the first. */
export function beginning({ gid }: BranchName, facts: Facts, { leftMs, lockTimeoutMs }: Timeouts): string {
  const left = Math.min(Math.max(1, Math.floor(leftMs)), TIMEOUT_MS_MAX)
  const ofApplication = facts.statementTimeoutMs === 0 ? left : facts.statementTimeoutMs
  const settings = [
    `lock_timeout = ${Math.min(Math.max(1, Math.floor(lockTimeoutMs)), left)}`,
    `statement_timeout = ${Math.min(ofApplication, left)}`,
    // Of a process that stands still, or lost its power, the server hears nothing, for hours: its locks go with this.
    `idle_in_transaction_session_timeout = ${left}`,
    `${MARK} = ${literal(gid)}`,
  ]
  return ['BEGIN READ WRITE', ...settings.map((setting) => `SET LOCAL ${setting}`)].join('; ')
}

/** Why there is no pledge, in the text of an error that the server is made to raise. */
export const REFUSALS = ['other_transaction', 'other_role', 'read_only'] as const
export type RefusalName = (typeof REFUSALS)[number]

/**
 * R14, R4: sees that this is the transaction that was begun, and under which role; writes the witness; and prepares. What
 * is not as it must be is an error, so that nothing after it is run. PREPARE TRANSACTION and COMMIT PREPARED are forced
 * whatever synchronous_commit says.
 */
export function pledging({ xid, participant, gid }: BranchName, { role, witness }: Facts): string {
  return [
    `INSERT INTO ${witness} (xid, branch, outcome)
     SELECT ${literal(xid)}, ${literal(participant)}, CASE
       WHEN current_setting('${MARK}', true) IS DISTINCT FROM ${literal(gid)} THEN ${raising('other_transaction')}
       WHEN current_user <> ${role} THEN ${raising('other_role')}
       WHEN txid_current_if_assigned() IS NULL THEN ${raising('read_only')}
       ELSE 'committed' END`,
    // To cut the last one off would only leave its effect unknown.
    'SET LOCAL statement_timeout = 0',
    `PREPARE TRANSACTION ${literal(gid)}`,
  ].join('; ')
}

export const HAS_WRITTEN = 'SELECT txid_current_if_assigned() IS NOT NULL AS has_written'

/** invalid_text_representation, with this session's own number: nothing that the application wrote says it by chance. */
export function refusalIn({ code, message }: DatabaseFailure, processId: number): RefusalName | undefined {
  if (code !== '22P02') return undefined
  return REFUSALS.find((name) => message.includes(`pledged:${name} ${processId}`))
}

/** A cast that fails, of what isn't known before the statement runs: no planner folds it. */
function raising(name: RefusalName): string {
  return `(('pledged:${name} ' || pg_backend_pid())::int)::text`
}

function literal(text: string): string {
  assert(/^[-0-9a-z./]+$/.test(text), 'xids and names are safe in a literal')
  return `'${text}'`
}
