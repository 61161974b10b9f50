/**
 * I1: branches that ended against the decision, or may have. Said for ever, until a person has looked: what was
 * decided, what the branch did instead, what proves it, and what to do.
 */
import type { BranchView, Outcome, TransactionView } from '../protocol/requests.ts'
import { type Advice, advise, why } from './paragraph.ts'
import { listed, oneLine } from './text.ts'
import { evidenceWord, isHeuristic } from './words.ts'
import { shortXid } from './xid-argument.ts'

export function brokenPledgeAdvice(transaction: TransactionView): Advice[] {
  const broken = transaction.branches.filter(isHeuristic)
  if (broken.length === 0) return transaction.heuristic ? withoutVotes(transaction) : []
  const reasons = broken.map((branch) => why(brokenText(branch, transaction)))
  if (!transaction.heuristic) return [...reasons, why('a person has looked at it, and has acknowledged it.')]
  const { xid } = transaction
  const names = listed(broken.map(quoted))
  return [
    ...reasons,
    advise(
      `compare what ${names} holds with the decision, and mend it by hand: Pledged can't undo it. It is reported until then.`,
    ),
    advise(`mended? pledged tx acknowledge ${shortXid(xid)} --reason TEXT`),
  ]
}

/** R15: an operator committed before everybody had voted; no branch has been found against it yet. */
function withoutVotes({ xid, endTimeMs, branches }: TransactionView): Advice[] {
  const silent = branches.filter(({ vote }) => vote === undefined).map(quoted)
  const whose = silent.length === 0 ? 'every branch' : listed(silent)
  return [
    why(`an operator committed it before ${whose} had voted: whether all of it was done is not known.`),
    advise(
      endTimeMs === undefined
        ? 'wait until every branch has ended, then look again.'
        : `compare what ${silent.length === 0 ? 'they' : whose} holds with the decision, and mend it by hand.`,
    ),
    advise(`mended? pledged tx acknowledge ${shortXid(xid)} --reason TEXT`),
  ]
}

const DECISIONS: Readonly<Record<Outcome, string>> = {
  committed: 'the decision is to commit',
  aborted: 'the decision is to abort',
  pending: 'there is no decision yet',
  unknown: 'the log has no decision of it',
}

function brokenText(branch: BranchView, { outcome, timeline }: TransactionView): string {
  const did = branch.state === 'heuristic_committed' ? 'committed' : 'aborted'
  const said = timeline.findLast(
    ({ kind, participant }) => kind === 'broken' && participant === branch.participant,
  )?.message
  const evidence = evidenceWord(branch)
  const proof = evidence === '' ? 'it keeps no evidence' : `the evidence: ${evidence}`
  const words = said === undefined || said === '' ? '' : ` It says: ${oneLine(said)}.`
  return `${quoted(branch)} ${did}, and ${DECISIONS[outcome]}: somebody ended its branch by hand, or its resource manager broke the pledge; ${proof}.${words}`
}

function quoted({ participant }: BranchView): string {
  return `"${oneLine(participant)}"`
}
