import { describe, expect, it } from 'vitest'
import type { CrashPoint } from '../../base/crash-points.ts'
import { PledgedError } from '../../base/errors.ts'
import type { Xid } from '../../base/ids.ts'
import type { CoordinatorMessage } from '../../protocol/messages.ts'
import { ParticipantHost } from './host.ts'
import { vote } from './participant.ts'
import {
  COORDINATOR,
  done,
  Gates,
  hostOf,
  participantWith,
  prepare,
  Replies,
  turns,
  xid,
} from './test-host.ts'

describe('ParticipantHost', () => {
  it('calls each verb with what was sent, and answers with what it returned', async () => {
    const calls: unknown[] = []
    const host = hostOf({
      prepare: (request) => {
        calls.push(['prepare', request.xid, [...request.work]])
        return Promise.resolve(vote.yes({ pledgeTtlMs: 5 }))
      },
      commit: (committed) => {
        calls.push(['commit', committed])
        return Promise.resolve({ result: 'done_before', message: 'seen', evidence: 'witness_committed' })
      },
      abort: (aborted) => {
        calls.push(['abort', aborted])
        return Promise.resolve(done)
      },
      evidence: () => Promise.resolve('no_witness'),
      forget: (forgotten) => {
        calls.push(['forget', forgotten])
        return Promise.resolve()
      },
      listPrepared: (pageSize, pageToken) => {
        calls.push(['list', pageSize, pageToken])
        return Promise.resolve({ branches: [{ xid: 'other', prepareTimeMs: 7 }], nextPageToken: 'more' })
      },
    })
    const replies = new Replies()
    host
      .attach(replies, COORDINATOR)
      .receive([
        prepare(1),
        { type: 'commit', xid: xid(2) },
        { type: 'abort', xid: xid(3) },
        { type: 'evidence_question', xid: xid(4) },
        { type: 'forget', xid: xid(5) },
        { type: 'list_prepared', pageSize: 10, pageToken: 'from' },
      ])
    const answers = await replies.take(5)
    expect(calls).toEqual(
      expect.arrayContaining([
        ['prepare', xid(1), [1]],
        ['commit', xid(2)],
        ['abort', xid(3)],
        ['forget', xid(5)],
        ['list', 10, 'from'],
      ]),
    )
    expect(answers).toEqual(
      expect.arrayContaining([
        { type: 'vote', xid: xid(1), vote: { vote: 'yes', pledgeTtlMs: 5 } },
        {
          type: 'result',
          xid: xid(2),
          verb: 'commit',
          result: 'done_before',
          message: 'seen',
          evidence: 'witness_committed',
        },
        { type: 'result', xid: xid(3), verb: 'abort', ...done },
        { type: 'evidence_answer', xid: xid(4), evidence: 'no_witness', message: '' },
        { type: 'held', branches: [{ xid: 'other', prepareTimeMs: 7 }], nextPageToken: 'more' },
      ]),
    )
  })

  it('gives a copy of a request its signal, too', async () => {
    const signals: AbortSignal[] = []
    const host = hostOf({
      prepare: (request) => {
        const copy = { ...request, timeoutMs: 1 }
        signals.push(request.signal, copy.signal)
        return Promise.resolve(vote.yes())
      },
    })
    const replies = new Replies()
    host.attach(replies, COORDINATOR).receive([prepare(1)])
    await replies.take(1)
    expect(signals[0]).toBeInstanceOf(AbortSignal)
    expect(signals[1]).toBe(signals[0])
  })

  it('runs one xid in order and lets the others overtake', async () => {
    const gates = new Gates()
    const calls: string[] = []
    const host = hostOf({
      prepare: async (request) => {
        calls.push(`prepare ${request.xid}`)
        await gates.pass(request.xid)
        calls.push(`prepared ${request.xid}`)
        return vote.yes()
      },
      abort: (aborted) => {
        calls.push(`abort ${aborted}`)
        return Promise.resolve(done)
      },
    })
    const replies = new Replies()
    const session = host.attach(replies, COORDINATOR)
    session.receive([prepare(1), prepare(2)])
    await turns(1)
    session.receive([
      { type: 'abort', xid: xid(1) },
      { type: 'abort', xid: xid(2) },
    ])
    gates.open(xid(2))
    await replies.take(2)
    expect(calls).toEqual([`prepare ${xid(1)}`, `prepare ${xid(2)}`, `prepared ${xid(2)}`, `abort ${xid(2)}`])
    gates.open(xid(1))
    await replies.take(4)
    expect(calls.slice(4)).toEqual([`prepared ${xid(1)}`, `abort ${xid(1)}`])
  })

  it('sends the replies of one turn together', async () => {
    const replies = new Replies()
    hostOf({})
      .attach(replies, COORDINATOR)
      .receive([prepare(1), prepare(2), prepare(3)])
    await replies.take(3)
    expect(replies.batches.map((batch) => batch.length)).toEqual([3])
  })

  it('turns whatever a participant throws into the cautious reply', async () => {
    const fail = (): never => {
      throw new Error('disk on fire')
    }
    const host = hostOf({
      prepare: fail,
      commit: fail,
      abort: () => Promise.reject(new Error('no answer')),
      evidence: fail,
      forget: fail,
      listPrepared: fail,
    })
    const replies = new Replies()
    host
      .attach(replies, COORDINATOR)
      .receive([
        prepare(1),
        { type: 'commit', xid: xid(2) },
        { type: 'abort', xid: xid(3) },
        { type: 'evidence_question', xid: xid(4) },
        { type: 'forget', xid: xid(5) },
        { type: 'list_prepared', pageSize: 1, pageToken: '' },
      ])
    expect(await replies.take(5)).toEqual(
      expect.arrayContaining([
        { type: 'vote', xid: xid(1), vote: { vote: 'no', message: 'disk on fire', retryable: false } },
        {
          type: 'result',
          xid: xid(2),
          verb: 'commit',
          result: 'unknown',
          message: 'disk on fire',
          evidence: 'none',
        },
        {
          type: 'result',
          xid: xid(3),
          verb: 'abort',
          result: 'unknown',
          message: 'no answer',
          evidence: 'none',
        },
        { type: 'evidence_answer', xid: xid(4), evidence: 'none', message: 'disk on fire' },
        { type: 'scan_failed', message: 'disk on fire' },
      ]),
    )
  })

  it('says that a no vote is retryable where the error says so', async () => {
    const replies = new Replies()
    hostOf({ prepare: () => Promise.reject(new PledgedError('UNAVAILABLE', 'busy')) })
      .attach(replies, COORDINATOR)
      .receive([prepare(1)])
    expect(await replies.take(1)).toEqual([
      { type: 'vote', xid: xid(1), vote: { vote: 'no', message: 'busy', retryable: true } },
    ])
  })

  it('takes an answer out of shape for no, unknown, none, and a failed scan', async () => {
    const nonsense = (): Promise<never> => Promise.resolve('nonsense' as never)
    const host = hostOf({ prepare: nonsense, commit: nonsense, evidence: nonsense, listPrepared: nonsense })
    const replies = new Replies()
    host
      .attach(replies, COORDINATOR)
      .receive([
        prepare(1),
        { type: 'commit', xid: xid(2) },
        { type: 'evidence_question', xid: xid(3) },
        { type: 'list_prepared', pageSize: 1, pageToken: '' },
      ])
    const answers = await replies.take(4)
    expect(answers.find((answer) => answer.type === 'vote')?.vote.vote).toBe('no')
    expect(answers.find((answer) => answer.type === 'result')?.result).toBe('unknown')
    expect(answers.find((answer) => answer.type === 'evidence_answer')?.evidence).toBe('none')
    expect(answers.some((answer) => answer.type === 'scan_failed')).toBe(true)
  })

  it('takes a yes whose time to live is no number for a no', async () => {
    const replies = new Replies()
    hostOf({ prepare: () => Promise.resolve({ vote: 'yes', pledgeTtlMs: Number.NaN }) })
      .attach(replies, COORDINATOR)
      .receive([prepare(1)])
    expect((await replies.take(1))[0]).toMatchObject({ vote: { vote: 'no' } })
  })

  it('answers that there is no evidence where the participant keeps none', async () => {
    const replies = new Replies()
    hostOf({})
      .attach(replies, COORDINATOR)
      .receive([{ type: 'evidence_question', xid: xid(1) }])
    expect(await replies.take(1)).toMatchObject([{ type: 'evidence_answer', evidence: 'none' }])
  })

  it('never shows a participant an xid that is none', async () => {
    const shown: string[] = []
    const bad = "'; DROP TABLE sink" as Xid
    const host = hostOf({
      prepare: (request) => {
        shown.push(request.xid)
        return Promise.resolve(vote.yes())
      },
      commit: (committed) => {
        shown.push(committed)
        return Promise.resolve(done)
      },
    })
    const replies = new Replies()
    host.attach(replies, COORDINATOR).receive([
      { type: 'prepare', xid: bad, work: new Uint8Array(0), timeoutMs: 1_000 },
      { type: 'commit', xid: bad },
      { type: 'evidence_question', xid: bad },
      { type: 'forget', xid: bad },
    ])
    const answers = await replies.take(3)
    expect(answers).toMatchObject([
      { type: 'vote', vote: { vote: 'no', message: expect.stringContaining('is not an xid') as string } },
      { type: 'result', result: 'unknown' },
      { type: 'evidence_answer', evidence: 'none' },
    ])
    expect(shown).toEqual([])
  })

  it('refuses a name that is none', () => {
    expect(() => new ParticipantHost({ name: 'No Such', participant: participantWith({}) })).toThrow(
      /"No Such" is not a participant's name/,
    )
  })
})

