/** A participant's answers: the right ones, the wrong ones, and what is no answer; drawn from the run's seed. */
import fc from 'fast-check'
import { BranchResult, Decision, Evidence, Vote } from '../../src/wire/generated/pledged/v1/branch.ts'
import {
  AttachParticipantRequest,
  type CoordinatorBatch,
  ParticipantBatch,
} from '../../src/wire/generated/pledged/v1/participant_gateway_service.ts'
import { SEED } from './budget.ts'

let drawn = 0

/** One value, as good as random, and the same in a run with the same seed and order. */
export function draw<Value>(arbitrary: fc.Arbitrary<Value>): Value {
  drawn += 1
  const [value] = fc.sample(arbitrary, { seed: SEED + drawn, numRuns: 1 })
  return value as Value
}

/** Mostly yes, so that there are decisions to be lied about. */
export const votes = fc.constantFrom(
  Vote.YES,
  Vote.YES,
  Vote.YES,
  Vote.YES,
  Vote.YES,
  Vote.YES,
  Vote.YES,
  Vote.NO,
  Vote.READ_ONLY,
  Vote.COMMITTED,
  Vote.UNSPECIFIED,
  99 as Vote,
)
export const results = fc.constantFrom(
  BranchResult.DONE,
  BranchResult.DONE,
  BranchResult.DONE_BEFORE,
  BranchResult.BROKEN,
  BranchResult.UNKNOWN,
  BranchResult.UNSPECIFIED,
  -7 as BranchResult,
)
export const evidences = fc.constantFrom(
  Evidence.NONE,
  Evidence.WITNESS_COMMITTED,
  Evidence.WITNESS_ABORTED,
  Evidence.NO_WITNESS,
  Evidence.UNSPECIFIED,
  2_147_483_647 as Evidence,
)
const texts = fc.constantFrom('', 'because', '\0\u202e', 'x'.repeat(20_000), 'one\nline more')
const ttls = fc.constantFrom(undefined, undefined, undefined, 0, 1, 2_100, 4_294_967_295)

/** What an attached participant says to a batch: something for each item, or nothing. */
export function lyingBatch(asked: CoordinatorBatch, heldXids: readonly string[]): Uint8Array {
  const silent = () => draw(fc.integer({ min: 0, max: 19 })) === 0
  const ended = [
    ...asked.commits.map(({ xid }) => ({ xid, decision: Decision.COMMIT })),
    ...asked.aborts.map(({ xid }) => ({ xid, decision: Decision.ABORT })),
  ]
  const batch = ParticipantBatch.fromPartial({
    votes: asked.prepares
      .filter(() => !silent())
      .map(({ xid }) => ({ xid, vote: draw(votes), message: draw(texts), pledgeTtlMs: draw(ttls) })),
    results: ended
      .filter(() => !silent())
      .map((end) => ({ ...end, result: draw(results), message: draw(texts), evidence: draw(evidences) })),
    evidenceAnswers: asked.evidenceQuestions.map(({ xid }) => ({ xid, evidence: draw(evidences) })),
    ...(asked.listPrepared === undefined ? {} : lyingPage(heldXids)),
  })
  return AttachParticipantRequest.encode({ body: { $case: 'batch', value: batch } }).finish()
}

function lyingPage(xids: readonly string[]): Parameters<typeof ParticipantBatch.fromPartial>[0] {
  if (draw(fc.boolean())) return { scanFailure: { message: draw(texts) } }
  const times = draw(fc.constantFrom(undefined, new Date(0), new Date(8.64e15), new Date(-8.64e15)))
  const page = draw(fc.array(fc.constantFrom(...xids, '', 'not an xid', '\0'), { maxLength: 20 }))
  return {
    heldPage: {
      branches: page.map((xid) => ({ xid, branch: draw(texts), prepareTime: times, cost: draw(texts) })),
      nextPageToken: draw(fc.constantFrom('', '', '', 'more')),
    },
  }
}
