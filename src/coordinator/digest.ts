/** The digest by which a repeated request is told from another body under the same request_id. */
import { createHash } from 'node:crypto'
import type { BranchWork, PreparedBranch, RequestName } from '../protocol/requests.ts'

/**
 * SHA-256 over participants and work in their order, each with its length, and over the participants whose branches the
 * application prepared, whose work only it knows; empty where no name was given.
 */
export function digestOf(
  branches: readonly BranchWork[],
  name: RequestName | undefined,
  prepared: readonly PreparedBranch[] = [],
): string {
  if (name === undefined) return ''
  const hash = createHash('sha256')
  for (const { participant, work } of branches) {
    hash.update(`${participant}\n${work.byteLength}\n`)
    hash.update(work)
  }
  for (const { participant } of prepared) hash.update(`${participant}\nprepared\n`)
  return hash.digest('base64url')
}
