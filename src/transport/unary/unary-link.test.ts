import { status } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { PledgedError } from '../../base/errors.ts'
import type { CoordinatorMessage } from '../../protocol/messages.ts'
import { linkCases, Peer, peerIdentity } from '../conformance/index.ts'
import { Recorder } from '../conformance/recorder.ts'
import {
  type Behaviour,
  FakeParticipant,
  limits,
  linked,
  prepare,
  speakingFor,
  started,
  until,
  xid,
} from './harness.ts'
import { UnaryDialer } from './index.ts'

const DESCRIBED = { resourceId: 'resource-1', kind: 'python', keepsWitnesses: true, onePhase: true }
const describeIt = () => Promise.resolve(DESCRIBED)

/** The first prepares, by xid, wait until their caller hangs up; what follows is answered. */
const hangingPrepare: Behaviour = {
  describe: describeIt,
  prepare: async ({ cancelled }) => {
    await cancelled
    return { vote: 1 }
  },
  abort: () => Promise.resolve({ result: 1, evidence: 3 }),
  commit: () => Promise.resolve({ result: 1, evidence: 2 }),
}

describe('the unary link', () => {
  it.each(linkCases.filter((linkCase) => linkCase.ordersAll !== true))('$name', async (linkCase) => {
    const peer: Peer = new Peer(() => answers.cut())
    const answers: FakeParticipant = await started(speakingFor((message) => peer.answer([message])))
    const fails = await started({
      describe: () => Promise.reject(new PledgedError('UNAVAILABLE', 'no disk')),
    })
    const harness = {
      identity: { ...peerIdentity, instanceId: answers.address },
      dialer: (kind: 'answers' | 'fails') =>
        new UnaryDialer({ name: 'peer', address: (kind === 'answers' ? answers : fails).address, limits }),
    }
    await expect(linkCase.run(harness)).resolves.toBeUndefined()
  })

  it('says in every call who speaks, but in the first, which comes before the welcome', async () => {
    const participant = await started(hangingPrepare)
    const { link, recorder } = await linked(participant)
    link.send([{ type: 'commit', xid: xid(1) }])
    await recorder.until(() => recorder.messages.length === 1)
    const said = participant.calls.map(({ call }) => [
      call.metadata.get('pledged-log-id')[0],
      call.metadata.get('pledged-epoch')[0],
      call.request.branch,
    ])
    expect(said).toEqual([
      [undefined, undefined, undefined],
      ['k3f9qa7m2xw4', '7-q3f9', 'peer'],
    ])
  })

  it('takes a participant that describes nothing, asks nothing and forgets nothing for one without evidence', async () => {
    const participant = await started({})
    const { link, recorder } = await linked(participant)
    expect(link.identity).toMatchObject({ kind: 'grpc', resourceId: '', keepsWitnesses: false })
    expect(link.identity.onePhase).toBeUndefined()
    link.send([
      { type: 'evidence_question', xid: xid(1) },
      { type: 'forget', xid: xid(1) },
      { type: 'list_prepared', pageSize: 1, pageToken: '' },
    ])
    await recorder.until(() => recorder.messages.length === 2)
    expect(recorder.messages).toEqual(
      expect.arrayContaining([
        {
          type: 'evidence_answer',
          xid: xid(1),
          evidence: 'none',
          message: expect.stringContaining("doesn't serve this call") as string,
        },
        {
          type: 'scan_failed',
          message: expect.stringContaining("doesn't serve this call") as string,
        },
      ]),
    )
  })

  it.each([
    ['no resource id', { ...DESCRIBED, resourceId: '' }, /resource_id is empty/],
    [
      'one phase without witnesses',
      { ...DESCRIBED, keepsWitnesses: false },
      /one_phase needs keeps_witnesses/,
    ],
    ['a name without end', { ...DESCRIBED, kind: 'k'.repeat(257) }, /kind has 257 characters/],
  ])('refuses a description with %s', async (_name, description, reason) => {
    const participant = await started({ describe: () => Promise.resolve(description) })
    await expect(linked(participant)).rejects.toThrow(reason)
  })

  it('fails the dial, with a sentence, where nobody listens or nobody answers', async () => {
    const nobody = new FakeParticipant({})
    await nobody.start()
    nobody.kill()
    await expect(linked(nobody)).rejects.toThrow(
      /the participant at 127.* can't be reached \(connection refused\)/,
    )
    const silent = await started({ describe: () => new Promise(() => {}) })
    await expect(linked(silent, { connectTimeoutMs: 50 })).rejects.toThrow(/didn't answer in time/)
    const dialer = new UnaryDialer({ name: 'peer', address: 'nowhere://', limits })
    const recorder = new Recorder()
    dialer.dial(recorder, recorder.failed)
    expect(recorder.callbacks).toBe(0)
    await recorder.until(() => recorder.failures.length === 1)
    await dialer.close()
  })

  it('gives up a dial for the next one', async () => {
    const participant = await started(hangingPrepare)
    const dialer = new UnaryDialer({ name: 'peer', address: participant.address, limits })
    const recorder = new Recorder()
    dialer.dial(recorder, recorder.failed)
    dialer.dial(recorder, recorder.failed)
    await recorder.until(() => recorder.opens.length === 1)
    await dialer.close()
    expect(recorder.callbacks).toBe(1)
  })
})

describe('an answer that is none', () => {
  const onePhase: CoordinatorMessage = {
    ...prepare(9),
    type: 'prepare',
    onePhase: true,
  } as CoordinatorMessage

  it.each<[string, Behaviour['prepare'], boolean, RegExp]>([
    ['no vote', () => Promise.resolve({}), false, /vote is 0: it has to be VOTE_YES/],
    ['a vote that nobody knows', () => Promise.resolve({ vote: 77 }), false, /vote is 77/],
    [
      'a time to live that is none',
      () => Promise.resolve({ vote: 1, pledgeTtl: { seconds: 1n, nanos: -1 } }),
      false,
      /pledge_ttl isn't a valid/,
    ],
    ['committed, unasked', () => Promise.resolve({ vote: 4 }), false, /VOTE_COMMITTED, which only answers/],
    [
      'a status of its own making',
      () => Promise.reject({ code: status.INTERNAL, details: 'bug' }),
      false,
      /failed: bug/,
    ],
    ['UNAVAILABLE', () => Promise.reject({ code: status.UNAVAILABLE, details: 'later' }), true, /later/],
    [
      'RESOURCE_EXHAUSTED',
      () => Promise.reject(new PledgedError('LIMIT_REACHED', 'full house')),
      true,
      /full house/,
    ],
  ])(
    'is a no vote where it is %s, and the unknown end of a one-phase prepare',
    async (name, behave, retryable, reason) => {
      const participant = await started({ describe: describeIt, ...(behave && { prepare: behave }) })
      const { link, recorder } = await linked(participant)
      link.send([prepare(1)])
      await recorder.until(() => recorder.messages.length === 1)
      expect(recorder.messages[0]).toEqual({
        type: 'vote',
        xid: xid(1),
        vote: { vote: 'no', retryable, message: expect.stringMatching(reason) as string },
      })
      if (name === 'committed, unasked') return
      link.send([onePhase])
      await recorder.until(() => recorder.messages.length === 2)
      expect(recorder.messages[1]).toMatchObject({
        type: 'result',
        xid: xid(9),
        verb: 'commit',
        result: 'unknown',
      })
    },
  )

  it('is committed where a one-phase prepare may be', async () => {
    const seen: boolean[] = []
    const participant = await started({
      describe: describeIt,
      prepare: ({ request }) => {
        seen.push(request.onePhase)
        return Promise.resolve({ vote: 4 })
      },
    })
    const { link, recorder } = await linked(participant)
    expect(link.identity.onePhase).toBe(true)
    link.send([onePhase])
    await recorder.until(() => recorder.messages.length === 1)
    expect(recorder.messages).toEqual([{ type: 'vote', xid: xid(9), vote: { vote: 'committed' } }])
    expect(seen).toEqual([true])
  })

  it('leaves a decision unknown, never more', async () => {
    const participant = await started({
      describe: describeIt,
      commit: ({ request }) =>
        request.xid === xid(1)
          ? Promise.resolve({ result: 77, evidence: 77 })
          : Promise.reject({ code: status.NOT_FOUND, details: 'no such branch' }),
    })
    const { link, recorder } = await linked(participant)
    link.send([
      { type: 'commit', xid: xid(1) },
      { type: 'commit', xid: xid(2) },
    ])
    await recorder.until(() => recorder.messages.length === 2)
    expect(
      recorder.messages.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
    ).toMatchObject([
      { xid: xid(1), result: 'unknown', evidence: 'none' },
      {
        xid: xid(2),
        result: 'unknown',
        evidence: 'none',
        message: expect.stringContaining('no such branch') as string,
      },
    ])
  })

  it('is a failed scan where a page can not be read', async () => {
    const participant = await started({
      describe: describeIt,
      list: () =>
        Promise.resolve({ branches: [{ xid: 'x', prepareTime: new Date(9e15) }], nextPageToken: '' }),
    })
    const { link, recorder } = await linked(participant)
    link.send([{ type: 'list_prepared', pageSize: 1, pageToken: '' }])
    await recorder.until(() => recorder.messages.length === 1)
    expect(recorder.messages).toMatchObject([{ type: 'scan_failed' }])
  })

  it('is awaited for so long, and no longer', async () => {
    const never = () => new Promise<object>(() => {})
    const participant = await started({ describe: describeIt, prepare: never, commit: never, list: never })
    const { link, recorder } = await linked(participant, { unaryCallTimeoutMs: 30 })
    link.send([
      prepare(1, 30),
      { type: 'commit', xid: xid(2) },
      { type: 'list_prepared', pageSize: 1, pageToken: '' },
    ])
    await recorder.until(() => recorder.messages.length === 3)
    expect(recorder.messages).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          type: 'vote',
          vote: expect.objectContaining({ vote: 'no', retryable: true }),
        }),
        expect.objectContaining({ type: 'result', result: 'unknown' }),
        expect.objectContaining({ type: 'scan_failed' }),
      ]),
    )
  })
})

