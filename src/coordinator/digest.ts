/** The digest by which a repeated request is told from another body under the same request_id. */
import { createHash } from 'node:crypto'
import type { BranchWork, RequestName } from '../protocol/requests.ts'

/** SHA-256 over participants and work in their order, each with its length; empty where no name was given. */
export function digestOf(branches: readonly BranchWork[], name: RequestName | undefined): string {
  if (name === undefined) return ''
  const hash = createHash('sha256')
  for (const { participant, work } of branches) {
    hash.update(`${participant}\n${work.byteLength}\n`)
    hash.update(work)
  }
  return hash.digest('base64url')
}
