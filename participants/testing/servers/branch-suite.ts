/** What every participant over a database server has to keep, run against each of them on a real server. */
import { describe, expect, it, onTestFinished } from 'vitest'
import type { CoordinatorIdentity, Participant, Vote, Xid } from '../../../src/sdk/participant/index.ts'
import { bytes, closing } from '../kit.ts'
import { freshLog } from './fresh-log.ts'

export interface ServerSubject {
  /** The URL of a new database with what the works need in it. */
  seeded(): Promise<string>
  open(url: string, options?: { readonly name?: string }): Participant
  /** Both may be applied, in any order and side by side. */
  readonly first: string
  readonly second: string
  /** Changes what `first` has changed, and so waits for it. */
  readonly conflicting: string
  /** Changes nothing. */
  readonly reading: string
  /** The database refuses it: a key that is there already. */
  readonly refused: string
  /** How many of `first` and `second` have been applied. */
  applied(url: string): Promise<number>
  /** What a person does at the database's own console. */
  endByHand(url: string, verb: 'commit' | 'abort', xid: Xid, branch: string): Promise<void>
}

const YES: Vote = { vote: 'yes' }
const LEDGER = 'ledger'

interface Opened {
  readonly participant: Participant
  readonly url: string
  /** Of a log of its own: the server may hold branches of other tests, in other databases. */
  readonly xid: (sequence: number) => Xid
  readonly log: CoordinatorIdentity
}

interface Bench {
  readonly subject: ServerSubject
  readonly opened: (url?: string) => Promise<Opened>
  readonly prepare: (participant: Participant, id: Xid, options?: PrepareOptions) => Promise<Vote>
  readonly heldBy: (participant: Participant) => Promise<readonly string[]>
}

interface PrepareOptions {
  readonly work?: string
  readonly timeoutMs?: number
  readonly onePhase?: boolean
  readonly signal?: AbortSignal
}

export function describeServerBranches(subject: ServerSubject): void {
  const bench = benchOf(subject)
  describe('endings (R3, R4)', () => {
    describeEndings(bench)
  })
  describe('repeated and late prepares (R4)', () => {
    describeLatePrepares(bench)
  })
  describe('endings by hand (R4)', () => {
    describeHands(bench)
  })
  describe('one phase (R17)', () => {
    describeOnePhase(bench)
  })
  describe('witnesses (R5)', () => {
    describeWitnesses(bench)
  })
  describe('epochs (R11)', () => {
    describeEpochs(bench)
  })
  describe('scans', () => {
    describeScans(bench)
  })
  describe('votes', () => {
    describeVotes(bench)
  })
}

function benchOf(subject: ServerSubject): Bench {
  return {
    subject,
    opened: async (given) => {
      const url = given ?? (await subject.seeded())
      const participant = closing(subject.open(url))
      await participant.describe()
      const { xid, identity: log } = freshLog()
      return { participant, url, xid, log }
    },
    prepare: (participant, id, options = {}) =>
      participant.prepare({
        xid: id,
        work: bytes(options.work ?? subject.first),
        timeoutMs: options.timeoutMs ?? 20_000,
        onePhase: options.onePhase ?? false,
        signal: options.signal ?? new AbortController().signal,
      }),
    heldBy: async (participant) =>
      (await participant.listPrepared(100, '')).branches.map((branch) => branch.xid),
  }
}

