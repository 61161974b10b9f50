import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Metadata } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PledgedError } from '../../base/errors.ts'
import type { Answer } from '../../protocol/requests.ts'
import {
  AdminServiceService,
  type PauseParticipantResponse,
} from '../../wire/generated/pledged/v1/admin_service.ts'
import {
  BeginTransactionRequest,
  CommitTransactionRequest,
  ExecuteTransactionRequest,
  type ExecuteTransactionResponse,
  TransactionServiceService,
} from '../../wire/generated/pledged/v1/transaction_service.ts'
import { transactionFromProto } from '../../wire/index.ts'
import { called, committed, everyoneIs, refusalOf, type Served, serve, until, XID } from './harness.ts'

const executeRequest = ExecuteTransactionRequest.fromPartial({
  requestId: 'r-1',
  branches: [{ participant: 'sink', work: new Uint8Array([1, 2]) }],
})

const execute = (served: Served, request = executeRequest) =>
  called<ExecuteTransactionResponse>((callback) => served.client.executeTransaction(request, callback))

describe('TransactionService', () => {
  it('hands an execute on with its caller, its deadline and its trace, and answers what came of it', async () => {
    await using served = await serve({ authentication: everyoneIs('shop') })
    const metadata = new Metadata()
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    metadata.set('traceparent', traceparent)
    const response = await called<ExecuteTransactionResponse>((callback) =>
      served.client.executeTransaction(executeRequest, metadata, { deadline: Date.now() + 60_000 }, callback),
    )
    expect(response.replayed).toBe(true)
    expect(response.transaction && transactionFromProto(response.transaction)).toEqual(committed)
    expect(served.transactions.asked).toEqual([
      {
        verb: 'execute',
        request: {
          caller: 'shop',
          deadlineInMs: expect.closeTo(60_000, -4.5),
          traceparent,
          name: { requestId: 'r-1', attempt: 1 },
          branches: [{ participant: 'sink', work: new Uint8Array([1, 2]) }],
          waitFor: 'decision',
        },
      },
    ])
  })

  it('serves begin, commit, abort and get', async () => {
    await using served = await serve()
    const { client } = served
    await called((callback) => client.beginTransaction(BeginTransactionRequest.create(), callback))
    const commit = CommitTransactionRequest.fromPartial({ xid: XID })
    await called((callback) => client.commitTransaction(commit, callback))
    await called((callback) => client.abortTransaction({ xid: XID }, callback))
    await called((callback) => client.getTransaction({ key: { $case: 'requestId', value: 'r' } }, callback))
    const caller = 'anonymous'
    expect(served.transactions.asked).toMatchObject([
      { verb: 'begin', request: { caller } },
      { verb: 'commit', request: { caller, xid: XID, branches: [], waitFor: 'decision' } },
      { verb: 'abort', request: { caller, xid: XID } },
      { verb: 'get', request: { caller, requestId: 'r' } },
    ])
  })

  it('answers an error of the coordinator with its code and facts, and any other without its stack', async () => {
    await using served = await serve()
    const metadata = { xid: XID }
    served.transactions.answer = async () => {
      throw new PledgedError('TRANSACTION_DECIDED', 'commit was decided', { metadata })
    }
    await expect(execute(served)).rejects.toMatchObject({
      code: 'TRANSACTION_DECIDED',
      message: 'commit was decided',
      metadata,
    })
    served.transactions.answer = () => {
      throw new TypeError('a bug')
    }
    expect(await refusalOf(execute(served))).toBe('INTERNAL: a bug')
  })

  it('refuses what has not the shape of a request, and never asks the coordinator', async () => {
    await using served = await serve()
    const prepared = CommitTransactionRequest.fromPartial({
      xid: XID,
      preparedBranches: [{ participant: 'ledger' }],
    })
    const { client } = served
    expect(await refusalOf(called((callback) => client.commitTransaction(prepared, callback)))).toMatch(
      /^INVALID_REQUEST: prepared_branches .* only over OpenSession/,
    )
    expect(await refusalOf(called((callback) => client.abortTransaction({ xid: 'x' }, callback)))).toMatch(
      /^MALFORMED_XID: "x" is not an xid/,
    )
    expect(served.transactions.asked).toEqual([])
  })
})

