/** The checkers of sessions and of branches that applications prepare: each sees its rule broken, and is silent where it is kept. */
import { describe, expect, it } from 'vitest'
import type { Xid } from '../../base/ids.ts'
import type { Call, Observation, Said } from '../observations.ts'
import { applications } from './applications.ts'
import type { Checker } from './checker.ts'
import { commitTold } from './commit-told.ts'
import { earlyEndings } from './early-endings.ts'
import { earlyPledges } from './early-pledges.ts'
import { leases } from './leases.ts'

const XID = 'k3f9qa7m2xw4.1-aaaa.3' as Xid
const COMMIT: Call = { number: 1, verb: 'commit', caller: 'app', xid: XID, session: 1 }

function judge(checker: Checker, observations: readonly Observation[]): string {
  return checker({
    observed: observations.map((observation, index) => ({ atMs: index, ...observation })),
    participants: [],
    coordinator: undefined,
    pledgeMarginMs: 1,
    orphanGraceMs: 20,
    unanswered: 0,
  }).join('\n')
}

function decision(type: 'written' | 'durable', branches: string[] = ['sink']): Observation {
  const times = { createTimeMs: 0, decideTimeMs: 0 }
  return { type, record: { type: 'decision', xid: XID, branches, readOnly: [], owner: 'app', ...times } }
}

const session = (number: number, change: 'opened' | 'closed', client = ''): Observation => ({
  type: 'session',
  session: number,
  change,
  client,
})
const leased = (number: number): Observation => ({
  type: 'leased',
  session: number,
  within: 'k3f9qa7m2xw4.1-aaaa',
  firstSequence: 1,
  count: 4,
})
const arrived = (number: number): Observation => ({ type: 'commit_arrived', session: number, xid: XID })
const enlisted = (number: number, participant = 'sink'): Observation => ({
  type: 'enlisted',
  session: number,
  xid: XID,
  participant,
})
const at = (type: 'prepared_early' | 'committed_early' | 'rolled_back_early', participant = 'sink') =>
  ({ type, participant, xid: XID }) as const satisfies Observation
const told = (outcome: Said['outcome']): Observation => ({
  type: 'told',
  call: COMMIT,
  said: {
    xid: XID,
    state: outcome === 'committed' ? 'committed' : 'aborted',
    outcome,
    cause: undefined,
    requestId: '',
    attempt: 0,
    replayed: false,
    branches: [],
  },
})
const CALLED: Observation = { type: 'called', call: COMMIT }

describe('R2: a lease is its session’s', () => {
  it('is kept where the session that holds it has asked, and ends meanwhile', () => {
    const asked = [session(1, 'opened'), leased(1), arrived(1), session(1, 'closed')]
    expect(judge(leases, [...asked, decision('written')])).toBe('')
  })

  it.each([
    ['another has asked', [session(2, 'opened'), arrived(2)]],
    ['it asked when it was over', [session(1, 'closed'), arrived(1)]],
    ['a newer one had ended it', [session(2, 'opened', 'app/one'), arrived(1)]],
    ['nobody has asked', []],
  ])('is broken where %s', (_how, observed) => {
    const opened = [session(1, 'opened', 'app/one'), leased(1)]
    expect(judge(leases, [...opened, ...observed, decision('written')])).toMatch(/^R2: .* was decided/)
  })

  it('is broken where another enlists', () => {
    const opened = [session(1, 'opened'), leased(1), session(2, 'opened')]
    expect(judge(leases, [...opened, enlisted(1)])).toBe('')
    expect(judge(leases, [...opened, enlisted(2)])).toMatch(/^R2: session 2 enlisted in/)
  })
})

describe('R12: a decision names what was enlisted', () => {
  it('is kept, and broken', () => {
    expect(judge(earlyPledges, [enlisted(1), decision('written')])).toBe('')
    expect(judge(earlyPledges, [enlisted(1), enlisted(1, 'ledger'), decision('written')])).toMatch(
      /^R12: .* says nothing of ledger/,
    )
    expect(judge(earlyPledges, [enlisted(1), decision('written', ['sink', 'ledger'])])).toMatch(
      /^R12: .* names ledger/,
    )
  })
})

describe('I2: an early pledge is a yes once it is on stable storage', () => {
  const pledged: Observation = { type: 'branch', participant: 'sink', xid: XID, change: 'pledged' }

  it('is kept, and broken', () => {
    expect(judge(commitTold, [at('prepared_early'), pledged, decision('written')])).toBe('')
    expect(judge(commitTold, [at('prepared_early'), decision('written')])).toMatch(/^I2: .* without a yes/)
  })
})

describe('R1: after its commit has left an application does what it is told', () => {
  it('may roll back what it was told to have aborted, or has not asked for', () => {
    expect(judge(earlyEndings, [CALLED, told('aborted'), at('rolled_back_early')])).toBe('')
    expect(judge(earlyEndings, [at('rolled_back_early')])).toBe('')
    expect(judge(earlyEndings, [CALLED, told('committed'), at('committed_early')])).toBe('')
  })

  it.each([
    ['rolls back', [CALLED, at('rolled_back_early')]],
    ['rolls back what it was told to be unknown', [CALLED, told('unknown'), at('rolled_back_early')]],
    ['commits', [CALLED, at('committed_early')]],
    ['commits what has aborted', [CALLED, told('aborted'), at('committed_early')]],
  ])('breaks it when it %s', (_what, observed) => {
    expect(judge(earlyEndings, observed)).toMatch(/^R1: /)
  })
})

describe('I3: what an application is told', () => {
  const begun: Observation = { type: 'begun_early', work: 7, xid: XID }
  const says = (outcome: 'committed' | 'aborted' | 'failed' | 'unknown', xid?: string): Observation => ({
    type: 'application_told',
    work: 7,
    outcome,
    xid,
    message: '',
  })

  it.each([
    ['committed', [begun, decision('durable'), says('committed', XID)]],
    ['aborted', [begun, says('aborted', XID)]],
    ['failed', [begun, says('failed')]],
    ['unknown', [begun, decision('durable'), says('unknown', XID)]],
  ])('is true: %s', (_what, observed) => {
    expect(judge(applications, observed)).toBe('')
  })

  it.each([
    ['committed', [begun, says('committed', XID)]],
    ['aborted', [begun, decision('durable'), says('aborted', XID)]],
    ['failed', [begun, decision('durable'), says('failed')]],
  ])('is not true: %s', (what, observed) => {
    expect(judge(applications, observed)).toMatch(new RegExp(`^I3: an application was told "${what}"`))
  })
})