describe('back-pressure of a host', () => {
  it('runs no more prepares at once than it may, and lets commits through', async () => {
    const gates = new Gates()
    let running = 0
    let runningMax = 0
    const host = hostOf(
      {
        prepare: async (request) => {
          running += 1
          runningMax = Math.max(runningMax, running)
          await gates.pass(request.xid)
          running -= 1
          return vote.yes()
        },
      },
      { concurrencyMax: 2 },
    )
    const replies = new Replies()
    const session = host.attach(replies, COORDINATOR)
    session.receive([prepare(1)])
    session.receive([prepare(2), prepare(3), prepare(4), { type: 'commit', xid: xid(9) }])
    expect(await replies.take(1)).toMatchObject([{ type: 'result', xid: xid(9) }])
    expect(running).toBe(2)
    for (const sequence of [1, 2, 3, 4]) gates.open(xid(sequence))
    await replies.take(5)
    expect(runningMax).toBe(2)
  })

  it('votes no for a prepare that waited longer than the coordinator does', async () => {
    const gates = new Gates()
    const prepared: string[] = []
    const host = hostOf(
      {
        prepare: async (request) => {
          prepared.push(request.xid)
          await gates.pass(request.xid)
          return vote.yes()
        },
      },
      { concurrencyMax: 1 },
    )
    const replies = new Replies()
    host.attach(replies, COORDINATOR).receive([prepare(1), prepare(2, 0)])
    // It doesn't keep the coordinator waiting for the turn that it doesn't need.
    expect(await replies.take(1)).toMatchObject([{ xid: xid(2), vote: { vote: 'no', retryable: true } }])
    gates.open(xid(1))
    expect((await replies.take(2))[1]).toMatchObject({ xid: xid(1), vote: { vote: 'yes' } })
    expect(prepared).toEqual([xid(1)])
  })

  it('votes no for what is more work than may wait, and for nothing else', async () => {
    const gates = new Gates()
    const host = hostOf(
      {
        prepare: async (request) => {
          await gates.pass(request.xid)
          return vote.yes()
        },
      },
      { concurrencyMax: 1, workBytesMax: 10 },
    )
    const replies = new Replies()
    const session = host.attach(replies, COORDINATOR)
    const work = new Uint8Array(6)
    const heavy = (sequence: number): CoordinatorMessage => ({
      type: 'prepare',
      xid: xid(sequence),
      work,
      timeoutMs: 60_000,
    })
    session.receive([heavy(1), heavy(2), { type: 'commit', xid: xid(9) }])
    expect(await replies.take(2)).toMatchObject([
      { xid: xid(2), vote: { vote: 'no', retryable: true } },
      { type: 'result', xid: xid(9) },
    ])
    for (const sequence of [1, 3]) gates.open(xid(sequence))
    await replies.take(3)
    session.receive([heavy(3)])
    expect((await replies.take(4))[3]).toMatchObject({ xid: xid(3), vote: { vote: 'yes' } })
  })
})

