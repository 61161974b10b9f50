/** The checkers of single rules: each sees its rule broken, and is silent where it is kept. */
import { describe, expect, it } from 'vitest'
import type { Xid } from '../../base/ids.ts'
import type { Evidence } from '../../protocol/messages.ts'
import type { Observation } from '../observations.ts'
import type { Checker } from './checker.ts'
import { earlyPledges } from './early-pledges.ts'
import { lateCommits } from './late-commits.ts'
import { operators } from './operators.ts'
import { pointOfNoReturn } from './point-of-no-return.ts'
import { waits } from './waits.ts'
import { witnesses } from './witnesses.ts'

const ONE = 'k3f9qa7m2xw4.1-aaaa.1' as Xid
const TWO = 'k3f9qa7m2xw4.1-aaaa.2' as Xid
const THREE = 'k3f9qa7m2xw4.1-aaaa.3' as Xid

function judge(checker: Checker, observations: readonly Observation[]): string {
  return checker({
    observed: observations.map((observation, index) => ({ atMs: index, ...observation })),
    participants: [],
    coordinator: undefined,
    pledgeMarginMs: 1,
    orphanGraceMs: 20,
    unanswered: 0,
  } as unknown as Parameters<Checker>[0]).join('\n')
}

const OPENED = {
  type: 'opened',
  logId: 'k3f9qa7m2xw4',
  epoch: '1-aaaa',
  epochs: [],
} as unknown as Observation

function decision(type: 'written' | 'durable', branches: string[] = ['sink']): Observation {
  const record = {
    type: 'decision',
    xid: ONE,
    branches,
    readOnly: [],
    owner: 'app',
    createTimeMs: 0,
    decideTimeMs: 0,
  } as const
  return { type, record }
}

function end(type: 'written' | 'durable'): Observation {
  return { type, record: { type: 'end', xid: ONE, endTimeMs: 0 } }
}

describe('waits (R13)', () => {
  const waiting = (xid: Xid, holder: Xid, participant = 'sink'): Observation => ({
    type: 'waits',
    participant,
    xid,
    holder,
  })

  it('sees two that wait for one another, and longer rings', () => {
    expect(judge(waits, [waiting(ONE, TWO), waiting(TWO, ONE, 'offsets')])).toMatch(/^R13: .*2 waits for .*1/)
    expect(judge(waits, [waiting(ONE, TWO), waiting(TWO, THREE), waiting(THREE, ONE)])).toMatch(/^R13: /)
  })

  it('lets wait who goes on some time', () => {
    expect(judge(waits, [waiting(ONE, TWO), waiting(ONE, THREE), waiting(TWO, THREE)])).toBe('')
    const waited: Observation = { type: 'waited', participant: 'sink', xid: ONE, holder: TWO }
    expect(judge(waits, [waiting(ONE, TWO), waited, waiting(TWO, ONE, 'offsets')])).toBe('')
  })
})

describe('witnesses', () => {
  const swept: Observation = { type: 'branch', participant: 'sink', xid: ONE, change: 'swept' }
  const abort: Observation = { type: 'sent', participant: 'offsets', message: { type: 'abort', xid: ONE } }
  const evidence = (said: Evidence): Observation => ({
    type: 'heard',
    participant: 'sink',
    message: { type: 'evidence_answer', xid: ONE, evidence: said, message: '' },
  })

  const ASKED: Observation = {
    type: 'sent',
    participant: 'sink',
    message: { type: 'evidence_question', xid: ONE },
  }

  it('go after the end is durable, not after it is written (R5)', () => {
    expect(judge(witnesses, [decision('durable'), end('written'), swept])).toMatch(/^R5: the witness of/)
    expect(judge(witnesses, [decision('durable'), end('durable'), swept])).toBe('')
    expect(judge(witnesses, [swept])).toBe('')
  })

  it('are heard before anything is presumed (R4)', () => {
    expect(judge(witnesses, [OPENED, ASKED, evidence('witness_committed'), abort])).toMatch(/^R4: abort of/)
    expect(judge(witnesses, [OPENED, ASKED, evidence('no_witness'), abort])).toBe('')
    expect(judge(witnesses, [OPENED, ASKED, evidence('witness_committed'), OPENED, abort])).toBe('')
    expect(judge(witnesses, [OPENED, abort, evidence('witness_committed'), abort])).toBe('')
    const late = Array.from({ length: 20 }, () => OPENED)
    expect(judge(witnesses, [ASKED, ...late, evidence('witness_committed'), abort])).toBe('')
  })
})

