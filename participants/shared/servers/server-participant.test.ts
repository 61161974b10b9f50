import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type CoordinatorIdentity,
  type HeldPage,
  type Participant,
  PledgedError,
  type Verb,
  type Vote,
  vote,
  type Xid,
} from '../../../src/sdk/participant/index.ts'
import { bytes, XID_OF_OTHER_LOG, xid } from '../../testing/kit.ts'
import { MalformedWork } from '../refusal.ts'
import type { BranchStore, PledgeRequest, WitnessOutcome } from './branch-store.ts'
import { DatabaseFailure, type Effect } from './database-failure.ts'
import { defaultServerLimits, type ServerLimits } from './limits.ts'
import { createServerParticipant } from './server-participant.ts'

type Answer<T> = T | DatabaseFailure

/** Answers what the test says, in the order it says it, and writes down what it was asked. */
class ScriptedStore implements BranchStore {
  readonly asked: string[] = []
  ends: Answer<'ended' | 'not_prepared'> = 'ended'
  prepared: Answer<boolean> = false
  witnessed: Answer<WitnessOutcome | undefined> = undefined
  barred: Answer<'inserted' | 'exists'> = 'inserted'
  keptEpoch: string | undefined
  listed: readonly string[] = []
  max = 100
  onPledge: (request: PledgeRequest) => Promise<Vote> = async () => vote.yes()

  async open(): Promise<{ readonly resourceId: string }> {
    return { resourceId: 'scripted/1' }
  }

  async branchesMax(own: number): Promise<number> {
    this.asked.push(`branchesMax ${own}`)
    return this.max
  }

  async raiseEpoch({ epoch }: CoordinatorIdentity): Promise<string | undefined> {
    const known = this.keptEpoch
    this.keptEpoch ??= epoch
    return known
  }

  pledge(request: PledgeRequest): Promise<Vote> {
    return this.onPledge(request)
  }

  async end(verb: Verb, id: Xid): Promise<'ended' | 'not_prepared'> {
    return this.#answer(verb, id, this.ends)
  }

  async isPrepared(id: Xid): Promise<boolean> {
    return this.#answer('isPrepared', id, this.prepared)
  }

  async witness(id: Xid): Promise<WitnessOutcome | undefined> {
    return this.#answer('witness', id, this.witnessed)
  }

  async insertAborted(id: Xid): Promise<'inserted' | 'exists'> {
    return this.#answer('insertAborted', id, this.barred)
  }

  async removeWitnesses(xids: readonly Xid[]): Promise<void> {
    this.asked.push(`removeWitnesses ${xids.length}`)
  }

  async list(pageSize: number, pageToken: string): Promise<HeldPage> {
    const after = this.listed.filter((id) => id > pageToken)
    const branches = after.slice(0, pageSize).map((id) => ({ xid: id, prepareTimeMs: 1, logSeenTimeMs: 2 }))
    return { branches, nextPageToken: after.length > pageSize ? (branches.at(-1)?.xid ?? '') : '' }
  }

  async close(): Promise<void> {
    this.asked.push('close')
  }

  #answer<T>(question: string, id: Xid, answer: Answer<T>): T {
    expect(id).toBe(xid(1))
    this.asked.push(question)
    if (answer instanceof DatabaseFailure) throw answer
    return answer
  }
}

const failure = (effect: Effect, retryable = true): DatabaseFailure =>
  new DatabaseFailure('X', 'by order of the test', { effect, retryable, connectionLost: false })

async function open(
  script: Partial<ScriptedStore> = {},
  limits: Partial<ServerLimits> = {},
): Promise<{ store: ScriptedStore; participant: Participant }> {
  const store = Object.assign(new ScriptedStore(), script)
  const participant = createServerParticipant({
    kind: 'scripted',
    store,
    decode: (work) => {
      if (work.length === 0) throw new MalformedWork('it is empty')
      return { statements: [] }
    },
    limits: { ...defaultServerLimits, ...limits },
  })
  onTestFinished(() => participant.close())
  await participant.describe()
  store.asked.length = 0
  return { store, participant }
}

