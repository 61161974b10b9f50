/** What a branch is called at MySQL and MariaDB: an XA identifier, recognisable to whoever runs the server. */
import { isParticipantName, PledgedError } from '../../src/sdk/participant/index.ts'

/** Of each of the two parts ("XA Transaction SQL Statements" in both manuals). A longer one is refused there, too. */
const XA_PART_BYTES_MAX = 64

const PREFIX = 'pledged/'
/** What XA START writes where it is given no other. */
const FORMAT_ID = 1

/** A row of XA RECOVER, as the driver gives it. */
export interface RecoverRow {
  readonly formatID: number
  readonly gtrid_length: number
  readonly bqual_length: number
  readonly data: Uint8Array | string
}

export function checkBranchName(branch: string): string {
  if (isParticipantName(branch)) return branch
  throw new PledgedError(
    'CONFIGURATION',
    `${JSON.stringify(branch)} is not a participant's name: use 1 to 32 of a-z, 0-9 and '-', not starting with '-'`,
  )
}

/** Why no branch can have this name here; undefined where it can. */
export function objectionToName(xid: string, branch: string): string | undefined {
  const parts = [`${PREFIX}${xid}`, branch]
  const long = parts.find((part) => Buffer.byteLength(part) > XA_PART_BYTES_MAX)
  if (long !== undefined) {
    return (
      `${JSON.stringify(long)} is longer than the ${XA_PART_BYTES_MAX} bytes that XA has for a part of a name, ` +
      'and is not cut off: use shorter xids or names'
    )
  }
  // It stands in the text of XA statements, which take no parameters.
  const strange = parts.find((part) => !/^[\x21-\x26\x28-\x5b\x5d-\x7e]+$/.test(part))
  return strange === undefined
    ? undefined
    : `${JSON.stringify(strange)} has characters that can not be part of a name`
}

/** `'pledged/<xid>','<branch>'`, of a name that nothing is objected to. */
export function xaLiteral(xid: string, branch: string): string {
  return `'${PREFIX}${xid}','${branch}'`
}

/** The xid of a branch of this name, of whatever log; undefined for anyone else's. */
export function xidOfRow(row: RecoverRow, branch: string): string | undefined {
  if (row.formatID !== FORMAT_ID) return undefined
  const bytes = Buffer.from(row.data)
  const gtrid = bytes.toString('latin1', 0, row.gtrid_length)
  const bqual = bytes.toString('latin1', row.gtrid_length, row.gtrid_length + row.bqual_length)
  return bqual === branch && gtrid.startsWith(PREFIX) ? gtrid.slice(PREFIX.length) : undefined
}
