import { afterEach, describe, expect, it } from 'vitest'
import { PledgedError } from '../../../base/errors.ts'
import type { Try } from '../try.ts'
import { answerWith, FakeCoordinator, settled } from './test-session.ts'

const open: FakeCoordinator[] = []

function coordinatorWith(limits?: ConstructorParameters<typeof FakeCoordinator>[0]): FakeCoordinator {
  const coordinator = new FakeCoordinator(limits)
  open.push(coordinator)
  return coordinator
}

afterEach(() => {
  for (const { client } of open.splice(0)) client.close()
})

/** One that is admitted, with a call under way. */
async function admitted(
  limits?: ConstructorParameters<typeof FakeCoordinator>[0],
  admission: Parameters<FakeCoordinator['stream']['admit']>[0] = {},
) {
  const coordinator = coordinatorWith(limits)
  const { client } = coordinator
  const first = client.execute(coordinator.request('first'), coordinator.scope())
  coordinator.stream.admit(admission)
  await settled()
  return { coordinator, client, stream: coordinator.stream, first }
}

function lost(sent: boolean, code = 'UNAVAILABLE') {
  return { end: 'lost', sent, error: { code } }
}

/** What has settled by now, without waiting. */
async function now<T>(promise: Promise<T>): Promise<T | 'waiting'> {
  await settled()
  return Promise.race([promise, Promise.resolve('waiting' as const)])
}

