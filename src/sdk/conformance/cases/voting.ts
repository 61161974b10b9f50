/** What the participant is, and how it votes. */
import { status as STATUS } from '@grpc/grpc-js'
import { ParticipantServiceService as service } from '../../../wire/generated/pledged/v1/participant_service.ts'
import { callErrorOf, showVote, type VoteSeen } from '../answers.ts'
import type { Bench } from '../bench.ts'
import type { Answer } from '../caller.ts'
import { ensure, NotApplicable, Violation } from '../finding.ts'
import type { ParticipantFacts } from '../report.ts'
import type { ConformanceCase } from './conformance-case.ts'

const DAY_MS = 86_400_000
const CONFLICT_TIMEOUT_MS = 1_000

export const votingCases: readonly ConformanceCase[] = [
  {
    name: 'describe',
    weight: 'safety',
    rule: 'DescribeParticipant names the resource by an id that is its own for ever.',
    why: 'The coordinator binds the name to that id (R10); another database behind a known name would else be told decisions that were made for the first.',
    advice:
      'Answer with an id that is stored in the resource itself (drawn once, when it is made), not with one of the process or its address.',
    run: describesItself,
  },
  {
    name: 'vote-yes',
    weight: 'liveness',
    rule: 'Work that can be done is voted yes.',
    why: 'Nearly every other case begins with a yes vote.',
    advice:
      'Give work that this participant can do, with {n} where a number has to be fresh; see what it said against it.',
    run: votesYes,
  },
  {
    name: 'listed',
    weight: 'safety',
    rule: 'A branch that was voted yes is listed, once, until it has ended.',
    why: 'A coordinator that comes back from a crash learns only from the list what waits for it.',
    advice: 'List every pledge that has not been told its decision, under the xid and branch it came with.',
    run: isListed,
  },
  {
    name: 'refused-work',
    weight: 'safety',
    rule: 'Work that can not be done is voted no, with the reason, and nothing of it is kept.',
    why: 'Commit is decided on yes votes alone (I2); the reason is what the application is told.',
    advice: 'Check the work before the vote, and answer VOTE_NO with a sentence in message.',
    needs: ['refused'],
    run: refusesWork,
  },
  {
    name: 'conflict',
    weight: 'safety',
    rule: 'While a branch is held prepared, one that it excludes is not voted yes; when it has ended, the other is welcome.',
    why: 'Both hold a pledge to commit, and only one of them could keep it.',
    advice: 'Hold the lock of a pledge, through restarts, until its decision; release it with the decision.',
    needs: ['conflicting'],
    run: refusesConflicts,
  },
  {
    name: 'repeated-prepare',
    weight: 'safety',
    rule: 'A prepare that comes again has the same vote, and no second effect.',
    why: 'Networks repeat messages; the first yes may have been counted, so it must stand whatever comes again.',
    advice:
      'Look for the xid before doing the work: where it is held prepared with the same work, vote yes again.',
    run: repeatsItsVote,
  },
  {
    name: 'other-work',
    weight: 'safety',
    rule: 'Other work under an xid that is held prepared is voted no, and the first pledge stands.',
    why: 'One xid is one branch: what was pledged is what will be committed.',
    advice: 'Keep the work, or a digest of it, with the pledge, and compare.',
    run: refusesOtherWork,
  },
]

async function describesItself(bench: Bench): Promise<string> {
  const first = await askFacts(bench)
  if (!first.ok && first.code === STATUS.UNIMPLEMENTED) {
    bench.remark(
      'DescribeParticipant is not served: to the coordinator this is a participant without evidence, and an outcome that only a witness could tell stays unknown until a person looks',
    )
    return 'UNIMPLEMENTED'
  }
  const { kind, resourceId, keepsWitnesses, onePhase } = factsOf(first)
  const second = factsOf(await askFacts(bench))
  ensure(
    second.resourceId === resourceId,
    `resource_id was ${show(resourceId)}, then ${show(second.resourceId)}`,
  )
  if (resourceId === '')
    bench.remark('resource_id is empty: nobody will notice another database in its place')
  if (kind === '') bench.remark('kind is empty: people see it in lists')
  if (!keepsWitnesses) {
    bench.remark(
      'keeps_witnesses is false: an outcome that only a witness could tell stays unknown until a person looks',
    )
  }
  bench.facts = { kind, resourceId, keepsWitnesses, onePhase }
  return `kind ${show(kind)}, resource_id ${show(resourceId)}, ${keepsWitnesses ? 'with' : 'without'} witnesses`
}

export async function askFacts(bench: Bench): Promise<Answer<ParticipantFacts>> {
  return await bench.caller.ask(service.describeParticipant, {})
}

function factsOf(answer: Answer<ParticipantFacts>): ParticipantFacts {
  if (answer.ok) return answer.value
  throw new Violation(`DescribeParticipant answered the error ${callErrorOf(answer).text}`)
}

