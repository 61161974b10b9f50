/** What every participant over the pledge tables has to keep, run against each of them. */
import { describe, expect, it } from 'vitest'
import type { Epoch, LogId } from '../../src/sdk/participant/index.ts'
import { type Bench, benchOf, type Subject, YES } from './bench.ts'
import { bytes, prepareRequest, XID_OF_OLDER_EPOCH, XID_OF_OTHER_LOG, xid } from './kit.ts'

export function describePledges(subject: Subject): void {
  const bench = benchOf(subject)
  describe('endings (R3, R4)', () => {
    describeEndings(bench)
  })
  describe('repeated and late prepares (R4)', () => {
    describeLatePrepares(bench)
  })
  describe('witnesses', () => {
    describeWitnesses(bench)
  })
  describe('wait-die (R13)', () => {
    describeWaiting(bench)
  })
  describe('the logs that it knows (R11)', () => {
    describeLogs(bench)
  })
  describe('malformed work', () => {
    describeMalformedWork(bench)
  })
}

function describeEndings({ seeded, open, prepare, heldBy, subject }: Bench): void {
  it('commits what is prepared, once', async () => {
    const file = seeded()
    const participant = open(file)
    expect(await prepare(participant, xid(1))).toEqual(YES)
    expect(subject.applied(file)).toBe(0)
    expect(await participant.commit(xid(1))).toMatchObject({
      result: 'done',
      evidence: 'witness_committed',
    })
    expect(subject.applied(file)).toBe(1)
    expect(await participant.commit(xid(1))).toMatchObject({
      result: 'done_before',
      evidence: 'witness_committed',
    })
    expect(subject.applied(file)).toBe(1)
    expect(await heldBy(participant)).toEqual([])
  })

  it('aborts what is prepared, and says so again', async () => {
    const file = seeded()
    const participant = open(file)
    await prepare(participant, xid(1))
    expect(await participant.abort(xid(1))).toMatchObject({ result: 'done', evidence: 'witness_aborted' })
    expect(await participant.abort(xid(1))).toMatchObject({
      result: 'done_before',
      evidence: 'witness_aborted',
    })
    expect(subject.applied(file)).toBe(0)
    expect(await prepare(participant, xid(2))).toEqual(YES)
  })

  it('says broken where a branch ended the other way', async () => {
    const participant = open(seeded())
    await prepare(participant, xid(1))
    await participant.commit(xid(1))
    expect(await participant.abort(xid(1))).toMatchObject({
      result: 'broken',
      evidence: 'witness_committed',
    })
    await participant.abort(xid(2))
    expect(await participant.commit(xid(2))).toMatchObject({
      result: 'broken',
      evidence: 'witness_aborted',
    })
  })

  it('says broken, not done, to the commit of what was never prepared or is forgotten', async () => {
    const file = seeded()
    const participant = open(file)
    const lost = { result: 'broken', evidence: 'no_witness' }
    expect(await participant.commit(xid(1))).toMatchObject(lost)
    await prepare(participant, xid(2))
    await participant.commit(xid(2))
    await participant.forget?.(xid(2))
    expect(await participant.commit(xid(2))).toMatchObject(lost)
    expect(subject.applied(file)).toBe(1)
  })
}

function describeLatePrepares({ seeded, open, prepare, heldBy, subject }: Bench): void {
  it('votes no to a prepare that comes after its abort, and after its commit', async () => {
    const participant = open(seeded())
    expect(await participant.abort(xid(1))).toMatchObject({ result: 'done', evidence: 'witness_aborted' })
    expect(await prepare(participant, xid(1))).toMatchObject({ vote: 'no', retryable: false })
    await prepare(participant, xid(2))
    await participant.commit(xid(2))
    expect(await prepare(participant, xid(2))).toMatchObject({ vote: 'no', retryable: false })
    expect(await heldBy(participant)).toEqual([])
  })

  it('answers a repeated prepare with the same vote, and refuses other work under the same xid', async () => {
    const participant = open(seeded())
    await prepare(participant, xid(1))
    expect(await prepare(participant, xid(1))).toEqual(YES)
    expect(await prepare(participant, xid(1), subject.second)).toMatchObject({ vote: 'no' })
    expect(await heldBy(participant)).toEqual([xid(1)])
  })

  it('keeps the order of what is asked in one turn', async () => {
    const participant = open(seeded())
    const answers = await Promise.all([
      prepare(participant, xid(1)),
      participant.abort(xid(1)),
      prepare(participant, xid(1)),
      participant.evidence?.(xid(1)),
    ])
    expect(answers).toMatchObject([YES, { result: 'done' }, { vote: 'no' }, 'witness_aborted'])
  })
}