function prepare(
  participant: Participant,
  id: Xid,
  options: {
    readonly work?: string
    readonly timeoutMs?: number
    readonly onePhase?: boolean
    readonly signal?: AbortSignal
  } = {},
): Promise<Vote> {
  const { work = 'x', timeoutMs = 60_000, onePhase = false, signal = new AbortController().signal } = options
  return participant.prepare({ xid: id, work: bytes(work), timeoutMs, onePhase, signal })
}

const COMMITTED = 'witness_committed'
const ABORTED = 'witness_aborted'

describe('commit (R3)', () => {
  it.each<[Partial<ScriptedStore>, string, string, string]>([
    [{}, 'commit', 'done', COMMITTED],
    [{ ends: failure('unknown') }, 'commit', 'unknown', 'none'],
    [{ ends: failure('not_done') }, 'commit', 'unknown', 'none'],
    [
      { ends: 'not_prepared', prepared: true, witnessed: 'committed' },
      'commit isPrepared',
      'unknown',
      'none',
    ],
    [
      { ends: 'not_prepared', prepared: failure('not_done'), witnessed: 'committed' },
      'commit isPrepared',
      'unknown',
      'none',
    ],
    [{ ends: 'not_prepared', witnessed: 'committed' }, 'commit isPrepared witness', 'done_before', COMMITTED],
    [{ ends: 'not_prepared', witnessed: 'aborted' }, 'commit isPrepared witness', 'broken', ABORTED],
    [{ ends: 'not_prepared' }, 'commit isPrepared witness', 'broken', 'no_witness'],
    [{ ends: 'not_prepared', witnessed: failure('unknown') }, 'commit isPrepared witness', 'unknown', 'none'],
    [
      { ends: failure('done'), witnessed: 'committed' },
      'commit isPrepared witness',
      'done_before',
      COMMITTED,
    ],
    [{ ends: failure('done'), prepared: true }, 'commit isPrepared', 'unknown', 'none'],
  ])('%o: asks %s, answers %s, %s', async (script, asked, result, evidence) => {
    const { store, participant } = await open(script)
    expect(await participant.commit(xid(1))).toMatchObject({ result, evidence })
    expect(store.asked.join(' ')).toBe(asked)
  })
})

describe('abort (R3, R4)', () => {
  const LOOKED = 'abort isPrepared insertAborted'
  it.each<[Partial<ScriptedStore>, string, string, string]>([
    [{}, 'abort insertAborted', 'done', ABORTED],
    // What was rolled back is rolled back, whether or not the bar could be put.
    [{ barred: failure('unknown') }, 'abort insertAborted', 'done', 'none'],
    [{ ends: failure('unknown') }, 'abort', 'unknown', 'none'],
    [{ ends: 'not_prepared', prepared: true }, 'abort isPrepared', 'unknown', 'none'],
    [{ ends: 'not_prepared' }, LOOKED, 'done', ABORTED],
    [{ ends: 'not_prepared', barred: failure('not_done') }, LOOKED, 'unknown', 'none'],
    [
      { ends: 'not_prepared', barred: 'exists', witnessed: 'aborted' },
      `${LOOKED} witness`,
      'done_before',
      ABORTED,
    ],
    [
      { ends: 'not_prepared', barred: 'exists', witnessed: 'committed' },
      `${LOOKED} witness`,
      'broken',
      COMMITTED,
    ],
    [{ ends: 'not_prepared', barred: 'exists' }, `${LOOKED} witness`, 'unknown', 'none'],
    [
      { ends: failure('done'), barred: 'exists', witnessed: 'aborted' },
      `${LOOKED} witness`,
      'done_before',
      ABORTED,
    ],
  ])('%o: asks %s, answers %s, %s', async (script, asked, result, evidence) => {
    const { store, participant } = await open(script)
    expect(await participant.abort(xid(1))).toMatchObject({ result, evidence })
    expect(store.asked.join(' ')).toBe(asked)
  })
})