describe('a daemon that is not simply running', () => {
  const commit = CommitTransactionRequest.fromPartial({ xid: XID })

  it('serves nobody before replay is done', async () => {
    await using served = await serve()
    served.setReady(new PledgedError('STARTING', 'the log is being replayed'))
    const { client, adminClient } = served
    const calls = [
      execute(served),
      called((callback) => client.getTransaction({ key: { $case: 'xid', value: XID } }, callback)),
      called((callback) => client.commitTransaction(commit, callback)),
      called((callback) => adminClient.getStatus({}, callback)),
    ]
    for (const call of calls) expect(await refusalOf(call)).toBe('STARTING: the log is being replayed')
    expect(served.transactions.asked).toEqual([])
  })

  it('refuses only what begins something new while it drains', async () => {
    await using served = await serve()
    served.setReady(new PledgedError('DRAINING', 'shutting down'))
    const { client, adminClient } = served
    expect(await refusalOf(execute(served))).toBe('DRAINING: shutting down')
    const begin = called((callback) => client.beginTransaction(BeginTransactionRequest.create(), callback))
    expect(await refusalOf(begin)).toBe('DRAINING: shutting down')
    await called((callback) => client.commitTransaction(commit, callback))
    await called((callback) => client.abortTransaction({ xid: XID }, callback))
    await called((callback) => adminClient.getStatus({}, callback))
    expect(served.transactions.asked.map(({ verb }) => verb)).toEqual(['commit', 'abort'])
  })
})

