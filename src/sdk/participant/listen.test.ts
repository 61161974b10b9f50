import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ClientUnaryCall, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { describe, expect, it, onTestFinished } from 'vitest'
import { PledgedError } from '../../base/errors.ts'
import type { Xid } from '../../base/ids.ts'
import { defaultLimits } from '../../base/limits.ts'
import { ParticipantServiceClient } from '../../wire/generated/pledged/v1/participant_service.ts'
import { fromServiceError, toDuration } from '../../wire/index.ts'
import { type ListeningEvent, type ListenOptions, listenParticipant } from './listen.ts'
import { type Participant, type PrepareRequest, supersededError, vote } from './participant.ts'

const limits = { ...defaultLimits, serverCloseTimeoutMs: 500, linkCloseTimeoutMs: 500 }

function participantWith(verbs: Partial<Participant>): Participant {
  return {
    describe: () => Promise.resolve({ kind: 'test', resourceId: 'resource-1', keepsWitnesses: true }),
    prepare: () => Promise.resolve(vote.yes({ pledgeTtlMs: 1_500 })),
    commit: () => Promise.resolve({ result: 'done', message: 'so be it', evidence: 'witness_committed' }),
    abort: () => Promise.resolve({ result: 'done_before', message: '', evidence: 'witness_aborted' }),
    listPrepared: () => Promise.resolve({ branches: [], nextPageToken: '' }),
    close: () => Promise.resolve(),
    ...verbs,
  }
}

async function listening(verbs: Partial<Participant>, options: Partial<ListenOptions> = {}) {
  const events: ListeningEvent[] = []
  const server = await listenParticipant({
    name: 'test',
    participant: participantWith(verbs),
    listen: '127.0.0.1:0',
    limits,
    onEvent: (event) => events.push(event),
    ...options,
  })
  onTestFinished(() => server.close())
  const client = new ParticipantServiceClient(server.address, credentials.createInsecure())
  onTestFinished(() => client.close())
  return { server, events, client }
}

type Called<Response> = (error: ServiceError | null, response: Response) => void

/** The response, or the error as `CODE: sentence`. */
function answerOf<Response>(
  call: (callback: Called<Response>) => ClientUnaryCall,
): Promise<Response | string> {
  return new Promise((resolve) => {
    call((error, response) => {
      if (error === null) resolve(response)
      else {
        const pledged = fromServiceError(error, 'x')
        resolve(`${pledged.code}: ${pledged.message}`)
      }
    })
  })
}

function xid(sequence: number): Xid {
  return `k3f9qa7m2xw4.7-q3f9.${sequence}` as Xid
}

function preparing(sequence: number, fields: { timeoutMs?: number; onePhase?: boolean } = {}) {
  return {
    xid: xid(sequence),
    branch: 'test',
    work: new Uint8Array([1, 2]),
    timeout: toDuration(fields.timeoutMs ?? 60_000),
    onePhase: fields.onePhase ?? false,
  }
}

function from(epoch: string, logId = 'k3f9qa7m2xw4'): Metadata {
  const metadata = new Metadata()
  metadata.set('pledged-log-id', logId)
  metadata.set('pledged-epoch', epoch)
  return metadata
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1))
}

