/** What operators do, through the whole coordinator: its core, its log, its recovery, over participants that are real. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OperatorRequest } from '../protocol/operators/index.ts'
import type { Coordinator } from './coordinator.ts'
import { Bench, request } from './testing/bench.ts'

let bench: Bench
let coordinator: Coordinator

beforeEach(async () => {
  bench = new Bench()
  coordinator = await bench.start()
})
afterEach(() => bench.coordinator?.stop())

const FOREIGN = '0000aaaabbbb.3-zzzz.7'

function operate(order: OperatorRequest, dryRun = false): Promise<readonly string[]> {
  return coordinator.operate({ who: 'ops', why: 'it is late', dryRun, request: order })
}

/** Its xid, once `right` has answered its commit with `broken`. */
async function breakPledge(): Promise<string> {
  bench.right.nextResult = 'broken'
  const { transaction } = await coordinator.execute(request())
  expect(transaction.heuristic).toBe(true)
  bench.right.nextResult = undefined
  return transaction.xid
}

function heuristics() {
  return coordinator.listTransactions({ pageSize: 10, pageToken: '', states: [], heuristic: true })
}

async function restart(): Promise<void> {
  await coordinator.stop()
  coordinator = await bench.start()
}

describe('a broken pledge', () => {
  it('is listed after its transaction has ended, page by page, until it is acknowledged', async () => {
    const xids = [await breakPledge(), await breakPledge(), await breakPledge()]
    await expect.poll(() => coordinator.status().inDoubt).toBe(0)
    expect((await heuristics()).transactions.map(({ xid }) => xid)).toEqual(xids)
    const listed: string[] = []
    for (let pageToken = '', first = true; first || pageToken !== ''; first = false) {
      const page = await coordinator.listTransactions({ pageSize: 2, pageToken, states: [], heuristic: true })
      listed.push(...page.transactions.map(({ xid }) => xid))
      pageToken = page.nextPageToken
    }
    expect(listed).toEqual(xids)
    await operate({ action: 'acknowledge_transaction', xid: xids[1] ?? '' })
    expect(coordinator.status().heuristics).toBe(2)
    await restart()
    expect((await heuristics()).transactions.map(({ xid }) => xid)).toEqual([xids[0], xids[2]])
    expect(coordinator.audit()).toMatchObject([
      { action: 'acknowledge_transaction', subject: xids[1], who: 'ops', why: 'it is late' },
    ])
  })

  it('is told its decision again when a person asks for it', async () => {
    const xid = await breakPledge()
    bench.right.prepared.add(xid)
    await operate({ action: 'retry_transaction', xid })
    await expect.poll(() => bench.right.committed).toContain(xid)
    const kept = async () =>
      (await heuristics()).transactions[0]?.timeline.map(({ message }) => message).join()
    await expect.poll(kept).toMatch(/told again, it has ended as decided/)
  })
})

describe('a participant that is gone for ever', () => {
  it('is waited for no longer, after a restart as well', async () => {
    bench.right.nextResult = 'unknown'
    const { transaction } = await coordinator.execute(request({ waitFor: 'decision' }))
    const order = { action: 'forget_branch', xid: transaction.xid, participant: 'right' } as const
    await expect.poll(() => bench.left.committed.length).toBe(1)
    // It is there, and has nothing: its answer will never come.
    bench.right.prepared.clear()
    expect(await operate(order, true)).toHaveLength(3)
    expect(coordinator.status().inDoubt).toBe(1)
    await operate(order)
    await expect.poll(() => coordinator.status().inDoubt).toBe(0)
    await restart()
    expect(coordinator.status().inDoubt).toBe(0)
    const { transaction: kept } = await coordinator.get({
      caller: 'ops',
      xid: transaction.xid,
      anyOwner: true,
    })
    expect(kept.branches.map(({ state }) => state)).toEqual(['committed', 'forgotten'])
  })
})

describe('a pause', () => {
  it('keeps new work away until the participant is resumed, and outlives a restart', async () => {
    await operate({ action: 'pause_participant', participant: 'right' })
    const refused = await coordinator.execute(request())
    expect(refused.transaction).toMatchObject({ outcome: 'aborted', retryable: true })
    await restart()
    const right = () => coordinator.status().participants.find(({ name }) => name === 'right')
    await expect.poll(() => right()?.state).toBe('paused')
    expect(right()?.pause).toMatchObject({ who: 'ops', why: 'it is late' })
    await operate({ action: 'resume_participant', participant: 'right' })
    await expect.poll(() => right()?.state).toBe('settled')
    expect((await coordinator.execute(request())).transaction.outcome).toBe('committed')
    expect(coordinator.audit().map(({ action }) => action)).toEqual([
      'pause_participant',
      'resume_participant',
    ])
  })
})

describe('compareBranches', () => {
  it('tells matched, foreign and missing branches apart', async () => {
    bench.right.nextResult = 'unknown'
    const { transaction } = await coordinator.execute(request({ waitFor: 'decision' }))
    bench.left.prepared.add(FOREIGN)
    bench.right.prepared.clear()
    bench.left.seen.set(FOREIGN, Date.now())
    const { branches, unscanned } = await coordinator.compareBranches([])
    expect(unscanned).toEqual([])
    expect(branches.map(({ participant, xid, match }) => ({ participant, xid, match }))).toEqual([
      { participant: 'left', xid: FOREIGN, match: 'foreign_living' },
      { participant: 'right', xid: transaction.xid, match: 'missing' },
    ])
    bench.left.seen.clear()
    bench.right.prepared.add(transaction.xid)
    const again = await coordinator.compareBranches([])
    expect(again.branches.map(({ match }) => match)).toEqual(['foreign_dead', 'matched'])
  })

  it('names those that could not be asked', async () => {
    await operate({ action: 'pause_participant', participant: 'right' })
    const { unscanned } = await coordinator.compareBranches([])
    expect(unscanned).toEqual([{ participant: 'right', message: 'it is paused' }])
    await expect(coordinator.compareBranches(['nobody'])).rejects.toMatchObject({
      code: 'PARTICIPANT_NOT_FOUND',
    })
  })
})