function describeEndings({ opened, prepare, heldBy, subject }: Bench): void {
  it('commits what is prepared, once', async () => {
    const { participant, url, xid } = await opened()
    expect(await prepare(participant, xid(1))).toEqual(YES)
    expect(await subject.applied(url)).toBe(0)
    expect(await heldBy(participant)).toEqual([xid(1)])
    const committed = { evidence: 'witness_committed' }
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'done', ...committed })
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'done_before', ...committed })
    expect(await participant.evidence?.(xid(1))).toBe('witness_committed')
    expect(await subject.applied(url)).toBe(1)
    expect(await heldBy(participant)).toEqual([])
  })

  it('aborts what is prepared, and says so again', async () => {
    const { participant, url, xid } = await opened()
    await prepare(participant, xid(1))
    const aborted = { evidence: 'witness_aborted' }
    expect(await participant.abort(xid(1))).toMatchObject({ result: 'done', ...aborted })
    expect(await participant.abort(xid(1))).toMatchObject({ result: 'done_before', ...aborted })
    expect(await subject.applied(url)).toBe(0)
    expect(await heldBy(participant)).toEqual([])
  })

  it('says broken where a branch ended the other way', async () => {
    const { participant, xid } = await opened()
    await prepare(participant, xid(1))
    await participant.commit(xid(1))
    expect(await participant.abort(xid(1))).toMatchObject({ result: 'broken', evidence: 'witness_committed' })
    await participant.abort(xid(2))
    expect(await participant.commit(xid(2))).toMatchObject({ result: 'broken', evidence: 'witness_aborted' })
  })

  it('says broken, not done, to the commit of what was never prepared or is forgotten', async () => {
    const { participant, xid } = await opened()
    const lost = { result: 'broken', evidence: 'no_witness' }
    expect(await participant.commit(xid(1))).toMatchObject(lost)
    await prepare(participant, xid(2))
    await participant.commit(xid(2))
    await participant.forget?.(xid(2))
    expect(await participant.commit(xid(2))).toMatchObject(lost)
  })

  it('ends, in another process, what this one prepared', async () => {
    const { participant, url, xid } = await opened()
    await prepare(participant, xid(1))
    await prepare(participant, xid(2), { work: subject.second })
    await participant.close()
    const { participant: next } = await opened(url)
    expect(await heldBy(next)).toEqual([xid(1), xid(2)])
    expect(await next.commit(xid(1))).toMatchObject({ result: 'done' })
    expect(await next.abort(xid(2))).toMatchObject({ result: 'done' })
    expect(await subject.applied(url)).toBe(1)
  })
}

function describeLatePrepares({ opened, prepare, heldBy, subject }: Bench): void {
  it('votes no to a prepare that comes after its abort, and after its commit', async () => {
    const { participant, url, xid } = await opened()
    expect(await participant.abort(xid(1))).toMatchObject({ result: 'done', evidence: 'witness_aborted' })
    expect(await prepare(participant, xid(1))).toMatchObject({ vote: 'no', retryable: false })
    await prepare(participant, xid(2))
    await participant.commit(xid(2))
    expect(await prepare(participant, xid(2), { work: subject.second })).toMatchObject({ vote: 'no' })
    await prepare(participant, xid(3), { work: subject.second })
    await participant.abort(xid(3))
    expect(await prepare(participant, xid(3), { work: subject.second })).toMatchObject({ vote: 'no' })
    expect(await heldBy(participant)).toEqual([])
    expect(await subject.applied(url)).toBe(1)
  })

  it('answers a repeated prepare with the same vote, and refuses other work under the same xid', async () => {
    const { participant, xid } = await opened()
    await prepare(participant, xid(1))
    expect(await prepare(participant, xid(1))).toEqual(YES)
    expect(await prepare(participant, xid(1), { work: subject.second })).toMatchObject({ vote: 'no' })
    expect(await heldBy(participant)).toEqual([xid(1)])
  })

  it('leaves nothing prepared where prepare and abort race', async () => {
    const { participant, url, xid } = await opened()
    const rounds = Array.from({ length: 30 }, (_, index) => xid(100 + index))
    const other = closing(subject.open(url))
    await other.describe()
    await Promise.all(
      rounds.map(async (id) => {
        const work = id === rounds[0] ? subject.first : subject.second
        const [voted] = await Promise.all([
          prepare(participant, id, { work, timeoutMs: 5_000 }),
          other.abort(id),
        ])
        // What is asked again until it is acknowledged.
        await expect.poll(async () => (await other.abort(id)).result, { timeout: 30_000 }).toMatch(/^done/)
        expect(['yes', 'no']).toContain(voted.vote)
      }),
    )
    expect(await heldBy(participant)).toEqual([])
    expect(await subject.applied(url)).toBe(0)
  })
}

