/** Evidence, where the participant says that it keeps it; and one phase, which rests on it. */
import { isDone, showEnding, showEvidence, showVote } from '../answers.ts'
import type { Bench } from '../bench.ts'
import { ensure } from '../finding.ts'
import { retryUntil } from '../patience.ts'
import type { ConformanceCase } from './conformance-case.ts'

export const witnessCases: readonly ConformanceCase[] = [
  {
    name: 'evidence',
    weight: 'safety',
    rule: 'The evidence of a committed branch is WITNESS_COMMITTED, of one barred by an abort WITNESS_ABORTED, of what never was NO_WITNESS.',
    why: 'Before it presumes an abort, the coordinator asks: no presumption against a witness (R4).',
    advice:
      'Write the witness inside the transaction of the work itself, so that it is there if and only if the work is.',
    needs: ['evidence'],
    run: tellsEndings,
  },
  {
    name: 'evidence-of-held',
    weight: 'safety',
    rule: 'A branch that is held prepared has no witness of a commit yet.',
    why: 'It may still abort; who reads it as committed reports a broken pledge, or hides one.',
    advice: 'Read witnesses of committed state only; at READ UNCOMMITTED the row of a held branch shows.',
    needs: ['evidence'],
    run: tellsNothingOfHeld,
  },
  {
    name: 'forget',
    weight: 'liveness',
    rule: 'After ForgetBranches the witnesses of exactly those xids are gone, and no other.',
    why: 'Witnesses that stay fill the resource; one too many gone is an outcome that nobody can tell (R5).',
    advice: 'Delete by exact xid, never by age or range.',
    needs: ['evidence'],
    run: forgetsExactly,
  },
  {
    name: 'forget-of-held',
    weight: 'safety',
    rule: 'ForgetBranches of a branch that is held prepared leaves it as it is.',
    why: 'Forgetting is for what has ended; a pledge ends only by its decision (I4).',
    advice: 'Delete witnesses, not pledges.',
    needs: ['evidence'],
    run: keepsHeld,
  },
  {
    name: 'one-phase',
    weight: 'safety',
    rule: 'A one-phase prepare that was voted VOTE_COMMITTED has committed, with its witness; any other vote is as good.',
    why: 'The vote is the outcome: no decision follows it (R17).',
    advice:
      'Commit the work and its witness in one durable step, then vote; on any doubt answer an error, not a no.',
    needs: ['evidence', 'one_phase'],
    run: commitsInOnePhase,
  },
]

async function tellsEndings(bench: Bench): Promise<string> {
  const committed = await bench.pledge()
  await bench.end('commit', committed)
  await expectEvidence(bench, committed, 'witness_committed', 'a committed branch')
  const barred = bench.newXid()
  await bench.end('abort', barred)
  await expectEvidence(bench, barred, 'witness_aborted', 'a branch that was aborted before it came')
  await expectEvidence(bench, bench.newXid(), 'no_witness', 'an xid that never came')
  const aborted = await bench.pledge()
  await bench.end('abort', aborted)
  const evidence = await bench.evidence(aborted)
  ensure(evidence !== 'witness_committed', `the evidence of an aborted branch is ${showEvidence(evidence)}`)
  return 'as they ended'
}

async function expectEvidence(
  bench: Bench,
  xid: string,
  expected: 'witness_committed' | 'witness_aborted' | 'no_witness',
  what: string,
): Promise<void> {
  const evidence = await bench.evidence(xid)
  ensure(
    evidence === expected,
    `the evidence of ${what} is ${showEvidence(evidence)}, not ${showEvidence(expected)}`,
  )
}

async function tellsNothingOfHeld(bench: Bench): Promise<string> {
  const xid = await bench.pledge()
  const evidence = await bench.evidence(xid)
  const told = evidence === 'witness_committed' || evidence === 'witness_aborted'
  ensure(!told, `the evidence of a branch that is held prepared is ${showEvidence(evidence)}`)
  return showEvidence(evidence)
}

async function forgetsExactly(bench: Bench): Promise<string> {
  const [first, second] = [await bench.pledge(), bench.newXid()]
  await bench.end('commit', first)
  const kept = await bench.pledge()
  await bench.end('commit', kept)
  await bench.end('abort', second)
  await bench.forget([first, second])
  for (const xid of [first, second]) {
    const gone = await retryUntil(
      () => bench.evidence(xid),
      (evidence) => evidence === 'no_witness',
      bench.timeoutMs,
    )
    ensure(gone === 'no_witness', `after ForgetBranches the evidence of ${xid} stayed ${showEvidence(gone)}`)
  }
  await expectEvidence(bench, kept, 'witness_committed', 'a committed branch that was not named')
  return 'gone, and no other'
}

async function keepsHeld(bench: Bench): Promise<string> {
  const xid = await bench.pledge()
  await bench.forget([xid])
  // Forgetting may happen a moment after its answer; the next call for the same xid comes after it.
  await bench.evidence(xid)
  ensure(
    (await bench.held()).has(xid),
    `after ForgetBranches ${xid}, held prepared before, is no longer listed`,
  )
  const seen = await bench.end('commit', xid)
  ensure(seen.result === 'done', `after ForgetBranches the commit of ${xid} was answered ${showEnding(seen)}`)
  return 'held still, then committed'
}

async function commitsInOnePhase(bench: Bench): Promise<string> {
  const xid = bench.newXid()
  const seen = await bench.prepare(xid, bench.works.next(), { onePhase: true })
  ensure(seen.vote === 'committed' || seen.vote === 'yes', `it answered ${showVote(seen)}`)
  const held = (await bench.held()).has(xid)
  ensure(
    held === (seen.vote === 'yes'),
    `it answered ${showVote(seen)}, and ${held ? 'lists' : "doesn't list"} ${xid}`,
  )
  if (seen.vote === 'committed')
    await expectEvidence(bench, xid, 'witness_committed', 'a branch voted VOTE_COMMITTED')
  const ending = await bench.end('commit', xid)
  ensure(isDone(ending), `after ${showVote(seen)} the commit was answered ${showEnding(ending)}`)
  const barred = bench.newXid()
  await bench.end('abort', barred)
  const late = await bench.prepare(barred, bench.works.next(), { onePhase: true })
  ensure(late.vote === 'no', `a one-phase prepare after its abort was answered ${showVote(late)}`)
  return showVote(seen)
}
