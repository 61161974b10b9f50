import { describe, expect, it } from 'vitest'
import type { Xid } from '../../base/ids.ts'
import type { Observation } from '../observations.ts'
import { type FinishedHistory, violationsOf } from './index.ts'

const XID = 'k3f9qa7m2xw4.1-aaaa.1' as Xid
const decision = {
  type: 'decision',
  xid: XID,
  branches: ['sink'],
  readOnly: [],
  owner: 'app',
  createTimeMs: 0,
  decideTimeMs: 0,
} as const
const OPENED = {
  type: 'opened',
  logId: 'k3f9qa7m2xw4',
  epoch: '1-aaaa',
  epochs: ['1-aaaa'],
} as unknown as Observation
const prepare = { type: 'prepare', xid: XID, work: new Uint8Array(), timeoutMs: 10 } as const
const ASKED: Observation = { type: 'sent', participant: 'sink', message: prepare }
const HANDED: Observation = { type: 'sent', participant: 'sink', message: { ...prepare, onePhase: true } }
const onePhase = { type: 'one_phase', xid: XID, participant: 'sink', owner: 'app', createTimeMs: 0 } as const
const ONE_PHASE: Observation[] = [
  { type: 'written', record: onePhase },
  { type: 'durable', record: onePhase },
]
const PLEDGED: Observation = { type: 'branch', participant: 'sink', xid: XID, change: 'pledged' }
const yes = { type: 'vote', xid: XID, vote: { vote: 'yes' } } as const
const SAID_YES: Observation = { type: 'said', participant: 'sink', message: yes }
const HEARD_YES: Observation = { type: 'heard', participant: 'sink', message: yes }
const WRITTEN: Observation = { type: 'written', record: decision }
const DURABLE: Observation = { type: 'durable', record: decision }
const SENT: Observation = { type: 'sent', participant: 'sink', message: { type: 'commit', xid: XID } }
const COMMITTED: Observation = { type: 'branch', participant: 'sink', xid: XID, change: 'committed' }
const WELL = [OPENED, ASKED, PLEDGED, SAID_YES, HEARD_YES, WRITTEN, DURABLE, SENT, COMMITTED]

function judge(observations: readonly Observation[], changes: Partial<FinishedHistory> = {}): string {
  return violationsOf({
    observed: observations.map((observation, index) => ({ atMs: index, ...observation })),
    participants: [{ name: 'sink', keepsWitnesses: true, prepared: new Set(), applied: new Map([[XID, 1]]) }],
    coordinator: { unfinished: 0, inDoubt: 0, heuristics: 0, forgottenThrough: undefined, left: [] },
    pledgeMarginMs: 1,
    orphanGraceMs: 20,
    unanswered: 0,
    ...changes,
  }).join('\n')
}

const without = (...left: Observation[]) => WELL.filter((other) => !left.includes(other))

function answered(outcome: 'committed' | 'aborted' | 'unknown', state = outcome): Observation {
  return {
    type: 'answered',
    call: { number: 1, verb: 'get', caller: 'app', requestId: 'r' },
    said: { xid: XID, state, outcome, requestId: 'r', attempt: 1, replayed: false, branches: [] },
  } as unknown as Observation
}

function byCopy(answer: Observation): Observation {
  return { ...answer, type: 'answered_by_copy', isFoundOut: true } as unknown as Observation
}

const sink = (prepared: string[], applied: [string, number][]) => [
  { name: 'sink', keepsWitnesses: true, prepared: new Set(prepared), applied: new Map(applied) },
]