describe('dialling', () => {
  it('begins with the first call, under a drawn name, and sends what waits once it is admitted', async () => {
    const coordinator = coordinatorWith()
    await settled()
    expect(coordinator.streams).toHaveLength(0)
    const { client } = coordinator
    const executed = client.execute(coordinator.request('a'), coordinator.scope())
    const got = client.get({ caller: '', requestId: 'a' }, coordinator.scope())
    expect(coordinator.streams).toHaveLength(1)
    expect(coordinator.stream.greeting.clientId).toMatch(/^[\x20-\x7e]{1,64}$/)
    expect(coordinator.stream.sent).toEqual([])
    coordinator.stream.admit()
    expect(coordinator.stream.calls.map((call) => call.type)).toEqual(['execute', 'get'])
    coordinator.stream.answer(0, { abortMessage: 'the first' })
    expect(await executed).toMatchObject({ end: 'answered', response: { abortMessage: 'the first' } })
    expect(await now(got)).toBe('waiting')
  })

  it('asks for no lease before a transaction is begun, and from then on with each hello', async () => {
    const coordinator = coordinatorWith()
    const { client } = coordinator
    const executed = client.execute(coordinator.request('a'), coordinator.scope())
    expect(coordinator.stream.greeting.leaseSize).toBe(0)
    coordinator.stream.admit({ lease: { firstSequence: 1, count: 0 } })
    coordinator.stream.answer(0)
    await executed
    const begun = client.begin(coordinator.scope())
    expect(coordinator.stream.leasesAsked).toHaveLength(1)
    coordinator.stream.lease(7, 2)
    expect(await begun).toMatchObject({ end: 'answered', response: { xid: expect.stringMatching(/\.7$/) } })
    coordinator.stream.die()
    void client.execute(coordinator.request('b'), coordinator.scope())
    await coordinator.time.pass(100)
    expect(coordinator.streams).toHaveLength(2)
    expect(coordinator.stream.greeting.leaseSize).toBeGreaterThan(0)
  })

  it('is done again, later and later, while something waits, until it succeeds', async () => {
    const coordinator = coordinatorWith()
    const executed = coordinator.client.execute(coordinator.request('a'), coordinator.scope())
    for (const pauseMs of [10, 20, 40, 80]) {
      const dialled = coordinator.streams.length
      coordinator.stream.die()
      await coordinator.time.pass(pauseMs - 1)
      expect(coordinator.streams).toHaveLength(dialled)
      await coordinator.time.pass(1)
      expect(coordinator.streams).toHaveLength(dialled + 1)
    }
    coordinator.stream.admit()
    coordinator.stream.answer(0)
    expect(await executed).toMatchObject({ end: 'answered' })
  })

  it('is not done for nobody', async () => {
    const coordinator = coordinatorWith()
    const executed = coordinator.client.execute(coordinator.request('a'), coordinator.scope(5))
    coordinator.stream.die()
    await coordinator.time.pass(5)
    expect(await executed).toMatchObject(lost(false))
    await coordinator.time.pass(10_000)
    expect(coordinator.streams).toHaveLength(1)
    expect(coordinator.time.armed).toBe(0)
  })

  it('is not done before the coordinator wants it', async () => {
    const { coordinator, stream, client } = await admitted()
    stream.answer(0)
    stream.die(500)
    const later = client.execute(coordinator.request('b'), coordinator.scope())
    await coordinator.time.pass(499)
    expect(coordinator.streams).toHaveLength(1)
    await coordinator.time.pass(20)
    expect(coordinator.streams).toHaveLength(2)
    coordinator.stream.admit()
    coordinator.stream.answer(0)
    expect(await later).toMatchObject({ end: 'answered' })
  })

  it('waits longer for one that admits and then dies without an answer, and not for one that was of use', async () => {
    const coordinator = coordinatorWith()
    void coordinator.client.begin(coordinator.scope(60_000))
    const dialled: number[] = []
    for (let round = 0; round < 4; round += 1) {
      coordinator.stream.admit({ lease: { firstSequence: 1, count: 0 } })
      coordinator.stream.die()
      const sinceMs = coordinator.time.monotonicMs()
      while (coordinator.streams.length === round + 1) await coordinator.time.pass(1)
      dialled.push(coordinator.time.monotonicMs() - sinceMs)
    }
    expect(dialled).toEqual([10, 20, 40, 80])
    const executed = coordinator.client.execute(coordinator.request('a'), coordinator.scope())
    coordinator.stream.admit({ lease: { firstSequence: 1, count: 0 } })
    coordinator.stream.answer(0)
    await executed
    const { length } = coordinator.streams
    coordinator.stream.die()
    await coordinator.time.pass(10)
    expect(coordinator.streams).toHaveLength(length + 1)
  })

  it('ends what waits at once where no session will ever be', async () => {
    const coordinator = coordinatorWith()
    const { client } = coordinator
    const executed = client.execute(coordinator.request('a'), coordinator.scope())
    const begun = client.begin(coordinator.scope())
    coordinator.stream.die(undefined, 'NOT_IMPLEMENTED')
    const refused = { end: 'refused', error: { code: 'NOT_IMPLEMENTED' } }
    expect(await executed).toMatchObject(refused)
    expect(await begun).toMatchObject(refused)
  })

  it('says why it came to nothing when the time is up', async () => {
    const coordinator = coordinatorWith()
    const executed = coordinator.client.execute(coordinator.request('a'), coordinator.scope(5_000))
    coordinator.stream.die(undefined, 'STARTING')
    await coordinator.time.pass(5_000)
    expect(await executed).toMatchObject(lost(false, 'STARTING'))
    const silent = coordinatorWith()
    const begun = silent.client.begin(silent.scope(5_000))
    await silent.time.pass(5_000)
    expect(await begun).toMatchObject(lost(false))
  })

  it('hears no older stream', async () => {
    const { coordinator, client, stream } = await admitted()
    stream.die()
    const second = client.execute(coordinator.request('b'), coordinator.scope())
    await coordinator.time.pass(10)
    stream.admit()
    stream.die()
    stream.listener.received([{ type: 'answer', callId: 1, answer: answerWith() }])
    expect(coordinator.stream.sent).toEqual([])
    coordinator.stream.admit()
    stream.listener.received([{ type: 'answer', callId: 1, answer: answerWith() }])
    expect(await now(second)).toBe('waiting')
  })
})