function describeHands({ opened, prepare, subject }: Bench): void {
  it('finds broken what was ended by hand the other way, and done what was ended the same way', async () => {
    const { participant, url, xid } = await opened()
    await prepare(participant, xid(1))
    await prepare(participant, xid(2), { work: subject.second })
    await participant.close()
    await subject.endByHand(url, 'abort', xid(1), LEDGER)
    await subject.endByHand(url, 'commit', xid(2), LEDGER)
    const { participant: next } = await opened(url)
    expect(await next.commit(xid(1))).toMatchObject({
      result: 'broken',
      evidence: 'no_witness',
      message: expect.stringContaining('rolled back by hand') as string,
    })
    expect(await next.commit(xid(2))).toMatchObject({ result: 'done_before', evidence: 'witness_committed' })
    expect(await next.abort(xid(2))).toMatchObject({ result: 'broken', evidence: 'witness_committed' })
  })

  it('finds done what was rolled back by hand and is to be aborted', async () => {
    const { participant, url, xid } = await opened()
    await prepare(participant, xid(1))
    await participant.close()
    await subject.endByHand(url, 'abort', xid(1), LEDGER)
    const { participant: next } = await opened(url)
    expect(await next.abort(xid(1))).toMatchObject({ result: 'done', evidence: 'witness_aborted' })
  })
}

function describeOnePhase({ opened, prepare, heldBy, subject }: Bench): void {
  it('commits at once, with its witness', async () => {
    const { participant, url, xid } = await opened()
    expect(await prepare(participant, xid(1), { onePhase: true })).toEqual({ vote: 'committed' })
    expect(await subject.applied(url)).toBe(1)
    expect(await heldBy(participant)).toEqual([])
    // How a lost answer is resolved: the bar can't be put.
    expect(await participant.abort(xid(1))).toMatchObject({ result: 'broken', evidence: 'witness_committed' })
    expect(await prepare(participant, xid(1), { onePhase: true, work: subject.second })).toMatchObject({
      vote: 'no',
    })
    expect(await prepare(participant, xid(2), { onePhase: true, work: subject.refused })).toMatchObject({
      vote: 'no',
    })
    expect(await participant.abort(xid(2))).toMatchObject({ result: 'done', evidence: 'witness_aborted' })
    expect(await subject.applied(url)).toBe(1)
  })
}

function describeWitnesses({ opened, prepare, heldBy, subject }: Bench): void {
  it('answers what it knows of an xid', async () => {
    const { participant, xid } = await opened()
    expect(await participant.evidence?.(xid(1))).toBe('no_witness')
    await prepare(participant, xid(1))
    expect(await participant.evidence?.(xid(1))).toBe('no_witness')
    await participant.commit(xid(1))
    expect(await participant.evidence?.(xid(1))).toBe('witness_committed')
    await participant.abort(xid(2))
    expect(await participant.evidence?.(xid(2))).toBe('witness_aborted')
  })

  it('forgets exactly the xid it is told, and never one that is prepared', async () => {
    const { participant, url, xid } = await opened()
    await Promise.all([participant.abort(xid(1)), participant.abort(xid(11))])
    await prepare(participant, xid(12))
    await Promise.all([
      participant.forget?.(xid(1)),
      participant.forget?.(xid(12)),
      participant.forget?.(xid(99)),
    ])
    expect(await participant.evidence?.(xid(1))).toBe('no_witness')
    expect(await participant.evidence?.(xid(11))).toBe('witness_aborted')
    expect(await heldBy(participant)).toEqual([xid(12)])
    expect(await participant.commit(xid(12))).toMatchObject({ result: 'done' })
    expect(await subject.applied(url)).toBe(1)
  })

  it('keeps those of two participants in one database apart', async () => {
    const { participant, url, xid } = await opened()
    const other = closing(subject.open(url, { name: 'other' }))
    await other.describe()
    await prepare(participant, xid(1))
    expect(await prepare(other, xid(1), { work: subject.second })).toEqual(YES)
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
    expect(await heldBy(other)).toEqual([xid(1)])
    expect(await other.evidence?.(xid(1))).toBe('no_witness')
    expect(await other.abort(xid(1))).toMatchObject({ result: 'done', evidence: 'witness_aborted' })
    expect(await participant.evidence?.(xid(1))).toBe('witness_committed')
    expect(await subject.applied(url)).toBe(1)
  })
}

