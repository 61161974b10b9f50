/**
 * The offsets participant: where consumers have read to, in a SQLite file of its own.
 *
 * Work, as JSON:
 * `{ "group": "g", "owner_epoch": 3, "advance": [ { "topic": "t", "partition": 0, "from": 100, "to": 150 } ] }`
 *
 * - The vote is yes only if every stored offset is `from` (0 at first), and no newer owner of the group was seen.
 *   Owner epochs are issued by `claimOwnerEpoch`; an instance that was thought dead and comes back votes no.
 * - A pledged key (group, topic, partition) is locked, durably, until its branch ends. Another branch that wants
 *   it waits if it is the older one of the same log, and is voted no, retryable, if it isn't (R13).
 * - Branches of different keys don't wait for each other, and share forced writes.
 * - Offsets are integers up to 2^53 - 1, and never go back.
 * - The file belongs to Pledged: an offset edited by hand while its key is pledged breaks the pledge.
 */
import type { Participant } from '../../src/sdk/participant/index.ts'
import { limitsOf, type SqliteFileOptions } from '../shared/files/limits.ts'
import { createPledgeParticipant } from '../shared/files/pledge-participant.ts'
import { offsetsResourceKind } from './offsets-resource.ts'

export { claimOwnerEpoch, listOffsets, readOffset } from './owner-epochs.ts'

export type OffsetsParticipantOptions = SqliteFileOptions

export function createOffsetsParticipant(options: OffsetsParticipantOptions): Participant {
  const limits = limitsOf(options)
  return createPledgeParticipant({ resourceKind: offsetsResourceKind({ ...options, limits }), limits })
}