describe('calls', () => {
  it('that were sent end as lost with their stream, and what waits is sent to the next', async () => {
    const { coordinator, client, stream, first } = await admitted({}, { callsMax: 1 })
    const second = client.commit(
      { ...coordinator.request('b'), xid: 'k3f9qa7m2xw4.7-q3f9.2' },
      coordinator.scope(),
    )
    expect(stream.calls).toHaveLength(1)
    stream.die()
    expect(await first).toMatchObject({ ...lost(true), error: { message: 'died with UNAVAILABLE' } })
    await coordinator.time.pass(10)
    coordinator.stream.admit()
    expect(coordinator.stream.calls).toMatchObject([{ type: 'commit', request: { xid: expect.any(String) } }])
    coordinator.stream.answer(0)
    expect(await second).toMatchObject({ end: 'answered' })
  })

  it('are answered in any order, once, by their ids; what names none does no harm', async () => {
    const { coordinator, client, stream, first } = await admitted()
    const second = client.abort('k3f9qa7m2xw4.7-q3f9.2', coordinator.scope())
    stream.answer(1, { outcome: 'aborted' })
    stream.answer(1, { outcome: 'committed' })
    stream.listener.received([
      { type: 'answer', callId: 77, answer: answerWith() },
      { type: 'enlisted', callId: 0 },
      { type: 'refusal', callId: -1, error: new PledgedError('INTERNAL', 'of nothing') },
    ])
    expect(await second).toMatchObject({ response: { outcome: 'aborted' } })
    expect(await now(first)).toBe('waiting')
    stream.answer(0)
    expect(await first).toMatchObject({ end: 'answered', response: { outcome: 'committed' } })
  })

  it('are refused by what refuses them, and lost where it may be a bug', async () => {
    const ends: Record<string, object> = {
      DRAINING: { end: 'refused' },
      UNKNOWN_PARTICIPANT: { end: 'refused' },
      INTERNAL: lost(true, 'INTERNAL'),
      OUTCOME_UNKNOWN: lost(true, 'OUTCOME_UNKNOWN'),
    }
    for (const [code, end] of Object.entries(ends)) {
      const { stream, first } = await admitted()
      const error = new PledgedError(code as 'DRAINING', 'no')
      stream.listener.received([{ type: 'refusal', callId: stream.callId(0), error }])
      expect(await first).toMatchObject({ ...end, error: { code } })
    }
  })

  it('are lost where the answer is of another kind', async () => {
    const { coordinator, client, stream, first } = await admitted()
    stream.listener.received([{ type: 'enlisted', callId: stream.callId(0) }])
    expect(await first).toMatchObject(lost(true, 'INTERNAL'))
    const got = client.get({ caller: '', requestId: 'a' }, coordinator.scope())
    stream.answer(1)
    expect(await got).toMatchObject(lost(true, 'INTERNAL'))
  })

  it('wait for their turn, in order, while as many are unanswered as may be', async () => {
    const { coordinator, client, stream } = await admitted({}, { callsMax: 2 })
    const ends: string[] = []
    for (const name of ['b', 'c', 'd']) {
      void client.execute(coordinator.request(name), coordinator.scope()).then(() => ends.push(name))
    }
    expect(stream.calls).toHaveLength(2)
    stream.answer(0)
    expect(stream.calls).toHaveLength(3)
    stream.answer(2)
    stream.answer(1)
    stream.answer(3)
    await settled()
    expect(ends).toEqual(['c', 'b', 'd'])
    const ids = stream.calls.map(({ callId }) => callId)
    expect(new Set(ids).size).toBe(4)
  })

  it('wait also where the bytes of what is unanswered are as many as may be', async () => {
    const { coordinator, client, stream } = await admitted({ linkQueueBytesMax: 4_000 })
    void client.execute(coordinator.request('b', 1_000), coordinator.scope())
    void client.execute(coordinator.request('c', 1_000), coordinator.scope())
    expect(stream.calls).toHaveLength(2)
    stream.answer(1)
    expect(stream.calls).toHaveLength(3)
  })

  it('are refused where too many wait', async () => {
    const { coordinator, client, stream } = await admitted({ clientQueueMax: 2 }, { callsMax: 1 })
    const waiting = [1, 2].map((index) =>
      client.execute(coordinator.request(`w${index}`), coordinator.scope()),
    )
    const refused = await client.execute(coordinator.request('x'), coordinator.scope())
    expect(refused).toMatchObject({ end: 'refused', error: { code: 'LIMIT_REACHED' } })
    for (const index of [0, 1, 2]) stream.answer(index)
    for (const call of waiting) expect(await call).toMatchObject({ end: 'answered' })
    expect(stream.calls).toHaveLength(3)
  })

  it('are refused where they are too large for a message, and let the others pass', async () => {
    const { coordinator, client, stream } = await admitted()
    const large = client.execute(coordinator.request('large', 20_000), coordinator.scope())
    const small = client.execute(coordinator.request('small'), coordinator.scope())
    expect(await large).toMatchObject({ end: 'refused', error: { code: 'WORK_TOO_LARGE' } })
    stream.answer(1)
    expect(await small).toMatchObject({ end: 'answered' })
  })

  it('say how long their callers still wait when they are sent', async () => {
    const coordinator = coordinatorWith()
    void coordinator.client.execute(coordinator.request('a'), coordinator.scope(1_000))
    await coordinator.time.pass(400)
    coordinator.stream.admit()
    expect(coordinator.stream.calls).toMatchObject([{ request: { deadlineInMs: 600 } }])
  })

  it('pass their crash point when they have been sent', async () => {
    const coordinator = coordinatorWith()
    void coordinator.client.execute(coordinator.request('a'), coordinator.scope())
    for (let turn = 0; turn < 5; turn += 1) await settled()
    expect(coordinator.crashed).toEqual([])
    coordinator.stream.admit()
    for (let turn = 0; turn < 5; turn += 1) await settled()
    expect(coordinator.crashed).toEqual(['application.execute.sent'])
  })
})