describe('listenParticipant', () => {
  it('serves every method of the contract', async () => {
    const forgotten: string[] = []
    const requests: PrepareRequest[] = []
    const { client, server } = await listening({
      describe: () =>
        Promise.resolve({ kind: 'test', resourceId: 'r', keepsWitnesses: true, onePhase: true }),
      prepare: (request) => {
        requests.push(request)
        return Promise.resolve(request.onePhase ? vote.committed() : vote.yes({ pledgeTtlMs: 1_500 }))
      },
      evidence: () => Promise.resolve('no_witness'),
      forget: (id) => {
        forgotten.push(id)
        return Promise.resolve()
      },
      listPrepared: (pageSize, pageToken) =>
        Promise.resolve({
          branches: [{ xid: 'other', prepareTimeMs: 7, cost: `${pageSize} ${pageToken}`, logSeenTimeMs: 8 }],
          nextPageToken: 'more',
        }),
    })
    expect(server.address).toMatch(/^127\.0\.0\.1:[0-9]+$/)
    expect(await answerOf((cb) => client.describeParticipant({}, cb))).toEqual({
      kind: 'test',
      resourceId: 'r',
      keepsWitnesses: true,
      onePhase: true,
    })
    expect(await answerOf((cb) => client.prepareBranch(preparing(1), cb))).toEqual({
      vote: 1,
      message: '',
      retryable: false,
      pledgeTtl: { seconds: 1n, nanos: 500_000_000 },
    })
    expect(requests[0]).toMatchObject({ xid: xid(1), work: new Uint8Array([1, 2]), onePhase: false })
    expect(await answerOf((cb) => client.prepareBranch(preparing(2, { onePhase: true }), cb))).toMatchObject({
      vote: 4,
    })
    const branch = { xid: xid(1), branch: 'test' }
    expect(await answerOf((cb) => client.commitBranch(branch, cb))).toEqual({
      result: 1,
      message: 'so be it',
      evidence: 2,
    })
    expect(await answerOf((cb) => client.abortBranch(branch, cb))).toMatchObject({ result: 2, evidence: 3 })
    expect(await answerOf((cb) => client.getBranchEvidence(branch, cb))).toMatchObject({ evidence: 4 })
    await answerOf((cb) => client.forgetBranches({ xids: [xid(1), xid(2)], branch: 'test' }, cb))
    expect(forgotten).toEqual([xid(1), xid(2)])
    expect(
      await answerOf((cb) => client.listPreparedBranches({ pageSize: 0, pageToken: 'from' }, cb)),
    ).toEqual({
      branches: [
        {
          xid: 'other',
          branch: 'test',
          prepareTime: new Date(7),
          cost: `${limits.scanPageSize} from`,
          logSeenTime: new Date(8),
        },
      ],
      nextPageToken: 'more',
    })
  })

  it('refuses what is malformed, with a sentence, and never shows it to the participant', async () => {
    const shown: unknown[] = []
    const show = (id: unknown): never => {
      shown.push(id)
      throw new Error('not asked for')
    }
    const { client } = await listening({ prepare: show, commit: show, abort: show, listPrepared: show })
    const bad = { ...preparing(1), xid: "'; DROP TABLE sink" }
    expect(await answerOf((cb) => client.prepareBranch(bad, cb))).toMatch(/^MALFORMED_XID: .*is not an xid/)
    expect(await answerOf((cb) => client.commitBranch({ xid: xid(1), branch: 'else' }, cb))).toMatch(
      /^INVALID_REQUEST: branch is "else", and this participant is "test": register it/,
    )
    expect(await answerOf((cb) => client.listPreparedBranches({ pageSize: -1, pageToken: '' }, cb))).toMatch(
      /^INVALID_REQUEST: page_size is -1/,
    )
    expect(
      await answerOf((cb) => client.forgetBranches({ xids: [xid(1), 'x'], branch: 'test' }, cb)),
    ).toMatch(/^MALFORMED_XID/)
    const half = new Metadata()
    half.set('pledged-epoch', '7-q3f9')
    expect(await answerOf((cb) => client.commitBranch({ xid: xid(1), branch: 'test' }, half, cb))).toMatch(
      /^INVALID_REQUEST: the metadata pledged-log-id is undefined/,
    )
    const garbage = await answerOf<Buffer>((cb) =>
      client.makeUnaryRequest(
        '/pledged.v1.ParticipantService/CommitBranch',
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        Buffer.from([0xff, 0xff, 0xff]),
        (error, response) => cb(error, response ?? Buffer.alloc(0)),
      ),
    )
    expect(garbage).toMatch(/^INVALID_REQUEST: the bytes of the message are not what/)
    expect(shown).toEqual([])
  })

  it('answers for what a participant throws: no, unknown, and no vote at all for a one-phase prepare', async () => {
    const fail = (): never => {
      throw new Error('disk on fire')
    }
    const { client } = await listening({ prepare: fail, commit: fail, listPrepared: fail, evidence: fail })
    expect(await answerOf((cb) => client.prepareBranch(preparing(1), cb))).toMatchObject({
      vote: 2,
      message: 'disk on fire',
    })
    expect(await answerOf((cb) => client.prepareBranch(preparing(2, { onePhase: true }), cb))).toBe(
      'OUTCOME_UNKNOWN: disk on fire',
    )
    const branch = { xid: xid(1), branch: 'test' }
    expect(await answerOf((cb) => client.commitBranch(branch, cb))).toMatchObject({ result: 4 })
    expect(await answerOf((cb) => client.getBranchEvidence(branch, cb))).toMatchObject({ evidence: 1 })
    expect(await answerOf((cb) => client.listPreparedBranches({ pageSize: 1, pageToken: '' }, cb))).toBe(
      'UNAVAILABLE: disk on fire',
    )
  })

  it('keeps the order of one xid, and fires the signal of a prepare that an abort follows', async () => {
    const calls: string[] = []
    const { client } = await listening({
      prepare: async ({ signal }) => {
        calls.push('prepare')
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        calls.push('given up')
        return vote.no('too late')
      },
      abort: () => {
        calls.push('abort')
        return Promise.resolve({ result: 'done', message: '', evidence: 'none' })
      },
    })
    const prepared = answerOf((cb) => client.prepareBranch(preparing(1), cb))
    await until(() => calls.length === 1)
    const aborted = answerOf((cb) => client.abortBranch({ xid: xid(1), branch: 'test' }, cb))
    expect(await prepared).toMatchObject({ vote: 2, message: 'too late' })
    expect(await aborted).toMatchObject({ result: 1 })
    expect(calls).toEqual(['prepare', 'given up', 'abort'])
  })

  it('fires the signal of a prepare whose caller has hung up, or waited long enough', async () => {
    const given: string[] = []
    const started: string[] = []
    const { client } = await listening({
      prepare: async ({ xid: id, signal }) => {
        started.push(id)
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        given.push(id)
        return vote.no('given up')
      },
    })
    let call: ClientUnaryCall | undefined
    const hungUp = answerOf((cb) => (call = client.prepareBranch(preparing(1), cb)))
    await until(() => started.length === 1)
    call?.cancel()
    await hungUp
    await until(() => given.includes(xid(1)))
    expect(await answerOf((cb) => client.prepareBranch(preparing(2, { timeoutMs: 5 }), cb))).toMatchObject({
      vote: 2,
    })
    expect(given).toEqual([xid(1), xid(2)])
  })

  it('refuses prepares above its limit, and takes decisions all the same', async () => {
    const gate = Promise.withResolvers<void>()
    let running = 0
    const { client } = await listening(
      {
        prepare: async () => {
          running += 1
          await gate.promise
          return vote.yes()
        },
      },
      { limits: { ...limits, participantConcurrencyMax: 1 } },
    )
    const first = answerOf((cb) => client.prepareBranch(preparing(1), cb))
    await until(() => running === 1)
    expect(await answerOf((cb) => client.prepareBranch(preparing(2), cb))).toMatch(
      /^LIMIT_REACHED: .*as many branches as it may \(1\)/,
    )
    expect(await answerOf((cb) => client.commitBranch({ xid: xid(3), branch: 'test' }, cb))).toMatchObject({
      result: 1,
    })
    gate.resolve()
    expect(await first).toMatchObject({ vote: 1 })
  })
})