async function votesYes(bench: Bench): Promise<string> {
  const seen = await bench.prepare(bench.newXid(), bench.works.next())
  ensure(
    seen.vote !== 'committed',
    'it voted VOTE_COMMITTED to a prepare that was not one-phase: other branches may still vote no',
    'Answer VOTE_COMMITTED only where one_phase is set.',
  )
  if (seen.vote === 'read_only') {
    bench.remark(
      'it voted VOTE_READ_ONLY: this work changes nothing, so most cases can not run; give work that does',
    )
    return showVote(seen)
  }
  ensure(seen.vote === 'yes', `it answered ${showVote(seen)}`, adviceFor(seen))
  if (seen.expires) {
    bench.remark(
      'the yes carries pledge_ttl: commit is not decided close to its end, and a decision that comes later finds a broken pledge; a yes for ever is what to aim for',
    )
  }
  return showVote(seen)
}

function adviceFor({ vote, error }: VoteSeen): string | undefined {
  if (error?.code === STATUS.UNIMPLEMENTED) return 'Serve pledged.v1.ParticipantService at this address.'
  return vote === 'none' ? 'Set vote in every PrepareBranchResponse.' : undefined
}

async function isListed(bench: Bench): Promise<string> {
  const xid = await bench.pledge()
  const listed = (await bench.scan()).filter((held) => held.xid === xid)
  const [held] = listed
  ensure(held !== undefined, `${xid} was voted yes and is not listed`)
  ensure(listed.length === 1, `${xid} is listed ${listed.length} times`)
  ensure(
    held.branch === bench.branch,
    `${xid} is listed with branch ${show(held.branch)}, not ${show(bench.branch)}`,
  )
  const prepareTimeMs = held.prepareTime?.getTime()
  if (prepareTimeMs === undefined)
    bench.remark('prepare_time is not set: people see it as the age of the doubt')
  else if (!(Math.abs(prepareTimeMs - Date.now()) < DAY_MS)) {
    bench.remark(
      `prepare_time is ${new Date(prepareTimeMs).toISOString()}, which is not now: are its units right?`,
    )
  }
  return 'once, with its branch'
}

async function refusesWork(bench: Bench): Promise<string> {
  const messages: string[] = []
  for (const template of bench.works.refused) {
    const xid = bench.newXid()
    const seen = await bench.prepare(xid, bench.works.filled(template))
    ensure(seen.vote === 'no', `it answered ${showVote(seen)} to ${showWork(template)}`)
    ensure(!(await bench.held()).has(xid), `it voted no to ${showWork(template)}, and lists the branch`)
    if (seen.error !== undefined) bench.remark(`no vote, but ${showVote(seen)}: it counts as a no`)
    else if (seen.message === '')
      bench.remark('the no vote has no message: the application is told no reason')
    messages.push(seen.message)
  }
  return messages.map(show).join(', ')
}

async function refusesConflicts(bench: Bench): Promise<string> {
  const [first, second] = bench.works.nextConflicting()
  const holder = await bench.pledge({ work: first })
  const xid = bench.newXid()
  const seen = await bench.tryPrepare(xid, second, { prepareTimeoutMs: CONFLICT_TIMEOUT_MS })
  ensure(seen.vote !== 'yes', `it voted yes to both: ${holder} and ${xid}`)
  if (seen.error !== undefined) bench.remark(`no vote, but ${showVote(seen)}: it counts as a no`)
  else if (!seen.retryable) {
    bench.remark(
      'the no is not marked retryable, though its reason goes away with the branch that holds the lock',
    )
  }
  await bench.finish('abort', xid)
  await bench.end('abort', holder)
  const later = await bench.prepare(bench.newXid(), second)
  ensure(later.vote === 'yes', `after the abort of ${holder} it still answered ${showVote(later)}`)
  return `${showVote(seen)}; after the abort of the first, yes`
}

async function repeatsItsVote(bench: Bench): Promise<string> {
  const work = bench.works.next()
  const xid = await bench.pledge({ work })
  const again = await bench.prepare(xid, work)
  const listed = (await bench.scan()).filter((held) => held.xid === xid).length
  ensure(listed === 1, `after the second prepare ${xid} is listed ${listed} times`)
  ensure(again.vote === 'yes' || again.vote === 'no', `the second prepare was answered ${showVote(again)}`)
  if (again.vote === 'no')
    bench.remark(`the second prepare was answered ${showVote(again)}, while the first pledge stands`)
  const ending = await bench.end('commit', xid)
  ensure(ending.result === 'done', `after the second prepare the commit was answered ${ending.result}`)
  return showVote(again)
}

async function refusesOtherWork(bench: Bench): Promise<string> {
  const [work, other] = [bench.works.next(), bench.works.next()]
  if (Buffer.compare(work, other) === 0) throw new NotApplicable('the work has no {n}: all of it is the same')
  const xid = await bench.pledge({ work })
  const seen = await bench.prepare(xid, other)
  ensure((await bench.held()).has(xid), `after other work came under ${xid} it is no longer held`)
  ensure(seen.vote === 'no', `it answered ${showVote(seen)} to other work under ${xid}`)
  return showVote(seen)
}

function show(text: string): string {
  return JSON.stringify(text)
}

function showWork(work: Uint8Array): string {
  const text = Buffer.from(work).toString('utf8')
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}
