/** Messages that overtake each other, callers that give up, and many at once. */
import { isDone, showEnding, showVote } from '../answers.ts'
import type { Bench } from '../bench.ts'
import { ensure } from '../finding.ts'
import type { ConformanceCase } from './conformance-case.ts'

const CROWD = 50
const DUPLICATES = 5
const GIVE_UP_AFTER_MS = [0, 1, 2, 5, 10, 20, 50, 100] as const

export const racingCases: readonly ConformanceCase[] = [
  {
    name: 'prepare-races-abort',
    weight: 'safety',
    rule: 'Where a prepare and its abort arrive at once, in either order, nothing is left prepared once the abort is done.',
    why: 'A coordinator that has given up waiting sends the abort while the prepare is on its way (R4).',
    advice:
      'Serialise the verbs of one xid, and look for the bar of an abort in the same step that makes the pledge durable.',
    run: survivesRaces,
  },
  {
    name: 'cancelled-prepare',
    weight: 'safety',
    rule: 'A prepare whose caller gave up, followed by an abort, leaves nothing behind.',
    why: 'What the deadline ended at the caller runs on at the participant.',
    advice:
      'Let the abort wait for the running prepare of its xid, or bar it; never answer DONE while it may still pledge.',
    run: survivesCancelledPrepares,
  },
  {
    name: 'cancelled-commit',
    weight: 'safety',
    rule: 'A commit whose caller gave up is finished by the next one.',
    why: 'A decision is delivered until it is acknowledged; the first delivery may have been cut anywhere.',
    advice: 'Make the commit one durable step: it happened with its witness, or it did not happen at all.',
    run: survivesCancelledCommits,
  },
  {
    name: 'duplicates-at-once',
    weight: 'safety',
    rule: 'The same prepare several times at once makes one pledge, the same commit several times at once one end.',
    why: 'Retries overlap with what they repeat.',
    advice: 'Serialise the verbs of one xid.',
    run: survivesDuplicates,
  },
  {
    name: 'many-at-once',
    weight: 'liveness',
    rule: `${CROWD} transactions at once are each voted on, and each ends as it was told.`,
    why: 'A coordinator sends whatever waits; one that can not be served now is a no vote that may be tried again.',
    advice:
      'Answer each within its timeout: yes, or no with retryable set where another holds what it needs.',
    run: servesACrowd,
  },
]

async function survivesRaces(bench: Bench): Promise<string> {
  const votes = { yes: 0, no: 0 }
  for (let round = 0; round < bench.rounds; round += 1) {
    const [xid, work] = [bench.newXid(), bench.works.next()]
    // On one connection what is sent first arrives first; how it goes on is the participant's.
    const early = round % 2 === 1 ? bench.tryEnd('abort', xid) : undefined
    const [vote, ending] = await Promise.all([bench.prepare(xid, work), early ?? bench.tryEnd('abort', xid)])
    votes[vote.vote === 'yes' ? 'yes' : 'no'] += 1
    const told = `the prepare was answered ${showVote(vote)}, the abort ${showEnding(ending)}`
    const isHeld = (await bench.held()).has(xid)
    ensure(!(isDone(ending) && isHeld), `${told}, and ${xid} is held prepared`)
    const again = await bench.finish('abort', xid)
    ensure(isDone(again), `${told}; the abort that came again was answered ${showEnding(again)}`)
    ensure(!(await bench.held()).has(xid), `${xid} was aborted twice, and is held prepared`)
  }
  return `${bench.rounds} races, ${votes.yes} voted yes before the abort`
}

async function survivesCancelledPrepares(bench: Bench): Promise<string> {
  const begun: { readonly xid: string; readonly work: Uint8Array }[] = []
  for (const cancelAfterMs of GIVE_UP_AFTER_MS) {
    const [xid, work] = [bench.newXid(), bench.works.next()]
    await bench.tryPrepare(xid, work, { cancelAfterMs })
    const seen = await bench.finish('abort', xid)
    ensure(isDone(seen), `the abort after ${cancelAfterMs} ms was answered ${showEnding(seen)}`)
    begun.push({ xid, work })
  }
  for (const { xid, work } of begun) {
    ensure(!(await bench.held()).has(xid), `${xid} was aborted, and is held prepared`)
    const late = await bench.prepare(xid, work)
    ensure(late.vote !== 'yes', `a prepare of ${xid} after its abort was answered ${showVote(late)}`)
  }
  return `${begun.length} callers gave up, after 0 to ${GIVE_UP_AFTER_MS.at(-1)} ms`
}