describe('the checkers', () => {
  it('find nothing in a history that went well', () => {
    expect(judge([...WELL, answered('committed')])).toBe('')
  })

  it.each<[string, RegExp, string]>([
    [
      'branches that end in two ways',
      /I1: .* committed at sink and aborted at offsets/,
      judge([...WELL, { type: 'branch', participant: 'offsets', xid: XID, change: 'closed' }]),
    ],
    [
      'a commit that is sent before its record is durable',
      /I2: commit of .* before/,
      judge(without(DURABLE)),
    ],
    ['a decision without a vote', /I2: .* decided without a yes of sink/, judge(without(HEARD_YES))],
    [
      'an answer that is taken back',
      /I3: .* answered "committed", then "aborted"/,
      judge([...WELL, answered('committed'), answered('aborted')]),
    ],
    [
      'an answer that is not so',
      /I7: .* answered "aborted" and is committed/,
      judge([...WELL, answered('aborted')]),
    ],
    [
      'an unknown without a reason',
      /I7: .* "unknown", and no write had failed/,
      judge([...WELL, answered('unknown')]),
    ],
    [
      'work that is handed over before its record is durable',
      /R17: .* before its record was durable/,
      judge([OPENED, HANDED]),
    ],
    [
      'one of several branches that is handed over',
      /R17: .* has other branches/,
      judge([OPENED, ...ONE_PHASE, { ...ASKED, participant: 'offsets' }, HANDED]),
    ],
    [
      'a one-phase commit that is denied',
      /I7: .* answered "aborted" and is committed/,
      judge([OPENED, ...ONE_PHASE, HANDED, COMMITTED, answered('aborted')]),
    ],
    ['a yes before its pledge is durable', /I4: sink voted yes/, judge(without(PLEDGED))],
    [
      'a pledge that is lost',
      /I4: sink lost its pledge/,
      judge(without(COMMITTED, DURABLE, SENT, WRITTEN), {
        participants: sink([], []),
      }),
    ],
    [
      'a branch that is left prepared',
      /I5: sink still holds/,
      judge(without(COMMITTED), {
        participants: sink([XID], []),
      }),
    ],
    ['questions that are not answered', /I5: 2 questions/, judge(WELL, { unanswered: 2 })],
    ['a coordinator that does not serve', /I5: the coordinator/, judge(WELL, { coordinator: undefined })],
    [
      'a foreign branch that is ended',
      /I6: abort was sent .* planted as other_log/,
      judge([
        ...WELL,
        { type: 'planted', participant: 'sink', xid: 'x', why: 'other_log' },
        { type: 'sent', participant: 'sink', message: { type: 'abort', xid: 'x' as Xid } },
      ]),
    ],
    [
      'an end that comes too early',
      /R3: the end of .* before sink committed/,
      judge([
        ...without(COMMITTED),
        { type: 'written', record: { type: 'end', xid: XID, endTimeMs: 0 } },
        COMMITTED,
      ]),
    ],
    [
      'a prepare that is accepted after its abort',
      /R4: sink had acknowledged the abort/,
      judge([
        {
          type: 'said',
          participant: 'sink',
          message: {
            type: 'result',
            xid: XID,
            verb: 'abort',
            result: 'done',
            message: '',
            evidence: 'no_witness',
          },
        },
        ...WELL,
      ]),
    ],
    [
      'work that is applied twice',
      /values: sink applied .* 2 times/,
      judge(WELL, {
        participants: sink([], [[XID, 2]]),
      }),
    ],
    [
      'work that nobody decided',
      /values: sink applied y, undecided/,
      judge(WELL, {
        participants: sink(
          [],
          [
            [XID, 1],
            ['y', 1],
          ],
        ),
      }),
    ],
    [
      'a pledge that was broken, and is not reported',
      /I1: sink broke its pledge .* \(abort\)/,
      judge([...WELL, { type: 'ended_by_hand', participant: 'sink', xid: XID, ended: 'abort' }]),
    ],
    [
      'a decision under an older epoch',
      /R2: decision of .* in epoch 2-bbbb/,
      judge([{ ...OPENED, epoch: '2-bbbb' } as unknown as Observation, ...without(OPENED)]),
    ],
    [
      'a transaction that is left in memory',
      /leak: 2 transactions are left/,
      judge(WELL, {
        coordinator: {
          unfinished: 0,
          inDoubt: 0,
          heuristics: 0,
          forgottenThrough: undefined,
          left: [{ of: 'transactions', count: 2 }],
        },
      }),
    ],
    [
      'an impostor that is let in',
      /R10: an impostor of sink was admitted/,
      judge([...WELL, { type: 'impostor', participant: 'sink', met: 'admitted' }]),
    ],
    [
      'a participant that works for an old copy of the log',
      /R11: sink answered a coordinator on an old copy of its log \(vote\)/,
      judge([...WELL, { type: 'said_to_copy', participant: 'sink', message: yes }]),
    ],
    [
      'an old copy that presumes though it was found out',
      /R11: an old copy that was found out answered "aborted"/,
      judge([...WELL, byCopy(answered('aborted'))]),
    ],
    ['an exception', /bug: it broke/, judge([...WELL, { type: 'bug', message: 'it broke' }])],
  ])('find %s', (_what, sentence, found) => {
    expect(found).toMatch(sentence)
  })
})
