/** The coordinator over the memory log and in-process participants: what the parts do together. */
import { afterEach, describe, expect, it } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import { systemClock, systemRandom, systemTimers } from '../base/ports.ts'
import { MemoryLog } from '../log/memory/index.ts'
import type { Vote } from '../protocol/messages.ts'
import { vote } from '../sdk/participant/participant.ts'
import { Coordinator } from './coordinator.ts'
import { Bench, limits, request } from './testing/bench.ts'

const bench: { current: Bench } = { current: new Bench() }
afterEach(async () => {
  await bench.current.coordinator?.stop()
  bench.current = new Bench()
})

describe('the coordinator', () => {
  it('refuses requests until its log is replayed', async () => {
    const { disk } = bench.current
    const coordinator = new Coordinator({
      log: new MemoryLog({ disk }),
      limits,
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      dialers: [],
    })
    await expect(coordinator.execute(request())).rejects.toMatchObject({ code: 'STARTING' })
    await coordinator.start()
    expect(coordinator.bootState).toBe('serving')
    expect(coordinator.refusal()).toBeUndefined()
    await coordinator.stop()
  })

  it('commits at both participants, and aborts at both when one votes no', async () => {
    const { left, right } = bench.current
    const coordinator = await bench.current.start()
    const committed = await coordinator.execute(request())
    expect(committed.transaction.outcome).toBe('committed')
    expect(left.committed).toEqual([committed.transaction.xid])
    expect(right.committed).toEqual([committed.transaction.xid])
    right.nextVote = () => vote.no('it is full')
    const aborted = await coordinator.execute(request())
    expect(aborted.transaction).toMatchObject({ outcome: 'aborted', abortCause: 'vote_no' })
    await expect.poll(() => left.prepared.size).toBe(0)
  })

  it('retries a delivery that is answered unknown until it is done', async () => {
    const { left } = bench.current
    const coordinator = await bench.current.start()
    left.nextResult = 'unknown'
    const { transaction } = await coordinator.execute(request({ waitFor: 'decision' }))
    await expect.poll(() => coordinator.status().participants[0]?.lastError).not.toBe('')
    expect(coordinator.status().inDoubt).toBe(1)
    left.nextResult = undefined
    await expect.poll(() => left.committed).toEqual([transaction.xid])
    await expect.poll(() => coordinator.status().inDoubt).toBe(0)
  })

  it('delivers after a restart what a participant that was away did not get', async () => {
    const { left, right } = bench.current
    const coordinator = await bench.current.start()
    left.nextResult = 'unknown'
    const { transaction } = await coordinator.execute(request({ waitFor: 'decision' }))
    await coordinator.stop()
    expect(left.committed).toEqual([])
    left.nextResult = undefined
    await bench.current.start()
    await expect.poll(() => left.committed).toEqual([transaction.xid])
    expect(right.committed).toEqual([transaction.xid])
  })

  it('aborts after a restart what was prepared and not decided', async () => {
    const { left, right } = bench.current
    const coordinator = await bench.current.start()
    const { promise: hang, resolve: release } = Promise.withResolvers<Vote>()
    right.nextVote = () => hang
    const answer = coordinator.execute(request()).catch((error: unknown) => error)
    await expect.poll(() => left.prepared.size).toBe(1)
    await coordinator.stop()
    expect(await answer).toBeInstanceOf(PledgedError)
    release(vote.no('too late'))
    await bench.current.start()
    await expect.poll(() => left.prepared.size).toBe(0)
    expect(left.committed).toEqual([])
  })

  it('answers unknown, and nothing else any more, when the log fails', async () => {
    const failure = new PledgedError('LOG_UNWRITABLE', 'the disk is full')
    let broken = false
    const coordinator = await bench.current.start((complete) =>
      queueMicrotask(() => complete(broken ? failure : undefined)),
    )
    broken = true
    const { transaction } = await coordinator.execute(request())
    expect(transaction.outcome).toBe('unknown')
    await expect(coordinator.execute(request())).rejects.toMatchObject({ code: 'LOG_UNWRITABLE' })
    expect(coordinator.refusal()?.message).toContain('the disk is full')
    expect(bench.current.left.committed).toEqual([])
  })

  it('drains: refuses what is new, finishes what is in flight', async () => {
    const { right } = bench.current
    const coordinator = await bench.current.start()
    const { promise: hang, resolve: release } = Promise.withResolvers<Vote>()
    right.nextVote = () => hang
    const answer = coordinator.execute(request({ waitFor: 'decision' }))
    await expect.poll(() => coordinator.status().inFlight).toBe(1)
    const drained = coordinator.drain(60_000)
    await expect.poll(() => coordinator.refusal()?.code).toBe('DRAINING')
    await expect(coordinator.execute(request())).rejects.toMatchObject({ code: 'DRAINING' })
    release(vote.yes())
    expect((await answer).transaction.outcome).toBe('committed')
    expect(await drained).toEqual({ undelivered: 0, aborted: 0 })
  })

  it('drains: aborts what does not finish, and reports what is undelivered', async () => {
    const { left, right } = bench.current
    const coordinator = await bench.current.start()
    left.nextResult = 'unknown'
    await coordinator.execute(request({ waitFor: 'decision' }))
    right.nextVote = () => new Promise(() => {})
    const answer = coordinator.execute(request({ waitFor: 'decision' }))
    await expect.poll(() => coordinator.status().inFlight).toBe(1)
    const report = await coordinator.drain(200)
    expect((await answer).transaction.abortCause).toBe('drain')
    expect(report.undelivered).toBeGreaterThanOrEqual(1)
    expect(report.aborted).toBe(1)
  })

  it('lists what is unfinished, then what has ended, in pages', async () => {
    const { left } = bench.current
    const coordinator = await bench.current.start()
    const ended: string[] = []
    for (let index = 0; index < 5; index += 1) {
      ended.unshift((await coordinator.execute(request())).transaction.xid)
    }
    left.nextResult = 'unknown'
    const { transaction } = await coordinator.execute(request({ waitFor: 'decision' }))
    const query = { pageSize: 2, states: [], includeEnded: true }
    const listed: string[] = []
    let pageToken = ''
    do {
      const page = await coordinator.listTransactions({ ...query, pageToken })
      listed.push(...page.transactions.map(({ xid }) => xid))
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    expect(listed).toEqual([transaction.xid, ...ended])
    const inDoubt = await coordinator.listTransactions({
      pageSize: 9,
      pageToken: '',
      states: [],
      inDoubt: true,
    })
    expect(inDoubt.transactions.map(({ xid }) => xid)).toEqual([transaction.xid])
    await expect(coordinator.listTransactions({ ...query, pageToken: 'x' })).rejects.toThrow(/page_token/)
  })
})