describe('AdminService', () => {
  it('serves what its handlers cover', async () => {
    await using served = await serve()
    const { adminClient } = served
    expect(await called((callback) => adminClient.getStatus({}, callback))).toMatchObject({ inFlight: 3 })
    const list = {
      pageSize: 1,
      pageToken: 't',
      states: [],
      participant: '',
      inDoubt: false,
      heuristic: false,
      minAge: undefined,
      includeEnded: false,
    }
    expect(await called((callback) => adminClient.listTransactions(list, callback))).toMatchObject({
      nextPageToken: 'after t',
    })
    const refused = called((callback) =>
      adminClient.listParticipants({ pageSize: 0, pageToken: 'x' }, callback),
    )
    expect(await refusalOf(refused)).toBe('INVALID_REQUEST: page_token is not one of ours')
  })

  it('tells who orders, and what they said of themselves', async () => {
    await using served = await serve()
    const { adminClient } = served
    const whoPauses = async (said?: string) => {
      const metadata = new Metadata()
      if (said !== undefined) metadata.set('pledged-operator', said)
      const answer = await called<PauseParticipantResponse>((callback) =>
        adminClient.pauseParticipant({ participant: 'sink', reason: 'it is late' }, metadata, callback),
      )
      return answer.participant?.pause?.who
    }
    expect(await whoPauses()).toBe('anonymous')
    expect(await whoPauses('root@db1')).toBe('anonymous (root@db1)')
    expect(await whoPauses('two words')).toBe('anonymous')
    expect(await whoPauses('x'.repeat(101))).toBe('anonymous')
  })

  const unserved = Object.values(AdminServiceService).filter(({ path }) =>
    /WatchTransactions|SetLogLevel/.test(path),
  )
  it.each(unserved)('refuses $path with a sentence', async ({ path, responseStream }) => {
    await using served = await serve()
    const { adminClient } = served
    const bytes = (value: Buffer) => value
    const refused = responseStream
      ? new Promise((_, reject) => {
          const stream = adminClient.makeServerStreamRequest(path, bytes, bytes, Buffer.alloc(0))
          stream.on('error', reject)
          stream.resume()
        })
      : called((callback) =>
          adminClient.makeUnaryRequest(path, bytes, bytes, Buffer.alloc(0), (error, value) =>
            callback(error, value),
          ),
        )
    await expect(refused).rejects.toThrow(/isn't served by this version: \w+/)
    expect(unserved).toHaveLength(2)
  })
})

describe('what clients do wrong', () => {
  const { path, responseDeserialize } = TransactionServiceService.executeTransaction

  const sendBytes = (served: Served, bytes: Buffer) =>
    called((callback) =>
      served.client.makeUnaryRequest(
        path,
        (value: Buffer) => value,
        responseDeserialize,
        bytes,
        (error, value) => callback(error, value),
      ),
    )

  it('bytes that are no message are refused, and the next request is served', async () => {
    await using served = await serve()
    expect(await refusalOf(sendBytes(served, Buffer.from([0xff, 0xff, 0xff])))).toMatch(
      /^INVALID_REQUEST: the bytes of the message/,
    )
    expect(served.transactions.asked).toEqual([])
    expect((await execute(served)).replayed).toBe(true)
  })

  it('a message over the limit is refused, and the next request is served', async () => {
    await using served = await serve({ limits: { messageBytesMax: 1_000, workBytesMax: 1_000 } })
    expect(await refusalOf(sendBytes(served, Buffer.alloc(100_000)))).toMatch(
      /^LIMIT_REACHED: .*larger than max.*limits\.message_bytes is 1000$/,
    )
    expect((await execute(served)).replayed).toBe(true)
  })

  it('a work of limits.workBytesMax fits, whatever the limit of messages', async () => {
    await using served = await serve({ limits: { messageBytesMax: 1_000, workBytesMax: 100_000 } })
    const branches = [{ participant: 'sink', work: new Uint8Array(100_000) }]
    const request = ExecuteTransactionRequest.fromPartial({ branches })
    expect((await execute(served, request)).replayed).toBe(true)
  })

  it('a client that resets its call before the answer harms nobody', async () => {
    await using served = await serve()
    const late = Promise.withResolvers<Answer>()
    served.transactions.answer = () => late.promise
    const call = served.client.executeTransaction(executeRequest, () => {})
    await until(() => served.transactions.asked.length === 1)
    call.cancel()
    served.transactions.answer = async () => ({ transaction: committed, replayed: false })
    await execute(served)
    late.resolve({ transaction: committed, replayed: false })
    expect((await execute(served)).replayed).toBe(false)
  })

  it('a connection that is destroyed in the middle of a message harms nobody', async () => {
    await using served = await serve()
    const session = connectHttp2(`http://${served.server.address}`)
    session.on('error', () => {})
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.on('error', () => {})
    await new Promise((resolve) => stream.write(Buffer.from([0, 0, 0, 1, 0, 1]), resolve))
    session.destroy()
    expect((await execute(served)).replayed).toBe(true)
  })

  it('one that speaks no HTTP/2 harms nobody', async () => {
    await using served = await serve()
    const socket = connect(Number(served.server.address.split(':')[1]), '127.0.0.1')
    const ended = new Promise((resolve) => socket.on('close', resolve))
    socket.on('error', () => {})
    socket.end('GET / HTTP/1.1\r\n\r\n')
    socket.resume()
    await ended
    expect((await execute(served)).replayed).toBe(true)
  })

  it('a deadline that has passed on the way runs nothing', async () => {
    await using served = await serve()
    const body = Buffer.from(ExecuteTransactionRequest.encode(executeRequest).finish())
    const frame = Buffer.alloc(5 + body.length)
    frame.writeUInt32BE(body.length, 1)
    body.copy(frame, 5)
    const session = connectHttp2(`http://${served.server.address}`)
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': '1n',
    })
    const status = new Promise((resolve) => {
      const read = (headers: Record<string, unknown>) => {
        if (headers['grpc-status'] !== undefined) resolve(headers['grpc-status'])
      }
      stream.on('response', read)
      stream.on('trailers', read)
    })
    stream.end(frame)
    stream.resume()
    expect(await status).toBe('4')
    session.close()
    expect(served.transactions.asked).toEqual([])
  })
})