function describeWitnesses({ seeded, open, prepare, heldBy, subject }: Bench): void {
  it('answers what it knows of an xid', async () => {
    const participant = open(seeded())
    expect(await participant.evidence?.(xid(1))).toBe('no_witness')
    await prepare(participant, xid(1))
    expect(await participant.evidence?.(xid(1))).toBe('no_witness')
    await participant.commit(xid(1))
    expect(await participant.evidence?.(xid(1))).toBe('witness_committed')
    await participant.abort(xid(2))
    expect(await participant.evidence?.(xid(2))).toBe('witness_aborted')
  })

  it('forgets exactly the xid it is told, and never one that is prepared (R5)', async () => {
    const file = seeded()
    const participant = open(file)
    await participant.abort(xid(1))
    await participant.abort(xid(11))
    await participant.forget?.(xid(1))
    expect(await participant.evidence?.(xid(1))).toBe('no_witness')
    expect(await participant.evidence?.(xid(11))).toBe('witness_aborted')
    await prepare(participant, xid(12))
    await participant.forget?.(xid(12))
    expect(await heldBy(participant)).toEqual([xid(12)])
    expect(await participant.commit(xid(12))).toMatchObject({ result: 'done' })
    expect(subject.applied(file)).toBe(1)
  })
}

function describeWaiting({ seeded, open, prepare, heldBy, subject }: Bench): void {
  it('lets the older wait until the younger has ended', async () => {
    const file = seeded()
    const participant = open(file)
    await prepare(participant, xid(5))
    const older = prepare(participant, xid(4), subject.second)
    const oldest = prepare(participant, XID_OF_OLDER_EPOCH, subject.second)
    expect(await heldBy(participant)).toEqual([xid(5)])
    expect(await participant.commit(xid(5))).toMatchObject({ result: 'done' })
    // The oldest is served first; the other is then the younger of two, and dies.
    expect(await oldest).toEqual(YES)
    expect(await older).toMatchObject({ vote: 'no', retryable: true })
  })

  it('votes no at once to the younger, and to the xid of another log', async () => {
    const participant = open(seeded())
    await prepare(participant, xid(5))
    expect(await prepare(participant, xid(6))).toMatchObject({ vote: 'no', retryable: true })
    expect(await prepare(participant, XID_OF_OTHER_LOG)).toMatchObject({ vote: 'no', retryable: true })
    expect(await participant.evidence?.(xid(6))).toBe('no_witness')
  })

  it('lets the older wait only as long as its vote is waited for', async () => {
    const participant = open(seeded())
    await prepare(participant, xid(5))
    expect(await prepare(participant, xid(4), subject.first, 20)).toMatchObject({
      vote: 'no',
      retryable: true,
      message: expect.stringContaining('waited 20 ms') as string,
    })
  })

  it('ends the wait when nobody waits for the vote any more, and pledges nothing', async () => {
    const participant = open(seeded())
    await prepare(participant, xid(5))
    const controller = new AbortController()
    const { signal } = controller
    const waiting = participant.prepare(prepareRequest(xid(4), bytes(subject.first), { signal }))
    expect(await heldBy(participant)).toEqual([xid(5)])
    controller.abort()
    expect(await waiting).toMatchObject({ vote: 'no', retryable: true })
    const late = participant.prepare(prepareRequest(xid(3), bytes(subject.first), { signal }))
    expect(await late).toMatchObject({ vote: 'no', retryable: true })
    await participant.commit(xid(5))
    expect(await heldBy(participant)).toEqual([])
  })

  it('ends the wait of what is aborted meanwhile, and of all when it closes', async () => {
    const participant = open(seeded())
    await prepare(participant, xid(5))
    const waiting = prepare(participant, xid(4))
    expect(await heldBy(participant)).toEqual([xid(5)])
    expect(await participant.abort(xid(4))).toMatchObject({ result: 'done' })
    expect(await waiting).toMatchObject({ vote: 'no' })
    const second = prepare(participant, xid(3))
    expect(await heldBy(participant)).toEqual([xid(5)])
    await participant.close()
    expect(await second).toMatchObject({ vote: 'no', retryable: true })
  })
}