describe('the point of no return (R1)', () => {
  const abort: Observation = { type: 'sent', participant: 'sink', message: { type: 'abort', xid: ONE } }

  it('is the posting of the decision, until a crash', () => {
    expect(judge(pointOfNoReturn, [OPENED, decision('written'), abort])).toMatch(/^R1: sink/)
    expect(judge(pointOfNoReturn, [OPENED, abort, decision('written')])).toBe('')
    expect(judge(pointOfNoReturn, [OPENED, decision('written'), OPENED, abort])).toBe('')
    expect(judge(pointOfNoReturn, [decision('written'), decision('durable'), OPENED, abort])).toMatch(/^R1: /)
  })
})

describe('operators (R15)', () => {
  const order = (type: 'written' | 'durable', verb: 'commit' | 'abort'): Observation => ({
    type,
    record: { type: 'operator', xid: ONE, decision: verb, who: 'ann', why: 'tired', timeMs: 0 },
  })
  const abort: Observation = { type: 'sent', participant: 'sink', message: { type: 'abort', xid: ONE } }
  const yes: Observation = {
    type: 'heard',
    participant: 'sink',
    message: { type: 'vote', xid: ONE, vote: { vote: 'yes' } },
  }
  const mark = {
    type: 'written',
    record: { type: 'heuristic', xid: ONE, participant: 'sink', ended: 'abort', withoutVote: true },
  } as unknown as Observation

  it('overrule no decision', () => {
    expect(judge(operators, [decision('written'), order('written', 'abort')])).toMatch(/^R15: .* aborted/)
    expect(judge(operators, [order('written', 'abort'), decision('written')])).toMatch(/^R15: .* aborted/)
    expect(judge(operators, [yes, order('written', 'commit'), decision('written')])).toBe('')
  })

  it('are on record before anybody is told', () => {
    expect(judge(operators, [order('written', 'abort'), abort])).toMatch(/^R15: the abort of/)
    expect(judge(operators, [abort, order('written', 'abort')])).toMatch(/^R15: the abort of/)
    expect(judge(operators, [order('written', 'abort'), order('durable', 'abort'), abort])).toBe('')
  })

  it('mark what they commit without a vote', () => {
    expect(judge(operators, [order('written', 'commit'), decision('written')])).toMatch(
      /^R15: .* the vote of sink/,
    )
    expect(judge(operators, [order('written', 'commit'), mark, decision('written')])).toBe('')
  })
})

describe('late commits (R2)', () => {
  const aborted = {
    type: 'written',
    record: { type: 'aborted', xid: ONE, branches: [], owner: 'app', cause: 'idle_timeout' },
  } as unknown as Observation
  const answered = {
    type: 'answered',
    call: { number: 1, verb: 'get', caller: 'app' },
    said: { xid: ONE, outcome: 'aborted' },
  } as unknown as Observation

  it('are decisions of what has aborted', () => {
    expect(judge(lateCommits, [aborted, decision('written')])).toMatch(/^R2: /)
    expect(judge(lateCommits, [answered, decision('written')])).toMatch(/^R2: /)
    expect(judge(lateCommits, [decision('written'), answered])).toBe('')
  })
})

describe('early pledges (R12)', () => {
  const prepared: Observation = { type: 'prepared_early', participant: 'offsets', xid: ONE }

  it('are all named by the decision', () => {
    expect(judge(earlyPledges, [prepared, decision('written')])).toMatch(/^R12: .* leaves out offsets/)
    expect(judge(earlyPledges, [prepared, decision('written', ['sink', 'offsets'])])).toBe('')
  })
})