describe('evidence (R4)', () => {
  it.each<[Partial<ScriptedStore>, string]>([
    [{ prepared: true, witnessed: 'committed' }, 'no_witness'],
    [{ witnessed: 'committed' }, COMMITTED],
    [{ witnessed: 'aborted' }, ABORTED],
    [{}, 'no_witness'],
  ])('%o: %s', async (script, evidence) => {
    const { participant } = await open(script)
    expect(await participant.evidence?.(xid(1))).toBe(evidence)
  })

  it('is none at all where the look failed', async () => {
    const { participant } = await open({ witnessed: failure('not_done') })
    await expect(participant.evidence?.(xid(1))).rejects.toThrow('by order of the test')
  })
})

describe('votes', () => {
  it('are no, with the reason and whether it may be tried again, where the store fails', async () => {
    const { participant } = await open({ onPledge: () => Promise.reject(failure('unknown', false)) })
    expect(await prepare(participant, xid(1))).toEqual({
      vote: 'no',
      message: 'by order of the test',
      retryable: false,
    })
    expect(await prepare(participant, xid(1), { work: '' })).toMatchObject({
      vote: 'no',
      message: 'malformed work: it is empty',
    })
  })

  it('are none where a commit of one phase may have happened (R17)', async () => {
    const { store, participant } = await open({ onPledge: () => Promise.reject(failure('unknown')) })
    await expect(prepare(participant, xid(1), { onePhase: true })).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    })
    store.onPledge = () => Promise.reject(failure('not_done'))
    expect(await prepare(participant, xid(1), { onePhase: true })).toMatchObject({ vote: 'no' })
  })

  it('are the same again for the same work while it is held', async () => {
    const { participant } = await open()
    expect(await prepare(participant, xid(1))).toEqual({ vote: 'yes' })
    expect(await prepare(participant, xid(1))).toEqual({ vote: 'yes' })
    expect(await prepare(participant, xid(1), { work: 'other' })).toMatchObject({
      vote: 'no',
      retryable: false,
    })
  })
})

describe('admission', () => {
  it('lets a prepare wait for a place until its time is up, its signal fires, or a branch ends', async () => {
    const { participant } = await open({ max: 1 })
    expect(await prepare(participant, xid(1))).toEqual({ vote: 'yes' })
    expect(await prepare(participant, xid(2), { timeoutMs: 5 })).toMatchObject({
      vote: 'no',
      retryable: true,
    })
    const abort = new AbortController()
    const givenUp = prepare(participant, xid(3), { signal: abort.signal })
    const waiting = prepare(participant, xid(4))
    abort.abort()
    expect(await givenUp).toMatchObject({ vote: 'no', retryable: true })
    expect(await prepare(participant, xid(5), { signal: abort.signal })).toMatchObject({ vote: 'no' })
    await participant.commit(xid(1))
    expect(await waiting).toEqual({ vote: 'yes' })
  })

  it('keeps the place of a branch whose end is unknown, and gives back that of a no and of a read-only', async () => {
    const { store, participant } = await open({ max: 1, ends: failure('unknown') })
    for (const given of [vote.no('x'), vote.readOnly(), vote.yes()]) {
      store.onPledge = async () => given
      expect(await prepare(participant, xid(1))).toEqual(given)
    }
    await participant.commit(xid(1))
    expect(await prepare(participant, xid(2), { timeoutMs: 1 })).toMatchObject({ vote: 'no' })
    store.ends = 'ended'
    await participant.commit(xid(1))
    await participant.commit(xid(1))
    expect(await prepare(participant, xid(2))).toEqual({ vote: 'yes' })
    expect(await prepare(participant, xid(3), { timeoutMs: 1 })).toMatchObject({ vote: 'no' })
  })

  it('measures the room at each scan, and finds there what was ended by hand', async () => {
    const { store, participant } = await open({ max: 1, listed: [xid(1)] })
    await prepare(participant, xid(1))
    await participant.listPrepared(10, '')
    expect(store.asked).toEqual(['branchesMax 1'])
    expect(await prepare(participant, xid(2), { timeoutMs: 1 })).toMatchObject({ vote: 'no' })
    const waiting = prepare(participant, xid(3))
    store.max = 2
    await participant.listPrepared(10, '')
    expect(await waiting).toEqual({ vote: 'yes' })
    store.listed = [xid(3)]
    await participant.listPrepared(10, '')
    expect(await prepare(participant, xid(4), { timeoutMs: 1 })).toEqual({ vote: 'yes' })
  })

  it('does not take what was prepared during a scan for ended', async () => {
    const { store, participant } = await open({ max: 2, listed: [xid(1), xid(2)] })
    const first = await participant.listPrepared(1, '')
    await prepare(participant, xid(5))
    await participant.listPrepared(1, first.nextPageToken)
    store.max = 1
    expect(await prepare(participant, xid(6))).toEqual({ vote: 'yes' })
    expect(await prepare(participant, xid(7), { timeoutMs: 1 })).toMatchObject({ vote: 'no' })
  })
})