async function survivesCancelledCommits(bench: Bench): Promise<string> {
  let unknown = 0
  for (const cancelAfterMs of GIVE_UP_AFTER_MS) {
    const xid = await bench.pledge()
    await bench.tryEnd('commit', xid, { cancelAfterMs })
    const seen = bench.keepsWitnesses ? await bench.finish('commit', xid) : await bench.end('commit', xid)
    ensure(
      seen.result !== 'broken',
      `the commit after one that was given up was answered ${showEnding(seen)}`,
    )
    if (seen.result === 'unknown') unknown += 1
    ensure(
      !(await bench.held()).has(xid),
      `the commit was answered ${showEnding(seen)}, and ${xid} is held still`,
    )
  }
  if (unknown > 0) {
    bench.remark(
      `${unknown} of ${GIVE_UP_AFTER_MS.length} could not be told afterwards: each would need a person`,
    )
  }
  return `${GIVE_UP_AFTER_MS.length} callers gave up, all committed`
}

async function survivesDuplicates(bench: Bench): Promise<string> {
  const xid = await bench.pledge()
  await bench.end('abort', xid)
  const [next, work] = [bench.newXid(), bench.works.next()]
  const copies = Array.from({ length: DUPLICATES })
  const votes = await Promise.all(copies.map(() => bench.prepare(next, work)))
  ensure(
    votes.some(({ vote }) => vote === 'yes'),
    `none of ${DUPLICATES} equal prepares was voted yes: ${votes.map(showVote).join(', ')}`,
  )
  const listed = (await bench.scan()).filter((held) => held.xid === next).length
  ensure(listed === 1, `after ${DUPLICATES} equal prepares ${next} is listed ${listed} times`)
  const endings = await Promise.all(copies.map(() => bench.end('commit', next)))
  const done = endings.filter(({ result }) => result === 'done').length
  ensure(done >= 1, `none of ${DUPLICATES} equal commits was done: ${endings.map(showEnding).join(', ')}`)
  const broken = endings.filter(({ result }) => result === 'broken').length
  ensure(broken === 0, `${broken} of ${DUPLICATES} equal commits were answered BROKEN`)
  const unknown = endings.filter(({ result }) => result === 'unknown').length
  if (unknown > 0) bench.remark(`${unknown} of ${DUPLICATES} equal commits were answered UNKNOWN`)
  return `${votes.filter(({ vote }) => vote === 'yes').length} yes votes, one pledge; commits done`
}

async function servesACrowd(bench: Bench): Promise<string> {
  const crowd = Array.from({ length: CROWD }, () => ({ xid: bench.newXid(), work: bench.works.next() }))
  const votes = await Promise.all(crowd.map(({ xid, work }) => bench.prepare(xid, work)))
  const held = await bench.held()
  const yes = crowd.filter((_, index) => votes[index]?.vote === 'yes').map(({ xid }) => xid)
  const refusals = votes.filter(({ vote }) => vote === 'no')
  ensure(yes.length > 0, `none was voted yes: ${votes.slice(0, 3).map(showVote).join(', ')}`)
  for (const xid of yes) ensure(held.has(xid), `${xid} was voted yes and is not listed`)
  const endings = await Promise.all(
    yes.map(async (xid, index) => await bench.end(index % 2 === 0 ? 'commit' : 'abort', xid)),
  )
  for (const seen of endings) ensure(isDone(seen), `one was answered ${showEnding(seen)}`)
  const left = await bench.held()
  for (const { xid } of crowd) ensure(!left.has(xid), `${xid} has ended, and is listed`)
  const final = refusals.find(({ retryable }) => !retryable)
  if (final !== undefined) {
    bench.remark(`a no that is not marked retryable, to work that is like the others: ${showVote(final)}`)
  }
  return `${yes.length} voted yes, ${refusals.length} no; all ended as told`
}
