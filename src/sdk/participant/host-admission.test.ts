import { describe, expect, it } from 'vitest'
import type { Epoch } from '../../base/ids.ts'
import type { CoordinatorMessage } from '../../protocol/messages.ts'
import { type PrepareRequest, supersededError, vote } from './participant.ts'
import { COORDINATOR, done, Gates, hostOf, prepare, Replies, turns, xid } from './test-host.ts'

describe('a one-phase prepare (R17)', () => {
  const onePhase = (sequence: number): CoordinatorMessage => ({
    type: 'prepare',
    xid: xid(sequence),
    work: new Uint8Array(0),
    timeoutMs: 60_000,
    onePhase: true,
  })

  it('is shown as one, and may be voted committed', async () => {
    const asked: boolean[] = []
    const replies = new Replies()
    hostOf({
      prepare: (request) => {
        asked.push(request.onePhase)
        return Promise.resolve(request.onePhase ? vote.committed() : vote.yes())
      },
    })
      .attach(replies, COORDINATOR)
      .receive([onePhase(1), prepare(2)])
    expect(await replies.take(2)).toEqual([
      { type: 'vote', xid: xid(1), vote: { vote: 'committed' } },
      { type: 'vote', xid: xid(2), vote: { vote: 'yes' } },
    ])
    expect(asked).toEqual([true, false])
  })

  it('that is voted committed where nobody asked is an answer out of shape', async () => {
    const replies = new Replies()
    hostOf({ prepare: () => Promise.resolve(vote.committed()) })
      .attach(replies, COORDINATOR)
      .receive([prepare(1)])
    expect(await replies.take(1)).toMatchObject([{ type: 'vote', vote: { vote: 'no' } }])
  })

  it.each([
    ['throws', () => Promise.reject(new Error('the connection broke')), 'the connection broke'],
    ['answers nonsense', () => Promise.resolve('nonsense' as never), 'answered without a vote'],
  ])('that %s has no known end, and is no vote', async (_name, prepareIt, message) => {
    const replies = new Replies()
    hostOf({ prepare: prepareIt })
      .attach(replies, COORDINATOR)
      .receive([onePhase(1)])
    expect(await replies.take(1)).toEqual([
      {
        type: 'result',
        xid: xid(1),
        verb: 'commit',
        result: 'unknown',
        message: expect.stringContaining(message) as string,
        evidence: 'none',
      },
    ])
  })
})

describe('the signal of a prepare', () => {
  /** A participant whose prepares wait until nobody waits for them. */
  function waiting() {
    const requests: PrepareRequest[] = []
    const host = hostOf({
      prepare: async (request) => {
        requests.push(request)
        await new Promise((resolve) => request.signal.addEventListener('abort', resolve))
        return vote.no((request.signal.reason as Error).message)
      },
    })
    return { host, requests }
  }

  it('fires when an abort of that xid comes, which then runs behind the prepare', async () => {
    const { host, requests } = waiting()
    const replies = new Replies()
    const session = host.attach(replies, COORDINATOR)
    session.receive([prepare(1), prepare(2)])
    await turns(1)
    session.receive([{ type: 'abort', xid: xid(1) }])
    expect(await replies.take(2)).toMatchObject([
      { type: 'vote', xid: xid(1), vote: { vote: 'no', message: 'the transaction is being aborted' } },
      { type: 'result', xid: xid(1), verb: 'abort', result: 'done' },
    ])
    expect(requests.map(({ signal }) => signal.aborted)).toEqual([true, false])
    session.close()
  })

  it('fires when the link is gone', async () => {
    const { host, requests } = waiting()
    const session = host.attach(new Replies(), COORDINATOR)
    session.receive([prepare(1)])
    await turns(1)
    session.close()
    expect(requests.map(({ signal }) => signal.aborted)).toEqual([true])
  })

  it('fires when its time is over', async () => {
    const { host } = waiting()
    const replies = new Replies()
    host.attach(replies, COORDINATOR).receive([prepare(1, 5)])
    expect(await replies.take(1)).toMatchObject([
      { vote: { vote: 'no', message: 'nobody waits for the vote after 5 ms' } },
    ])
  })

  it('has fired already when it is looked at late', async () => {
    const gates = new Gates()
    const seen: boolean[] = []
    const host = hostOf({
      prepare: async (request) => {
        await gates.pass(request.xid)
        seen.push(request.signal.aborted)
        return vote.yes()
      },
    })
    const replies = new Replies()
    const session = host.attach(replies, COORDINATOR)
    session.receive([prepare(1)])
    await turns(1)
    session.receive([{ type: 'abort', xid: xid(1) }])
    gates.open(xid(1))
    await replies.take(2)
    expect(seen).toEqual([true])
  })

  it('spares a prepare that has not begun', async () => {
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
    host.attach(replies, COORDINATOR).receive([prepare(1), prepare(2), { type: 'abort', xid: xid(2) }])
    expect(await replies.take(2)).toMatchObject([
      { xid: xid(2), vote: { vote: 'no' } },
      { xid: xid(2), type: 'result', verb: 'abort' },
    ])
    gates.open(xid(1))
    expect((await replies.take(3))[2]).toMatchObject({ xid: xid(1), vote: { vote: 'yes' } })
    expect(prepared).toEqual([xid(1)])
  })
})

