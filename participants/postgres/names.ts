/** What a branch is called at PostgreSQL: `pledged/<xid>/<branch>`, recognisable to whoever runs the server. */
import { assert, isParticipantName, PledgedError, type Xid } from '../../src/sdk/participant/index.ts'

/** GIDSIZE is 200, and counts the final NUL (PREPARE TRANSACTION in PostgreSQL's manual: "less than 200 bytes long"). */
export const GID_BYTES_MAX = 199

const PREFIX = 'pledged/'

export function checkBranchName(branch: string): string {
  if (isParticipantName(branch)) return branch
  throw new PledgedError(
    'CONFIGURATION',
    `${JSON.stringify(branch)} is not a participant's name: use 1 to 32 of a-z, 0-9 and '-', not starting with '-'`,
  )
}

export function gidOf(xid: Xid, branch: string): string {
  const gid = `${PREFIX}${xid}/${branch}`
  assert(Buffer.byteLength(gid) <= GID_BYTES_MAX, 'the limits of xids and names keep a gid within its bytes')
  return gid
}