describe('a scope that ends', () => {
  it('forgets a call that was sent: its late answer is dropped, and its place is taken until then', async () => {
    const { coordinator, client, stream } = await admitted({}, { callsMax: 2 })
    const controller = new AbortController()
    const cancelled = client.execute(coordinator.request('b'), coordinator.scope(1_000, controller.signal))
    const next = client.execute(coordinator.request('c'), coordinator.scope())
    controller.abort()
    expect(await cancelled).toMatchObject(lost(true, 'OUTCOME_UNKNOWN'))
    expect(stream.calls).toHaveLength(2)
    stream.answer(1)
    expect(stream.calls).toHaveLength(3)
    stream.answer(2)
    expect(await next).toMatchObject({ end: 'answered' })
  })

  it('ends a call by its time, too', async () => {
    const { coordinator, client } = await admitted({}, { callsMax: 2 })
    const sent = client.execute(coordinator.request('b'), coordinator.scope(50))
    const queued = client.execute(coordinator.request('c'), coordinator.scope(50))
    await coordinator.time.pass(49)
    expect(await now(Promise.race([sent, queued]))).toBe('waiting')
    await coordinator.time.pass(1)
    expect(await sent).toMatchObject(lost(true, 'OUTCOME_UNKNOWN'))
    expect(await queued).toMatchObject(lost(false))
  })

  it('takes a call out of the line: it is never sent', async () => {
    const { coordinator, client, stream } = await admitted({}, { callsMax: 1 })
    const controller = new AbortController()
    const cancelled = client.execute(coordinator.request('b'), coordinator.scope(1_000, controller.signal))
    const next = client.execute(coordinator.request('c'), coordinator.scope())
    controller.abort()
    expect(await cancelled).toMatchObject(lost(false))
    stream.answer(0)
    stream.answer(1)
    expect(await next).toMatchObject({ end: 'answered' })
    expect(stream.calls).toMatchObject([
      { request: { name: { requestId: 'first' } } },
      { request: { name: { requestId: 'c' } } },
    ])
  })

  it('that is over already sends nothing', async () => {
    const { coordinator, client, stream } = await admitted()
    const over = coordinator.scope(1_000, AbortSignal.abort())
    expect(await client.execute(coordinator.request('b'), over)).toMatchObject(lost(false))
    expect(await client.begin(over)).toMatchObject(lost(false))
    expect(stream.calls).toHaveLength(1)
  })
})