function describeLogs({ seeded, open, prepare, heldBy }: Bench): void {
  const logId = 'k3f9qa7m2xw4' as LogId
  const coordinator = (epoch: string) => ({ logId, epoch: epoch as Epoch })
  const superseded = (known: string) => ({
    code: 'EPOCH_SUPERSEDED',
    message: expect.stringContaining(`opened in epoch ${known}`) as string,
  })

  it('admits an epoch again and a newer one, and no older one, nor another of the same number', async () => {
    const participant = open(seeded())
    await participant.admit?.(coordinator('9-aaaa'))
    await participant.admit?.(coordinator('9-aaaa'))
    await expect(participant.admit?.(coordinator('9-bbbb'))).rejects.toMatchObject(superseded('9-aaaa'))
    await participant.admit?.(coordinator('10-cccc'))
    await expect(participant.admit?.(coordinator('9-aaaa'))).rejects.toMatchObject(superseded('10-cccc'))
    await participant.admit?.({ logId: 'zzzzzzzzzzzz' as LogId, epoch: '1-aaaa' as Epoch })
  })

  it('remembers in the file', async () => {
    const file = seeded()
    const first = open(file)
    await first.admit?.(coordinator('9-aaaa'))
    await first.close()
    await expect(open(file).admit?.(coordinator('8-bbbb'))).rejects.toMatchObject(superseded('9-aaaa'))
  })

  it('says of another log’s branch when that log was last seen, which a scan of its own renews', async () => {
    const file = seeded()
    let nowMs = 1_000
    const first = open(file, {}, () => nowMs)
    await first.admit?.(coordinator('7-q3f9'))
    expect(await prepare(first, xid(1))).toEqual(YES)
    const [own] = (await first.listPrepared(10, '')).branches
    expect(own).toEqual({ xid: xid(1), prepareTimeMs: 1_000, cost: expect.stringMatching(/\w/) as string })
    nowMs = 2_000
    await heldBy(first)
    await first.close()
    const second = open(file, {}, () => 3_000)
    await second.admit?.({ logId: 'zzzzzzzzzzzz' as LogId, epoch: '1-aaaa' as Epoch })
    expect((await second.listPrepared(10, '')).branches).toMatchObject([
      { xid: xid(1), prepareTimeMs: 1_000, logSeenTimeMs: 2_000 },
    ])
  })

  it('can say nothing of a log that was never here', async () => {
    const participant = open(seeded())
    await prepare(participant, XID_OF_OTHER_LOG)
    await participant.admit?.(coordinator('7-q3f9'))
    const [held] = (await participant.listPrepared(10, '')).branches
    expect(held).toMatchObject({ xid: XID_OF_OTHER_LOG })
    expect(held).not.toHaveProperty('logSeenTimeMs')
  })
}

function describeMalformedWork({ seeded, open, subject }: Bench): void {
  const malformed: readonly (readonly [string, Uint8Array])[] = [
    ['nothing', new Uint8Array()],
    ['invalid UTF-8', new Uint8Array([0x7b, 0xff, 0x7d])],
    ['no JSON', bytes('{')],
    ['JSON nested too deep', bytes('['.repeat(1 << 20))],
    ['an array', bytes([])],
    ['null', bytes('null')],
    ['a number', bytes('1e999')],
    ['an empty object', bytes({})],
    ['an unknown key', bytes({ ...(JSON.parse(subject.first) as object), surprise: 1 })],
    ['__proto__', bytes('{"__proto__": {}}')],
  ]
  it.each(malformed)('is a no vote with the reason: %s', async (_name, work) => {
    const participant = open(seeded())
    const voted = await participant.prepare(prepareRequest(xid(1), work))
    expect(voted).toMatchObject({
      vote: 'no',
      retryable: false,
      message: expect.stringMatching(/^malformed work: /) as string,
    })
  })
}