function describeEpochs({ opened }: Bench): void {
  it('refuses an older epoch, and another of the same number, and keeps what it knew', async () => {
    const { participant, url, log } = await opened()
    const epoch = (text: string): CoordinatorIdentity => ({
      ...log,
      epoch: text as CoordinatorIdentity['epoch'],
    })
    await participant.admit?.(log)
    await participant.admit?.(log)
    await participant.admit?.(epoch('10-aaaa'))
    const { participant: next } = await opened(url)
    for (const old of ['7-q3f9', '9-zzzz', '10-bbbb']) {
      await expect(next.admit?.(epoch(old))).rejects.toMatchObject({ code: 'EPOCH_SUPERSEDED' })
    }
    await next.admit?.(epoch('10-aaaa'))
    await next.admit?.(freshLog().identity)
    await next.admit?.(epoch('11-cccc'))
    // Its log was opened anew meanwhile: at its next scan it finds out.
    await participant.admit?.(epoch('11-cccc'))
    await next.admit?.(epoch('12-dddd'))
    await expect(participant.listPrepared(10, '')).rejects.toMatchObject({ code: 'EPOCH_SUPERSEDED' })
  })
}

function describeScans({ opened, prepare, heldBy, subject }: Bench): void {
  it('lists every held branch once, in pages, with what it costs and when its log was seen', async () => {
    const { participant, xid, log } = await opened()
    const other = freshLog()
    const before = Date.now()
    await participant.admit?.(other.identity)
    await participant.admit?.(log)
    await prepare(participant, xid(1))
    await prepare(participant, xid(2), { work: subject.second })
    await prepare(participant, other.xid(1), { work: subject.second })
    const listed = []
    for (let token = ''; ; ) {
      const page = await participant.listPrepared(1, token)
      listed.push(...page.branches)
      token = page.nextPageToken
      if (token === '') break
    }
    expect(listed.map((branch) => branch.xid)).toEqual([xid(1), xid(2), other.xid(1)].sort())
    // The clocks of two machines differ a little.
    for (const { prepareTimeMs } of listed) expect(Math.abs(prepareTimeMs - before)).toBeLessThan(60_000)
    for (const { cost } of listed) expect(cost).toMatch(/lock/)
    const seen = new Map(listed.map((branch) => [branch.xid, branch.logSeenTimeMs]))
    expect(seen.get(xid(1))).toBeUndefined()
    expect(Math.abs((seen.get(other.xid(1)) ?? 0) - before)).toBeLessThan(60_000)
    expect(await heldBy(participant)).toHaveLength(3)
  })
}

function describeVotes({ opened, prepare, heldBy, subject }: Bench): void {
  it('votes no before it was described, and after it was closed', async () => {
    const url = await subject.seeded()
    const { xid } = freshLog()
    const participant = subject.open(url)
    onTestFinished(() => participant.close())
    expect(await prepare(participant, xid(1))).toMatchObject({ vote: 'no', retryable: true })
    await participant.describe()
    await participant.close()
    expect(await prepare(participant, xid(1))).toMatchObject({ vote: 'no', retryable: true })
  })

  it('votes read-only where nothing was changed, and no where the database refuses', async () => {
    const { participant, url, xid } = await opened()
    expect(await prepare(participant, xid(1), { work: subject.reading })).toEqual({ vote: 'read_only' })
    expect(await prepare(participant, xid(2), { work: subject.refused })).toMatchObject({
      vote: 'no',
      retryable: false,
    })
    expect(await prepare(participant, xid(3), { work: '{}' })).toMatchObject({
      vote: 'no',
      message: expect.stringMatching(/^malformed work: /) as string,
    })
    expect(await heldBy(participant)).toEqual([])
    expect(await subject.applied(url)).toBe(0)
  })

  it('votes no, retryable, where a lock is held for too long, and at once when nobody waits any more', async () => {
    const { participant, url, xid } = await opened()
    await prepare(participant, xid(1))
    const { conflicting: work } = subject
    expect(await prepare(participant, xid(2), { work, timeoutMs: 1_500 })).toMatchObject({
      vote: 'no',
      retryable: true,
    })
    const abort = new AbortController()
    const waiting = prepare(participant, xid(3), { work, signal: abort.signal })
    setTimeout(() => abort.abort(), 50)
    expect(await waiting).toMatchObject({ vote: 'no', retryable: true })
    expect(await participant.abort(xid(3))).toMatchObject({ result: 'done' })
    expect(await participant.commit(xid(1))).toMatchObject({ result: 'done' })
    expect(await prepare(participant, xid(4), { work })).toEqual(YES)
    expect(await participant.abort(xid(4))).toMatchObject({ result: 'done' })
    expect(await subject.applied(url)).toBe(1)
  })
}