describe('the coordinators of a participant that listens (R11)', () => {
  it('are asked for once each, again at a scan, and not at all where a call names none', async () => {
    const asked: string[] = []
    const { client, events } = await listening({
      admit: ({ logId, epoch }) => {
        asked.push(`${logId} ${epoch}`)
        return Promise.resolve()
      },
    })
    const branch = { xid: xid(1), branch: 'test' }
    await answerOf((cb) => client.commitBranch(branch, cb))
    expect(asked).toEqual([])
    for (let round = 0; round < 3; round += 1) {
      await answerOf((cb) => client.commitBranch(branch, from('7-q3f9'), cb))
    }
    expect(asked).toEqual(['k3f9qa7m2xw4 7-q3f9'])
    await answerOf((cb) => client.listPreparedBranches({ pageSize: 1, pageToken: '' }, from('7-q3f9'), cb))
    await answerOf((cb) => client.listPreparedBranches({ pageSize: 1, pageToken: 'a' }, from('7-q3f9'), cb))
    expect(asked).toHaveLength(2)
    await answerOf((cb) => client.commitBranch(branch, from('1-aaaa', 'zzzzzzzzzzzz'), cb))
    expect(asked).toHaveLength(3)
    expect(events.filter((event) => event.type === 'admitted')).toHaveLength(2)
  })

  it('are refused where a newer epoch is known, with every call, and so is the older after a newer came', async () => {
    const committed: string[] = []
    let highest = 0
    const { client, events } = await listening({
      admit: (coordinator) => {
        const number = Number(coordinator.epoch.split('-')[0])
        if (number < highest) return Promise.reject(supersededError(coordinator, `${highest}-aaaa`))
        highest = number
        return Promise.resolve()
      },
      commit: (id) => {
        committed.push(id)
        return Promise.resolve({ result: 'done', message: '', evidence: 'none' })
      },
    })
    const commit = (sequence: number, epoch: string) =>
      answerOf((cb) => client.commitBranch({ xid: xid(sequence), branch: 'test' }, from(epoch), cb))
    expect(await commit(1, '7-q3f9')).toMatchObject({ result: 1 })
    expect(await commit(2, '8-q3f9')).toMatchObject({ result: 1 })
    expect(await commit(3, '7-q3f9')).toMatch(
      /^EPOCH_SUPERSEDED: log k3f9qa7m2xw4 was opened in epoch 8-aaaa/,
    )
    expect(await commit(4, '7-q3f9')).toMatch(/^EPOCH_SUPERSEDED/)
    expect(await commit(5, '8-q3f9')).toMatchObject({ result: 1 })
    expect(committed).toEqual([xid(1), xid(2), xid(5)])
    expect(events.filter((event) => event.type === 'refused')).toMatchObject([
      { epoch: '7-q3f9', permanent: true },
    ])
  })

  it('are asked to come again where the participant could not tell', async () => {
    let tries = 0
    const { client } = await listening({
      admit: () => {
        tries += 1
        return tries === 1 ? Promise.reject(new Error('the database is down')) : Promise.resolve()
      },
    })
    const commit = () =>
      answerOf((cb) => client.commitBranch({ xid: xid(1), branch: 'test' }, from('7-q3f9'), cb))
    expect(await commit()).toBe('UNAVAILABLE: the database is down')
    expect(await commit()).toMatchObject({ result: 1 })
  })
})