describe('closing', () => {
  it('ends everything as lost, and the stream in good order', async () => {
    const { coordinator, client, stream, first } = await admitted(
      {},
      { callsMax: 1, lease: { firstSequence: 1, count: 1 } },
    )
    const begun = await client.begin(coordinator.scope())
    const queued = client.execute(coordinator.request('b'), coordinator.scope())
    const waiting = client.begin(coordinator.scope())
    client.close()
    client.close()
    expect(stream.closed).toBe(true)
    expect(await first).toMatchObject(lost(true))
    expect(await queued).toMatchObject(lost(false))
    expect(await waiting).toMatchObject(lost(false))
    expect(begun.end === 'answered' && begun.response.lost.aborted).toBe(true)
    expect(await client.execute(coordinator.request('c'), coordinator.scope())).toMatchObject(lost(false))
    expect(await client.begin(coordinator.scope())).toMatchObject(lost(false))
    await coordinator.time.pass(100_000)
    expect(coordinator.streams).toHaveLength(1)
    expect(coordinator.time.armed).toBe(0)
  })

  it('of one that was never used dials nothing', async () => {
    const coordinator = coordinatorWith()
    coordinator.client.close()
    await settled()
    expect(coordinator.streams).toHaveLength(0)
  })
})

describe('begin', () => {
  const branch = { participant: 'ledger', resourceId: 'r', connectionId: '7' }

  function xidOf(begun: Try<{ xid: string }>): string {
    return begun.end === 'answered' ? (begun.response.xid.split('.')[2] ?? '') : begun.end
  }

  it('takes the next leased xid, and asks for more when less than half a lease is left', async () => {
    const { coordinator, client, stream } = await admitted()
    const taken: string[] = []
    for (let index = 0; index < 4; index += 1) taken.push(xidOf(await client.begin(coordinator.scope())))
    expect(taken).toEqual(['1', '2', '3', '4'])
    expect(stream.leasesAsked).toEqual([])
    taken.push(xidOf(await client.begin(coordinator.scope())))
    taken.push(xidOf(await client.begin(coordinator.scope())))
    expect(stream.leasesAsked).toEqual([8])
    stream.lease(100, 8)
    for (let index = 0; index < 3; index += 1) taken.push(xidOf(await client.begin(coordinator.scope())))
    expect(taken).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '100'])
    expect(stream.calls).toHaveLength(1)
  })

  it('waits, in order, where none is left, and asks for more at a time', async () => {
    const { coordinator, client, stream } = await admitted({}, { lease: { firstSequence: 5, count: 1 } })
    const begun = [1, 2, 3].map(() => client.begin(coordinator.scope()))
    await settled()
    expect(stream.leasesAsked).toEqual([1])
    stream.lease(6, 1)
    stream.lease(50, 9)
    expect(stream.leasesAsked.length).toBeGreaterThan(1)
    expect(stream.leasesAsked.at(-1)).toBeGreaterThan(1)
    expect(await now(Promise.all(begun))).toEqual(expect.anything())
    expect((await Promise.all(begun)).map(xidOf)).toEqual(['5', '6', '50'])
  })

  it('asks again, later, where the coordinator has none to lease', async () => {
    const { coordinator, client, stream } = await admitted({}, { lease: { firstSequence: 0, count: 0 } })
    const begun = client.begin(coordinator.scope())
    stream.lease(0, 0)
    const asked = stream.leasesAsked.length
    expect(await now(begun)).toBe('waiting')
    await coordinator.time.pass(100)
    expect(stream.leasesAsked.length).toBe(asked + 1)
    stream.lease(9, 1)
    expect(xidOf(await begun)).toBe('9')
    const none = client.begin(coordinator.scope(30))
    await coordinator.time.pass(30)
    expect(await none).toMatchObject({
      ...lost(false),
      error: { message: expect.stringMatching(/leased no xid/) },
    })
  })

  it('takes no lease that nobody asked for, nor one that holds no xids', async () => {
    const { coordinator, client, stream } = await admitted({}, { lease: { firstSequence: 1, count: 1 } })
    stream.lease(900, 5)
    expect(xidOf(await client.begin(coordinator.scope()))).toBe('1')
    const begun = client.begin(coordinator.scope())
    stream.lease(-5, 3)
    await coordinator.time.pass(100)
    stream.lease(2 ** 53, 2)
    await coordinator.time.pass(100)
    expect(await now(begun)).toBe('waiting')
    stream.lease(7, 1)
    expect(xidOf(await begun)).toBe('7')
  })

  it('uses no xid that was leased too long ago, and asks for fewer from then on', async () => {
    const { coordinator, client, stream } = await admitted({ leaseKeptMs: 1_000 })
    await coordinator.time.pass(1_000)
    const begun = client.begin(coordinator.scope())
    expect(stream.leasesAsked).toEqual([4])
    stream.lease(20, 4)
    expect(xidOf(await begun)).toBe('20')
  })

  it('enlists and acknowledges over its own session, and hears when that has ended', async () => {
    const { coordinator, client, stream } = await admitted()
    const begun = await client.begin(coordinator.scope())
    if (begun.end !== 'answered') throw new Error('not begun')
    const { xid, lost: signal } = begun.response
    const enlisted = begun.response.enlist(branch, coordinator.scope())
    expect(stream.calls[1]).toMatchObject({ type: 'enlist', xid, branch })
    stream.listener.received([{ type: 'enlisted', callId: stream.callId(1) }])
    expect(await enlisted).toEqual({ end: 'answered', response: undefined })
    begun.response.acknowledge({ xid, participant: 'ledger', result: 'done' })
    expect(stream.sent.at(-1)).toMatchObject({ type: 'acknowledgement', ending: { xid } })
    const unanswered = begun.response.enlist({ ...branch, participant: 'stock' }, coordinator.scope())
    expect(signal.aborted).toBe(false)
    stream.die()
    expect(signal.aborted).toBe(true)
    expect(signal.reason).toMatchObject({ message: 'died with UNAVAILABLE' })
    expect(await unanswered).toMatchObject(lost(true))
    const { length } = stream.sent
    expect(await begun.response.enlist(branch, coordinator.scope())).toMatchObject(lost(false))
    begun.response.acknowledge({ xid, participant: 'ledger', result: 'done' })
    expect(stream.sent).toHaveLength(length)
  })

  it('does not let an enlistment that waited go to another session', async () => {
    const { coordinator, client, stream } = await admitted({}, { callsMax: 1 })
    const begun = await client.begin(coordinator.scope())
    if (begun.end !== 'answered') throw new Error('not begun')
    const waited = begun.response.enlist(branch, coordinator.scope())
    const other = client.get({ caller: '', requestId: 'a' }, coordinator.scope())
    stream.die()
    expect(await waited).toMatchObject(lost(false))
    await coordinator.time.pass(10)
    coordinator.stream.admit()
    expect(coordinator.stream.calls.map(({ type }) => type)).toEqual(['get'])
    expect(await now(other)).toBe('waiting')
  })

  it('goes on with the leases of the new session alone', async () => {
    const { coordinator, client, stream } = await admitted()
    stream.die()
    const begun = client.begin(coordinator.scope())
    await coordinator.time.pass(10)
    coordinator.stream.admit({ lease: { firstSequence: 300, count: 2 } })
    expect(xidOf(await begun)).toBe('300')
  })

  it('does not dial in a circle where whoever hears of the end begins again at once', async () => {
    const { coordinator, client, stream } = await admitted()
    const begun = await client.begin(coordinator.scope())
    if (begun.end !== 'answered') throw new Error('not begun')
    begun.response.lost.addEventListener('abort', () => void client.begin(coordinator.scope()))
    stream.die()
    expect(coordinator.streams).toHaveLength(1)
    await coordinator.time.pass(10)
    expect(coordinator.streams).toHaveLength(2)
  })
})