describe('an abort', () => {
  it('cancels the prepare that has no answer yet, and is then sent', async () => {
    const participant = await started(hangingPrepare)
    const { link, recorder } = await linked(participant)
    link.send([prepare(1)])
    await until(() => participant.log().includes(`prepare ${xid(1)}`))
    link.send([{ type: 'abort', xid: xid(1) }])
    await recorder.until(() => recorder.messages.length === 2)
    expect(recorder.messages).toMatchObject([
      { type: 'vote', xid: xid(1), vote: { vote: 'no' } },
      { type: 'result', xid: xid(1), verb: 'abort', result: 'done', evidence: 'witness_aborted' },
    ])
  })

  it('spares a prepare that has not been sent', async () => {
    const participant = await started(hangingPrepare)
    const { link, recorder } = await linked(participant)
    link.send([prepare(1), { type: 'abort', xid: xid(1) }])
    await recorder.until(() => recorder.messages.length === 2)
    expect(participant.log()).toEqual(['describe', `abort ${xid(1)}`])
  })

  it('is not held back by prepares that hang, however many', async () => {
    const participant = await started(hangingPrepare)
    const { link, recorder } = await linked(participant, { unaryCallsMax: 2 })
    link.send([prepare(1), prepare(2), prepare(3), prepare(4)])
    await until(() => participant.log().length >= 3)
    expect(participant.log().filter((line) => line.startsWith('prepare'))).toHaveLength(2)
    // Also behind a prepare of its own that waits for its turn.
    link.send([
      { type: 'abort', xid: xid(4) },
      { type: 'commit', xid: xid(9) },
    ])
    await recorder.until(() => recorder.messages.length === 3)
    expect(participant.log()).not.toContain(`prepare ${xid(4)}`)
    link.send([
      { type: 'abort', xid: xid(1) },
      { type: 'abort', xid: xid(2) },
    ])
    await until(() => participant.log().includes(`prepare ${xid(3)}`))
    link.send([{ type: 'abort', xid: xid(3) }])
    await recorder.until(() => recorder.messages.length === 9)
  })
})