describe('the address', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pledged-grpc-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('is served on a socket that only its owner can use, and gone at the end', async () => {
    const path = join(folder, 'socket')
    const umask = process.umask()
    const served = await serve({ listen: `unix:${path}` })
    expect(served.server.address).toBe(`unix:${path}`)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(process.umask()).toBe(umask)
    expect((await execute(served)).replayed).toBe(true)
    await served.close()
    expect(existsSync(path)).toBe(false)
  })

  it('replaces a socket that a killed process has left', async () => {
    const path = join(folder, 'socket')
    const killed = spawnSync(process.execPath, [
      '-e',
      `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
    ])
    expect(killed.signal).toBe('SIGKILL')
    expect(statSync(path).isSocket()).toBe(true)
    await using served = await serve({ listen: `unix:${path}` })
    expect((await execute(served)).replayed).toBe(true)
  })

  it('leaves a socket alone on which somebody listens, and a file that is none', async () => {
    const path = join(folder, 'socket')
    await using first = await serve({ listen: `unix:${path}` })
    expect(await refusalOf(serve({ listen: `unix:${path}` }))).toMatch(
      /^CONFIGURATION: can't listen on unix:.*another process listens on it/,
    )
    expect((await execute(first)).replayed).toBe(true)
    const file = join(folder, 'file')
    writeFileSync(file, 'precious')
    expect(await refusalOf(serve({ listen: `unix:${file}` }))).toMatch(/it exists and is not a socket/)
    expect(existsSync(file)).toBe(true)
    chmodSync(file, 0o600)
  })

  it('says what is wrong with an address', async () => {
    await using first = await serve()
    expect(await refusalOf(serve({ listen: first.server.address }))).toBe(
      `CONFIGURATION: can't listen on ${first.server.address}: another process listens there; stop it, or choose another port`,
    )
    const cases = [
      ['7420', /expected HOST:PORT/],
      ['localhost:99999', /expected HOST:PORT/],
      ['unix:', /without a path/],
      [`unix:${'x'.repeat(200)}`, /bytes; the system takes 107/],
      ['192.0.2.1:1', /can't listen on 192.0.2.1:1: this machine has no such address/],
      [`unix:${folder}/no/such`, /its folder does not exist, or/],
    ] as const
    for (const [listen, sentence] of cases) {
      const text = await refusalOf(serve({ listen }))
      expect(text).toMatch(/^CONFIGURATION: /)
      expect(text).toMatch(sentence)
    }
  })

  it('of IPv6 is written in brackets', async () => {
    const served = await serve({ listen: '[::1]:0' }).catch((error: unknown) => error)
    // A machine without IPv6 says so.
    if (served instanceof PledgedError) expect(served.message).toMatch(/can't listen on \[::1\]:0/)
    else {
      await using six = served as Served
      expect(six.server.address).toMatch(/^\[::1\]:[1-9]/)
      expect((await execute(six)).replayed).toBe(true)
    }
  })
})

describe('close', () => {
  it('lets a call under way end, takes no other, and can be called twice', async () => {
    const served = await serve({ limits: { serverCloseTimeoutMs: 60_000 } })
    const late = Promise.withResolvers<Answer>()
    served.transactions.answer = () => late.promise
    const underWay = execute(served)
    await until(() => served.transactions.asked.length === 1)
    const closed = Promise.all([served.server.close(), served.server.close()])
    late.resolve({ transaction: committed, replayed: false })
    expect((await underWay).replayed).toBe(false)
    await closed
    expect(await refusalOf(execute(served))).toMatch(
      /^UNAVAILABLE: .*can't be reached \(connection refused\)/,
    )
    await served.close()
  })

  it('cuts what does not end in time', async () => {
    const served = await serve({ limits: { serverCloseTimeoutMs: 20 } })
    served.transactions.answer = () => new Promise(() => {})
    const underWay = execute(served)
    await until(() => served.transactions.asked.length === 1)
    await served.server.close()
    expect(await refusalOf(underWay)).toMatch(/^(UNAVAILABLE|OUTCOME_UNKNOWN): /)
    await served.close()
  })

  it('leaves its address to another server at once', async () => {
    const first = await serve()
    const listen = first.server.address
    await execute(first)
    await first.close()
    await using second = await serve({ listen })
    expect(second.server.address).toBe(listen)
    expect((await execute(second)).replayed).toBe(true)
  })
})
