/** kill -9 of the participant: what it said before must hold after. Loss of power is not tried: see the advice. */
import { isDone, showEnding, showVote } from '../answers.ts'
import type { Bench } from '../bench.ts'
import { ensure } from '../finding.ts'
import { sleep } from '../patience.ts'
import type { ConformanceCase } from './conformance-case.ts'
import { askFacts } from './voting.ts'

/** When the kill is ordered: after the first answer, or so long after everything was sent. */
const KILL_MOMENTS_MS = [undefined, 2, 10] as const
const CROWD = 20

const DURABLE =
  'Force the pledge to disk (fsync) before the vote is answered, and read it back at the start. kill -9 shows only what was never written: that fsync is called, look for yourself, with strace.'

export const crashingCases: readonly ConformanceCase[] = [
  {
    name: 'crash-after-yes',
    weight: 'safety',
    rule: 'A yes vote survives kill -9: the branch is listed again, and can be committed and aborted.',
    why: 'It is the promise on which commit is decided (I4).',
    advice: DURABLE,
    needs: ['restart'],
    run: keepsPledges,
  },
  {
    name: 'crash-after-commit',
    weight: 'safety',
    rule: 'What was committed stays committed through kill -9, and a commit that comes again is answered DONE_BEFORE.',
    why: 'An acknowledgement ends the transaction: nobody will ask again (I1, I4).',
    advice: 'Force the commit, and its witness with it, to disk before the answer.',
    needs: ['restart'],
    run: keepsCommits,
  },
  {
    name: 'crash-after-abort',
    weight: 'safety',
    rule: 'A prepare that comes after its abort is voted no, also when the participant was killed in between.',
    why: 'The message that was held back does not know of the crash (R4).',
    advice: 'Make the bar of an abort durable before the abort is answered.',
    needs: ['restart'],
    run: keepsBars,
  },
  {
    name: 'crash-among-prepares',
    weight: 'safety',
    rule: 'Killed while many prepare, it holds each branch that was voted yes.',
    why: 'A crash does not wait for a quiet moment (I4).',
    advice: DURABLE,
    needs: ['restart'],
    run: keepsAnsweredVotes,
  },
  {
    name: 'crash-among-commits',
    weight: 'safety',
    rule: 'Killed while many commit, it finishes each when it is told again, and none ends another way.',
    why: 'A crash does not wait for a quiet moment (I1, I4).',
    advice: 'Make the commit one durable step: it happened with its witness, or it did not happen at all.',
    needs: ['restart'],
    run: finishesCommits,
  },
]

async function keepsPledges(bench: Bench): Promise<string> {
  const pledged = await bench.pledgeSeveral(2)
  await bench.crash()
  await keepsItsName(bench)
  const held = await bench.held()
  for (const xid of pledged)
    ensure(held.has(xid), `${xid} was voted yes, and is not listed after the restart`)
  for (const [index, xid] of pledged.entries()) {
    const verb = index === 0 ? 'commit' : 'abort'
    const seen = await bench.end(verb, xid)
    ensure(isDone(seen), `after the restart, the ${verb} of ${xid} was answered ${showEnding(seen)}`)
  }
  const other = bench.newXid()
  const seen = await bench.end('commit', other)
  ensure(!isDone(seen), `after the restart it answered ${showEnding(seen)} to the commit of what never was`)
  return `${pledged.length} held through kill -9, and ended as told`
}

async function keepsItsName(bench: Bench): Promise<void> {
  if (bench.facts === undefined) return
  const facts = await askFacts(bench)
  const resourceId = facts.ok ? facts.value.resourceId : undefined
  ensure(
    resourceId === bench.facts.resourceId,
    `resource_id was ${JSON.stringify(bench.facts.resourceId)} before the restart, and ${JSON.stringify(resourceId)} after`,
    'Store the id in the resource itself, when it is made: the coordinator refuses another resource under a known name (R10).',
  )
}