describe('the end of a unary link', () => {
  it('comes once, when the participant is killed, and its calls are answered no more', async () => {
    const participant = await started(hangingPrepare)
    const { link, recorder, dialer } = await linked(participant)
    link.send([prepare(1), prepare(2)])
    participant.kill()
    await recorder.until(() => recorder.closings.length > 0)
    expect(recorder.closings).toEqual([expect.stringContaining('was lost')])
    link.send([prepare(3)])
    dialer.dial(recorder, recorder.failed)
    await recorder.until(() => recorder.failures.length > 0)
    expect(recorder.failures[0]).toMatch(/connection refused/)
    await participant.start()
    await recorder.open(dialer, { logId: 'k3f9qa7m2xw4' as never, epoch: '7-q3f9' as never, workBytesMax: 1 })
    expect(recorder.messages).toEqual([])
    expect(recorder.closings).toHaveLength(1)
  })

  it('comes after the refusal of an old copy of the log (R11)', async () => {
    const superseded = () =>
      Promise.reject(new PledgedError('EPOCH_SUPERSEDED', 'epoch 9-abcd is known here'))
    const participant = await started({ describe: describeIt, list: superseded, commit: superseded })
    const { link, recorder } = await linked(participant)
    link.send([
      { type: 'list_prepared', pageSize: 1, pageToken: '' },
      { type: 'commit', xid: xid(1) },
    ])
    await recorder.until(() => recorder.closings.length > 0)
    expect(recorder.messages).toEqual([
      { type: 'admission_refused', superseded: true, message: 'epoch 9-abcd is known here' },
    ])
  })

  it('comes when more work waits for it than may', async () => {
    const participant = await started(hangingPrepare)
    const { link, recorder } = await linked(participant, { unaryCallsMax: 1, linkQueueBytesMax: 10 })
    link.send([{ type: 'prepare', xid: xid(1), work: new Uint8Array(11), timeoutMs: 60_000 }])
    await recorder.until(() => recorder.closings.length > 0)
    expect(recorder.closings[0]).toMatch(/too much waits for it/)
  })

  it('lets decisions that are on their way arrive', async () => {
    const release = Promise.withResolvers<void>()
    const events: string[] = []
    const participant = await started({
      describe: describeIt,
      commit: async ({ cancelled }) => {
        void cancelled.then(() => events.push('over'))
        await release.promise
        events.push('answered')
        return { result: 1 }
      },
    })
    const { link, recorder, dialer } = await linked(participant)
    link.send([{ type: 'commit', xid: xid(1) }])
    await until(() => participant.log().includes(`commit ${xid(1)}`))
    const closed = dialer.close()
    release.resolve()
    await closed
    expect(events[0]).toBe('answered')
    expect(recorder.messages).toEqual([])
  })
})

it('forgets many in one call, and as many calls as are needed', async () => {
  const participant = await started({ describe: describeIt, forget: () => Promise.resolve({}) })
  const { link } = await linked(participant, { batchItemsMax: 2 })
  link.send([1, 2, 3].map((sequence) => ({ type: 'forget', xid: xid(sequence) })))
  const forgotten = () => participant.calls.filter(({ method }) => method === 'forget')
  await until(() => forgotten().length === 2)
  expect(forgotten().map(({ call }) => call.request.xids)).toEqual([[xid(1), xid(2)], [xid(3)]])
})