describe('a host between two links', () => {
  it('drops what had not started, tells a late vote to the new link, and nothing else', async () => {
    const gates = new Gates()
    const calls: string[] = []
    const host = hostOf({
      prepare: async (request) => {
        calls.push(`prepare ${request.xid}`)
        await gates.pass(request.xid)
        return vote.yes()
      },
      commit: async (committed) => {
        calls.push(`commit ${committed}`)
        await gates.pass(committed)
        return done
      },
    })
    const old = new Replies()
    const session = host.attach(old, COORDINATOR)
    session.receive([prepare(1), { type: 'commit', xid: xid(2) }, prepare(3)])
    session.receive([{ type: 'commit', xid: xid(3) }])
    await turns(1)
    session.close()
    const replies = new Replies()
    host.attach(replies, COORDINATOR).receive([{ type: 'abort', xid: xid(1) }])
    for (const sequence of [1, 2, 3]) gates.open(xid(sequence))
    const answers = await replies.take(3)
    await turns(3)
    expect(answers.map((answer) => [answer.type, 'xid' in answer && answer.xid])).toEqual([
      ['vote', xid(1)],
      ['vote', xid(3)],
      ['result', xid(1)],
    ])
    expect(replies.batches.flat()).toHaveLength(3)
    expect(old.batches).toEqual([])
    expect(calls).not.toContain(`commit ${xid(3)}`)
    session.receive([prepare(5)])
    expect(calls).not.toContain(`prepare ${xid(5)}`)
  })

  it('lets what runs end before it closes the participant, but does not wait for ever', async () => {
    const gates = new Gates()
    const events: string[] = []
    const host = hostOf({
      commit: async (committed) => {
        await gates.pass(committed)
        events.push(`committed ${committed}`)
        return done
      },
      close: () => {
        events.push('closed')
        return Promise.reject(new Error('close failed'))
      },
    })
    host.attach(new Replies(), COORDINATOR).receive([
      { type: 'commit', xid: xid(1) },
      { type: 'commit', xid: xid(2) },
    ])
    gates.open(xid(1))
    expect(await host.close()).toBe('close failed')
    expect(events).toEqual([`committed ${xid(1)}`, 'closed'])
  })
})

describe('the crash points of a host', () => {
  it('are passed in the order of the protocol', async () => {
    const crash: CrashPoint[] = []
    const replies = new Replies()
    const session = hostOf({}, { crash }).attach(replies, COORDINATOR)
    session.receive([prepare(1)])
    expect(crash).toEqual(['participant.prepare.received'])
    await replies.take(1)
    expect(crash).toEqual(['participant.prepare.received', 'participant.vote.before-send'])
    await turns(3)
    session.receive([{ type: 'commit', xid: xid(1) }])
    await replies.take(2)
    await turns(3)
    expect(crash.slice(2)).toEqual([
      'participant.vote.after-send',
      'participant.decision.received',
      'participant.decision.applied',
      'participant.acknowledgement.sent',
    ])
  })

  it('are passed after an abort, and after a sweep', async () => {
    const crash: CrashPoint[] = []
    const replies = new Replies()
    const session = hostOf({}, { crash }).attach(replies, COORDINATOR)
    session.receive([{ type: 'abort', xid: xid(1) }])
    await replies.take(1)
    session.receive([{ type: 'forget', xid: xid(1) }])
    await turns(3)
    expect(crash).toEqual(['participant.abort.applied', 'participant.witness.swept'])
  })
})
