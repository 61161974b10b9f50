/** Commits and aborts: first, again, late, and of what never was. */
import { type EndingSeen, isDone, showEnding, showVote } from '../answers.ts'
import type { Bench } from '../bench.ts'
import { ensure } from '../finding.ts'
import type { ConformanceCase } from './conformance-case.ts'

const BAR =
  'Keep a durable row per xid that ended or was aborted before it came; vote no to a prepare that finds it.'

export const endingCases: readonly ConformanceCase[] = [
  {
    name: 'commit',
    weight: 'safety',
    rule: 'A commit after a yes vote is done, and the branch is no longer listed.',
    why: 'The yes vote was the promise of it (I1, I4).',
    advice: 'Let CommitBranch make the work last and drop the pledge, in one durable step, then answer DONE.',
    run: commits,
  },
  {
    name: 'commit-again',
    weight: 'liveness',
    rule: 'A commit that comes again is answered DONE_BEFORE (or DONE).',
    why: 'An acknowledgement gets lost; without an answer the second time the branch stays in doubt until a person looks.',
    advice: 'Write a witness of the xid in the same step that makes the work last, and look for it.',
    run: commitsAgain,
  },
  {
    name: 'abort',
    weight: 'safety',
    rule: 'An abort after a yes vote is done, and the branch is no longer listed.',
    why: 'Some other branch voted no (I1).',
    advice: 'Let AbortBranch undo the work and drop the pledge, in one durable step, then answer DONE.',
    run: aborts,
  },
  {
    name: 'abort-again',
    weight: 'liveness',
    rule: 'An abort that comes again is answered DONE_BEFORE (or DONE).',
    why: 'An acknowledgement gets lost; the coordinator asks until it has one.',
    advice:
      'An abort that finds nothing prepared and no witness of a commit is DONE, once the xid is barred.',
    run: abortsAgain,
  },
  {
    name: 'abort-after-commit',
    weight: 'safety',
    rule: 'An abort of what has committed is BROKEN (or UNKNOWN), never DONE.',
    why: 'DONE would say that nothing lasts of it, and hide a transaction that ended half (I1).',
    advice: 'Look for the witness of a commit before you answer that there was nothing to abort.',
    run: refusesAbortOfCommitted,
  },
  {
    name: 'commit-after-abort',
    weight: 'safety',
    rule: 'A commit of what has aborted is BROKEN (or UNKNOWN), never DONE.',
    why: 'DONE would say that its work lasts, and hide a transaction that ended half (I1).',
    advice:
      'A commit that finds nothing prepared is DONE_BEFORE only where a witness of the commit is found.',
    run: refusesCommitOfAborted,
  },
  {
    name: 'commit-of-nothing',
    weight: 'safety',
    rule: 'A commit of what was never prepared is UNKNOWN or BROKEN, never DONE.',
    why: '"Not there" is no proof of "done": a pledge that was lost looks the same (R3).',
    advice: 'Answer BROKEN where you can tell that the xid has no witness, else UNKNOWN.',
    run: refusesCommitOfNothing,
  },
  {
    name: 'abort-of-nothing',
    weight: 'liveness',
    rule: 'An abort of what was never prepared is DONE (or DONE_BEFORE).',
    why: 'The abort may overtake the prepare, or the prepare never arrived; the coordinator asks until it has an answer.',
    advice: 'Write the bar for the xid (R4), then answer DONE.',
    run: abortsNothing,
  },
  {
    name: 'late-prepare-after-empty-abort',
    weight: 'safety',
    rule: 'A prepare that comes after an abort of the same xid, which found nothing, is voted no.',
    why: 'Nobody will tell that branch a decision again: its locks would stay (R4).',
    advice: BAR,
    run: (bench) => barsLatePrepare(bench, async (xid) => void (await bench.end('abort', xid)), false),
  },
  {
    name: 'late-prepare-after-abort',
    weight: 'safety',
    rule: 'A prepare that comes again after the branch has aborted is voted no.',
    why: 'A network may hold a message back; the branch that it brings to life has no decision to wait for (R4).',
    advice: BAR,
    run: (bench) => barsLatePrepare(bench, async (xid) => void (await bench.end('abort', xid)), true),
  },
  {
    name: 'late-prepare-after-commit',
    weight: 'safety',
    rule: 'A prepare that comes again after the branch has committed is voted no.',
    why: 'A yes would be a second share of the same transaction: its work would be done twice, or wait for ever (R4).',
    advice: BAR,
    run: (bench) => barsLatePrepare(bench, async (xid) => void (await bench.end('commit', xid)), true),
  },
]

