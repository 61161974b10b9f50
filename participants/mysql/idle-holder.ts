/**
 * The session that wrote a branch's witness, where it stands idle: a process's that died, behind a network that doesn't
 * say so, or one that hangs. What it holds nobody can end, or bar, before it is gone.
 */
import type { Connections } from './connections.ts'
import { dirtyRows } from './dirty-read.ts'
import type { Session, StatementOptions } from './session.ts'

const HOLDER = 'SELECT session_id AS id FROM pledged_witness WHERE xid = ? AND branch = ?'
const COMMAND = 'SELECT command AS command FROM information_schema.processlist WHERE id = ?'

export interface IdleHolderOptions extends StatementOptions {
  readonly branch: string
  readonly connections: Pick<Connections, 'kill'>
}

/** Whether that session is gone now. One that runs a statement is ending the branch itself, or preparing it: it is left to. */
export async function endIdleHolder(
  session: Session,
  xid: string,
  { branch, connections, ...options }: IdleHolderOptions,
): Promise<boolean> {
  const [witness] = await dirtyRows(session, HOLDER, [xid, branch], options)
  const holder = Number(witness?.['id'] ?? 0)
  // Numbers of sessions are not used twice while the server runs, and this session has run in it since the refusal.
  if (!Number.isSafeInteger(holder) || holder <= 0 || holder === session.id) return false
  // Committed by now: its session has gone on to something else.
  if ((await session.rows(HOLDER, [xid, branch], options)).length > 0) return false
  const [running] = await session.rows(COMMAND, [holder], options)
  if (running === undefined) return true
  if (running['command'] !== 'Sleep') return false
  await connections.kill(holder)
  return true
}