describe('the life of a participant that listens', () => {
  /** grpc.health.v1.Health/Check, by its bytes: an empty request; 1 is SERVING, 2 isn't. */
  const health = (client: ParticipantServiceClient) =>
    answerOf<Buffer>((cb) =>
      client.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        Buffer.alloc(0),
        (error, response) => cb(error, response ?? Buffer.alloc(0)),
      ),
    )

  it('begins when it has described itself; until then its calls are refused, with what mends it', async () => {
    let well = false
    const { client, events } = await listening({
      describe: () =>
        well
          ? Promise.resolve({ kind: 'test', resourceId: 'r', keepsWitnesses: true })
          : Promise.reject(new PledgedError('CONFIGURATION', 'fsync is off: set it on')),
    })
    const prepared = () => answerOf((cb) => client.prepareBranch(preparing(1), cb))
    expect(await prepared()).toBe('UNAVAILABLE: fsync is off: set it on')
    expect(await answerOf((cb) => client.describeParticipant({}, cb))).toMatch(/fsync is off/)
    expect(await health(client)).toEqual(Buffer.from([8, 2]))
    well = true
    expect(await prepared()).toMatchObject({ vote: 1 })
    expect(await health(client)).toEqual(Buffer.from([8, 1]))
    expect(events.map((event) => event.type)).toEqual(['listening', 'failed'])
  })

  it('ends when it is closed: what runs may end, and the participant is closed', async () => {
    const gate = Promise.withResolvers<void>()
    const log: string[] = []
    const { client, server } = await listening({
      commit: async () => {
        log.push('commit')
        await gate.promise
        log.push('committed')
        return { result: 'done', message: '', evidence: 'none' }
      },
      close: () => {
        log.push('closed')
        return Promise.resolve()
      },
    })
    const commit = answerOf((cb) => client.commitBranch({ xid: xid(1), branch: 'test' }, cb))
    await until(() => log.length === 1)
    const closing = server.close()
    gate.resolve()
    expect(await commit).toMatchObject({ result: 1 })
    await closing
    await server.close()
    expect(log).toEqual(['commit', 'committed', 'closed'])
  })

  it('ends by its signal, though a verb hangs', async () => {
    const controller = new AbortController()
    let running = false
    const { client, server } = await listening(
      {
        commit: () => {
          running = true
          return new Promise(() => {})
        },
      },
      { signal: controller.signal, limits: { ...limits, serverCloseTimeoutMs: 20, linkCloseTimeoutMs: 20 } },
    )
    const commit = answerOf((cb) => client.commitBranch({ xid: xid(1), branch: 'test' }, cb))
    await until(() => running)
    controller.abort()
    await server.closed
    expect(await commit).toMatch(/^(?:UNAVAILABLE|OUTCOME_UNKNOWN)/)
  })

  it('may be on a unix socket, which is its owner’s alone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pledged-listen-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const path = join(folder, 'participant.sock')
    const { client, server } = await listening({}, { listen: `unix:${path}` })
    expect(server.address).toBe(`unix:${path}`)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(await answerOf((cb) => client.prepareBranch(preparing(1), cb))).toMatchObject({ vote: 1 })
  })

  it('isn’t begun where others could reach it, nor under a name or an address that is none', async () => {
    const open = (options: Partial<ListenOptions>) => listening({}, options)
    await expect(open({ listen: '0.0.0.0:0' })).rejects.toThrow(
      /0\.0\.0\.0:0, which can be reached from other/,
    )
    await expect(open({ listen: 'nowhere' })).rejects.toThrow(/expected HOST:PORT/)
    await expect(open({ name: 'No' })).rejects.toThrow(/not a participant's name/)
    const { server } = await open({})
    await expect(open({ listen: server.address })).rejects.toThrow(/another process listens there/)
    await open({ listen: '0.0.0.0:0', insecure: true })
  })
})