describe('the admission of a coordinator (R11)', () => {
  it('comes before every verb of its link, and holds them back in their order', async () => {
    const gates = new Gates()
    const calls: string[] = []
    const host = hostOf({
      admit: async ({ logId, epoch }) => {
        calls.push(`admit ${logId} ${epoch}`)
        await gates.pass('admit')
      },
      commit: (committed) => {
        calls.push(`commit ${committed}`)
        return Promise.resolve(done)
      },
    })
    const replies = new Replies()
    const session = host.attach(replies, COORDINATOR)
    session.receive([{ type: 'commit', xid: xid(1) }])
    session.receive([{ type: 'commit', xid: xid(2) }])
    await turns(2)
    expect(calls).toEqual(['admit k3f9qa7m2xw4 7-q3f9'])
    expect(replies.signals).toEqual([])
    gates.open('admit')
    await replies.take(2)
    expect(calls.slice(1)).toEqual([`commit ${xid(1)}`, `commit ${xid(2)}`])
    expect(replies.signals).toEqual(['admitted'])
  })

  it.each([
    ['an old copy of the log', supersededError(COORDINATOR, '9-abcd'), true, 'refused for ever'],
    ['a database that is down', new Error('connection refused'), false, 'refused'],
  ])('is refused for %s: told last, and nothing is run', async (_name, error, superseded, signal) => {
    const committed: string[] = []
    const host = hostOf({
      admit: () => Promise.reject(error),
      commit: (id) => {
        committed.push(id)
        return Promise.resolve(done)
      },
    })
    const replies = new Replies()
    const session = host.attach(replies, COORDINATOR)
    session.receive([{ type: 'commit', xid: xid(1) }])
    expect(await replies.take(1)).toEqual([{ type: 'admission_refused', superseded, message: error.message }])
    session.receive([{ type: 'commit', xid: xid(2) }])
    await turns(3)
    expect(replies.signals).toEqual([signal])
    expect(replies.batches.flat()).toHaveLength(1)
    expect(committed).toEqual([])
  })

  it('is taken back when a scan finds that another copy of the log was opened meanwhile', async () => {
    const superseded = supersededError(COORDINATOR, '9-abcd')
    const host = hostOf({ listPrepared: () => Promise.reject(superseded) })
    const replies = new Replies()
    host.attach(replies, COORDINATOR).receive([{ type: 'list_prepared', pageSize: 10, pageToken: '' }])
    expect(await replies.take(1)).toEqual([
      { type: 'admission_refused', superseded: true, message: superseded.message },
    ])
  })

  it('of an old link does not reach the new one', async () => {
    const gates = new Gates()
    const epochs: string[] = []
    const host = hostOf({
      admit: async ({ epoch }) => {
        epochs.push(epoch)
        await gates.pass(epoch)
      },
    })
    const old = new Replies()
    host.attach(old, COORDINATOR).receive([prepare(1)])
    const replies = new Replies()
    host.attach(replies, { ...COORDINATOR, epoch: '8-aaaa' as Epoch }).receive([prepare(2)])
    gates.open('7-q3f9')
    await turns(2)
    expect(epochs).toEqual(['7-q3f9', '8-aaaa'])
    expect(replies.signals).toEqual([])
    gates.open('8-aaaa')
    expect(await replies.take(1)).toMatchObject([{ xid: xid(2) }])
    expect(old.signals).toEqual([])
  })
})