async function keepsCommits(bench: Bench): Promise<string> {
  const work = bench.works.next()
  const xid = await bench.pledge({ work })
  await bench.end('commit', xid)
  await bench.crash()
  ensure(!(await bench.held()).has(xid), `${xid} had committed, and is listed again after the restart`)
  const seen = await bench.end('commit', xid)
  ensure(seen.result !== 'broken', `after the restart the second commit was answered ${showEnding(seen)}`)
  if (seen.result === 'unknown') {
    bench.remark(
      `after the restart the second commit was answered ${showEnding(seen)}: it would need a person`,
    )
  }
  const aborted = await bench.end('abort', xid)
  ensure(
    !isDone(aborted),
    `after the restart an abort of ${xid}, which had committed, was answered ${showEnding(aborted)}`,
  )
  const late = await bench.prepare(xid, work)
  ensure(late.vote !== 'yes', `after the restart a late prepare of ${xid} was answered ${showVote(late)}`)
  if (bench.keepsWitnesses) {
    const evidence = await bench.evidence(xid)
    ensure(evidence === 'witness_committed', `after the restart the evidence of ${xid} is ${evidence}`)
  }
  return `the second commit was answered ${showEnding(seen)}`
}

async function keepsBars(bench: Bench): Promise<string> {
  const [xid, work] = [bench.newXid(), bench.works.next()]
  const [pledgedWork, neverCame] = [bench.works.next(), xid]
  const pledged = await bench.pledge({ work: pledgedWork })
  for (const aborted of [neverCame, pledged]) {
    const seen = await bench.finish('abort', aborted)
    ensure(isDone(seen), `the abort was answered ${showEnding(seen)}`)
  }
  await bench.crash()
  for (const [late, lateWork] of [
    [neverCame, work],
    [pledged, pledgedWork],
  ] as const) {
    const seen = await bench.prepare(late, lateWork)
    ensure(
      seen.vote !== 'yes',
      `after the restart, a prepare of ${late}, which had aborted, was answered ${showVote(seen)}`,
    )
  }
  const again = await bench.end('abort', pledged)
  ensure(isDone(again), `after the restart, the second abort was answered ${showEnding(again)}`)
  return 'voted no after the restart'
}

async function keepsAnsweredVotes(bench: Bench): Promise<string> {
  let answered = 0
  for (const delayMs of KILL_MOMENTS_MS) {
    const crowd = Array.from({ length: CROWD }, () => bench.newXid())
    const votes = crowd.map((xid) => bench.tryPrepare(xid, bench.works.next()))
    await (delayMs === undefined ? Promise.race(votes) : sleep(delayMs))
    await bench.crash()
    const seen = await Promise.all(votes)
    const held = await bench.held()
    for (const [index, xid] of crowd.entries()) {
      if (seen[index]?.vote === 'yes') {
        ensure(held.has(xid), `${xid} was voted yes just before the kill, and is not listed after it`)
        answered += 1
      }
      const ending = await bench.finish(seen[index]?.vote === 'yes' ? 'commit' : 'abort', xid)
      ensure(
        isDone(ending),
        `after the kill, ${xid} was told its decision and answered ${showEnding(ending)}`,
      )
    }
  }
  return `${KILL_MOMENTS_MS.length} kills among ${CROWD} prepares each; ${answered} had been voted yes`
}

async function finishesCommits(bench: Bench): Promise<string> {
  const counts = { committed: 0, acknowledged: 0, unknown: 0 }
  for (const delayMs of KILL_MOMENTS_MS) {
    const pledged = await bench.pledgeSeveral(CROWD)
    const commits = pledged.map((xid) => bench.tryEnd('commit', xid))
    await (delayMs === undefined ? Promise.race(commits) : sleep(delayMs))
    await bench.crash()
    const first = await Promise.all(commits)
    for (const [index, xid] of pledged.entries()) {
      const again = bench.keepsWitnesses ? await bench.finish('commit', xid) : await bench.end('commit', xid)
      ensure(
        again.result !== 'broken',
        `after the kill, the commit of ${xid} was answered ${showEnding(again)}`,
      )
      if (bench.keepsWitnesses)
        ensure(isDone(again), `after the kill, the commit of ${xid} stayed ${showEnding(again)}`)
      if (first[index] !== undefined && isDone(first[index])) counts.acknowledged += 1
      if (again.result === 'unknown') counts.unknown += 1
      counts.committed += 1
    }
    const held = await bench.held()
    for (const xid of pledged) ensure(!held.has(xid), `${xid} was committed, and is listed still`)
  }
  if (counts.unknown > 0)
    bench.remark(`${counts.unknown} could not be told afterwards: each would need a person`)
  return `${KILL_MOMENTS_MS.length} kills; ${counts.committed} committed, ${counts.acknowledged} of them acknowledged before`
}
