/**
 * The page tokens of a scan: what comes after the last xid of the page before. By key, not by offset, which would skip
 * others as branches end between the pages. A token that was not given out is refused: a scan that quietly begins
 * elsewhere looks complete, and isn't.
 */
import { PledgedError } from '../../src/sdk/participant/index.ts'

const PREFIX = 'after:'

/** `lastXid`: of the page that is given out. '' where it was the last page. */
export function pageTokenAfter(lastXid: string): string {
  return lastXid === '' ? '' : `${PREFIX}${lastXid}`
}

/** The last xid of the page before, '' for the first page. Throws INVALID_REQUEST. */
export function xidBeforePage(pageToken: string): string {
  if (pageToken === '') return ''
  if (pageToken.startsWith(PREFIX)) return pageToken.slice(PREFIX.length)
  throw new PledgedError(
    'INVALID_REQUEST',
    `the page token ${JSON.stringify(pageToken.slice(0, 100))} was not given out here: begin the scan anew, with an empty one`,
  )
}
