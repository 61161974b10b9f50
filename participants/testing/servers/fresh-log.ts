/** A log of a test's own: at a server that other tests use, too, its xids clash with no other's. */
import { randomInt } from 'node:crypto'
import type { CoordinatorIdentity, Xid } from '../../../src/sdk/participant/index.ts'

const LETTERS = '0123456789abcdefghjkmnpqrstvwxyz'

export interface FreshLog {
  readonly identity: CoordinatorIdentity
  readonly xid: (sequence: number) => Xid
}

export function freshLog(): FreshLog {
  const logId = Array.from({ length: 12 }, () => LETTERS[randomInt(LETTERS.length)]).join('')
  return {
    identity: { logId, epoch: '7-q3f9' } as CoordinatorIdentity,
    xid: (sequence) => `${logId}.7-q3f9.${sequence}` as Xid,
  }
}