async function commits(bench: Bench): Promise<string> {
  const xid = await bench.pledge()
  const seen = await bench.end('commit', xid)
  return await endsAsTold(bench, xid, seen)
}

async function aborts(bench: Bench): Promise<string> {
  const xid = await bench.pledge()
  const seen = await bench.end('abort', xid)
  return await endsAsTold(bench, xid, seen)
}

async function endsAsTold(bench: Bench, xid: string, seen: EndingSeen): Promise<string> {
  ensure(isDone(seen), `it answered ${showEnding(seen)}`)
  ensure(!(await bench.held()).has(xid), `it answered ${showEnding(seen)}, and still lists ${xid}`)
  if (seen.result === 'done_before')
    bench.remark('DONE_BEFORE was answered the first time: it is for the second')
  return showEnding(seen)
}

async function commitsAgain(bench: Bench): Promise<string> {
  const xid = await bench.pledge()
  await bench.end('commit', xid)
  const seen = await bench.end('commit', xid)
  ensure(seen.result !== 'broken', `it answered ${showEnding(seen)} to the second commit`)
  if (seen.result === 'unknown') {
    bench.remark(
      `it answered ${showEnding(seen)} to the second commit: a lost acknowledgement leaves the transaction in doubt until a person looks`,
    )
  }
  return showEnding(seen)
}

async function abortsAgain(bench: Bench): Promise<string> {
  const xid = await bench.pledge()
  await bench.end('abort', xid)
  const seen = await bench.end('abort', xid)
  ensure(isDone(seen), `it answered ${showEnding(seen)} to the second abort`)
  return showEnding(seen)
}

async function refusesAbortOfCommitted(bench: Bench): Promise<string> {
  const xid = await bench.pledge()
  await bench.end('commit', xid)
  const seen = await bench.end('abort', xid)
  ensure(!isDone(seen), `it answered ${showEnding(seen)} to an abort after the commit of ${xid}`)
  return showEnding(seen)
}

async function refusesCommitOfAborted(bench: Bench): Promise<string> {
  const xid = await bench.pledge()
  await bench.end('abort', xid)
  const seen = await bench.end('commit', xid)
  ensure(!isDone(seen), `it answered ${showEnding(seen)} to a commit after the abort of ${xid}`)
  return showEnding(seen)
}

async function refusesCommitOfNothing(bench: Bench): Promise<string> {
  const seen = await bench.end('commit', bench.newXid())
  ensure(!isDone(seen), `it answered ${showEnding(seen)} to the commit of an xid that was never prepared`)
  return showEnding(seen)
}

async function abortsNothing(bench: Bench): Promise<string> {
  const seen = await bench.finish('abort', bench.newXid())
  ensure(isDone(seen), `it answered ${showEnding(seen)}`)
  return showEnding(seen)
}

async function barsLatePrepare(
  bench: Bench,
  end: (xid: string) => Promise<void>,
  pledged: boolean,
): Promise<string> {
  const work = bench.works.next()
  const xid = pledged ? await bench.pledge({ work }) : bench.newXid()
  await end(xid)
  const late = await bench.prepare(xid, work)
  const held = (await bench.held()).has(xid)
  ensure(late.vote !== 'yes' && late.vote !== 'committed', `the late prepare was answered ${showVote(late)}`)
  ensure(!held, `the late prepare was answered ${showVote(late)}, and ${xid} is held prepared`)
  return showVote(late)
}