describe('scans', () => {
  it('go on where they were, and refuse a page token that was not given out', async () => {
    const { participant } = await open({ listed: [xid(1), xid(2), xid(3)] })
    const first = await participant.listPrepared(2, '')
    expect(first.branches.map((branch) => branch.xid)).toEqual([xid(1), xid(2)])
    const second = await participant.listPrepared(2, first.nextPageToken)
    expect(second).toMatchObject({ branches: [{ xid: xid(3) }], nextPageToken: '' })
    await expect(participant.listPrepared(2, 'garbage')).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  })

  it('say of other logs only when they were seen', async () => {
    const { participant } = await open({ listed: [xid(1), XID_OF_OTHER_LOG] })
    await participant.admit?.({ logId: 'k3f9qa7m2xw4', epoch: '7-q3f9' } as CoordinatorIdentity)
    const { branches } = await participant.listPrepared(10, '')
    expect(branches.map((branch) => branch.logSeenTimeMs)).toEqual([undefined, 2])
  })
})

describe('epochs (R11)', () => {
  const identity = (epoch: string) => ({ logId: 'k3f9qa7m2xw4', epoch }) as CoordinatorIdentity

  it.each([
    ['8-aaaa', false],
    ['7-aaaa', true],
    ['6-aaaa', false],
    ['10-aaaa', false],
    ['no epoch', false],
  ])('7-aaaa where %s is kept: admitted %s', async (kept, admitted) => {
    const { participant } = await open({ keptEpoch: kept })
    const admission = Promise.resolve(participant.admit?.(identity('7-aaaa'))).then(
      () => true,
      (error: unknown) => error,
    )
    expect(await admission).toEqual(
      admitted || kept === '6-aaaa' ? true : expect.objectContaining({ code: 'EPOCH_SUPERSEDED' }),
    )
  })

  it('are looked at again at each scan', async () => {
    const { store, participant } = await open()
    await participant.admit?.(identity('7-aaaa'))
    await participant.listPrepared(10, '')
    store.keptEpoch = '8-bbbb'
    await expect(participant.listPrepared(10, '')).rejects.toBeInstanceOf(PledgedError)
  })
})

describe('forgetting (R5)', () => {
  it('removes many witnesses by one statement, and what waits when it closes', async () => {
    const { store, participant } = await open({}, { forgetDelayMs: 600_000, forgetBatchMax: 3 })
    await Promise.all([1, 2, 3].map(async (sequence) => participant.forget?.(xid(sequence))))
    const last = participant.forget?.(xid(4))
    await participant.close()
    await last
    expect(store.asked).toEqual(['removeWitnesses 3', 'removeWitnesses 1', 'close'])
  })
})
