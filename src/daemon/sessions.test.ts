/** Sessions as any client in any language would hold them: over the contract alone, against a daemon that runs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Limits } from '../base/limits.ts'
import type { SessionAdmission, SessionReply } from '../protocol/session-messages.ts'
import { connect } from '../sdk/client/index.ts'
import {
  attachParticipant,
  type BranchEnding,
  type Participant,
  type Vote,
  vote,
} from '../sdk/participant/index.ts'
import { transactionClient } from '../transport/grpc/harness.ts'
import {
  type OpenSessionResponse,
  SessionRequestBatch,
  type TransactionServiceClient,
} from '../wire/generated/pledged/v1/transaction_service.ts'
import { admissionFromProto, greetingToProto, sessionReplies } from '../wire/index.ts'
import { checkConfiguration } from './configuration.ts'
import { type Daemon, startDaemon } from './daemon.ts'
import { createLogger } from './logger.ts'

let folder: string
let closers: (() => unknown)[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pledged-sessions-'))
  closers = []
})

afterEach(async () => {
  for (const close of closers.toReversed()) await close()
  rmSync(folder, { recursive: true })
})

async function start(limits: Partial<Limits> = {}): Promise<Daemon> {
  const file = join(folder, 'pledged.yaml')
  writeFileSync(file, 'listen: 127.0.0.1:0\nhttp_listen: 127.0.0.1:0\ndata_dir: data\n')
  const configuration = checkConfiguration({ configFile: file }, {})
  const small = { lazyAppendDelayMs: 1, serverCloseTimeoutMs: 500, ...limits }
  const daemon = await startDaemon(
    { ...configuration, limits: { ...configuration.limits, ...small } },
    { logger: createLogger('error') },
  )
  closers.push(() => daemon.stop())
  return daemon
}

/** A database that the daemon knows, and that the application has a connection of its own to. */
class Ledger implements Participant {
  /** What its own connections prepared, and the application's. */
  readonly prepared = new Set<string>()
  readonly told: string[] = []

  async describe() {
    return { kind: 'ledger', resourceId: 'db-1', keepsWitnesses: false }
  }
  async prepare({ xid }: { readonly xid: string }): Promise<Vote> {
    this.prepared.add(xid)
    return vote.yes()
  }
  readonly commit = (xid: string) => this.#end('commit', xid)
  readonly abort = (xid: string) => this.#end('abort', xid)
  async listPrepared() {
    const branches = Array.from(this.prepared, (xid) => ({ xid, prepareTimeMs: 0 }))
    return { branches, nextPageToken: '' }
  }
  async close() {}

  async #end(verb: string, xid: string): Promise<BranchEnding> {
    this.told.push(`${verb} ${xid}`)
    this.prepared.delete(xid)
    return { result: 'done', message: '', evidence: 'none' }
  }
}

async function attach(daemon: Daemon, name = 'ledger'): Promise<Ledger> {
  const participant = new Ledger()
  const attached = Promise.withResolvers<void>()
  const attachment = attachParticipant({
    name,
    participant,
    address: daemon.grpcAddress,
    onEvent: ({ type }) => type === 'attached' && attached.resolve(),
  })
  closers.push(() => attachment.close())
  await attached.promise
  return participant
}

const BRANCH = { participant: 'ledger', resourceId: 'db-1', connectionId: '42' }

class Client {
  readonly stream: ReturnType<TransactionServiceClient['openSession']>
  readonly replies = new Map<number, SessionReply>()
  readonly #admission = Promise.withResolvers<SessionAdmission>()
  goodbye: string | undefined
  #lastCallId = 0
  #lastSequence = 0

  constructor(daemon: Daemon, clientId = '') {
    const client = transactionClient(daemon.grpcAddress)
    closers.push(() => client.close())
    this.stream = client.openSession()
    this.stream.on('error', () => {})
    this.stream.on('data', (message: OpenSessionResponse) => this.#received(message))
    this.stream.write({ body: { $case: 'hello', value: greetingToProto({ clientId, leaseSize: 256 }) } })
  }

  admitted(): Promise<SessionAdmission> {
    return this.#admission.promise
  }

  /** The next xid of the first lease. */
  async begin(): Promise<string> {
    const { logId, epoch, lease } = await this.admitted()
    this.#lastSequence = Math.max(this.#lastSequence + 1, lease.firstSequence)
    return `${logId}.${epoch}.${this.#lastSequence}`
  }

  /** The reply to the call, as what matters of it. */
  async ask(
    fields: (callId: number) => Parameters<typeof SessionRequestBatch.fromPartial>[0],
  ): Promise<string> {
    this.#lastCallId += 1
    const callId = this.#lastCallId
    this.stream.write({ body: { $case: 'batch', value: SessionRequestBatch.fromPartial(fields(callId)) } })
    await expect.poll(() => this.replies.has(callId)).toBe(true)
    const reply = this.replies.get(callId)
    if (reply?.type === 'answer') return `${reply.answer.xid} ${reply.answer.outcome}`
    return reply?.type === 'refusal' ? `${reply.error.code}: ${reply.error.message}` : String(reply?.type)
  }

  enlist(xid: string, branch = BRANCH): Promise<string> {
    return this.ask((callId) => ({ enlists: [{ callId, xid, branch }] }))
  }

  commit(xid: string, requestId = '', preparedBranches = [BRANCH]): Promise<string> {
    return this.ask((callId) => ({ commits: [{ callId, request: { xid, requestId, preparedBranches } }] }))
  }

  acknowledge(xid: string): void {
    const acknowledgements = [{ xid, participant: 'ledger', result: 1 as const }]
    this.stream.write({
      body: { $case: 'batch', value: SessionRequestBatch.fromPartial({ acknowledgements }) },
    })
  }

  async stateOf(xid: string): Promise<string> {
    const get = { key: { $case: 'xid' as const, value: xid } }
    await this.ask((callId) => ({ gets: [{ callId, request: get }] }))
    const reply = this.replies.get(this.#lastCallId)
    return reply?.type === 'answer' ? reply.answer.state : String(reply?.type)
  }

  #received({ body }: OpenSessionResponse): void {
    if (body?.$case === 'welcome') this.#admission.resolve(admissionFromProto(body.value))
    if (body?.$case === 'goodbye') this.goodbye = body.value.reason
    if (body?.$case !== 'batch') return
    for (const reply of sessionReplies(body.value)) {
      if (reply.type !== 'lease') this.replies.set(reply.callId, reply)
    }
  }
}

describe('a session over the contract', () => {
  it('commits a branch that the application prepared, and leaves its end to it', async () => {
    const daemon = await start()
    const ledger = await attach(daemon)
    const client = new Client(daemon)
    const xid = await client.begin()
    expect(await client.enlist(xid)).toBe('enlisted')
    expect(await client.commit(xid)).toBe(`${xid} committed`)
    client.acknowledge(xid)
    await expect.poll(() => client.stateOf(xid)).toBe('committed')
    expect(ledger.told).toEqual([])
  })

  it('has the daemon end what a lost client left: committed what was, aborted what was not', async () => {
    const daemon = await start()
    const ledger = await attach(daemon)
    const client = new Client(daemon)
    const [committed, enlisted] = [await client.begin(), await client.begin()]
    for (const xid of [committed, enlisted]) {
      expect(await client.enlist(xid)).toBe('enlisted')
      ledger.prepared.add(xid)
    }
    expect(await client.commit(committed)).toBe(`${committed} committed`)
    client.stream.cancel()
    await expect.poll(() => ledger.prepared.size).toBe(0)
    expect(ledger.told.toSorted()).toEqual([`abort ${enlisted}`, `commit ${committed}`])

    const next = new Client(daemon)
    await next.admitted()
    expect(await next.commit(enlisted)).toBe(`${enlisted} aborted`)
    expect(await next.stateOf(committed)).toBe('committed')
  })

  it('refuses alone what is wrong, and goes on', async () => {
    const daemon = await start()
    await attach(daemon)
    const client = new Client(daemon)
    const xid = await client.begin()
    expect(await client.enlist(xid, { ...BRANCH, resourceId: 'db-2' })).toMatch(
      /^INVALID_REQUEST: .*db-1.*db-2/,
    )
    expect(await client.enlist(xid, { ...BRANCH, participant: 'stock' })).toMatch(/^UNKNOWN_PARTICIPANT/)
    expect(await client.enlist('x')).toMatch(/^MALFORMED_XID/)
    expect(await client.enlist(xid)).toBe('enlisted')
    expect(await client.commit(xid, '', [])).toMatch(/^INVALID_REQUEST: prepared_branches \(none\)/)
    expect(await client.ask((callId) => ({ aborts: [{ callId, xid }] }))).toBe(`${xid} aborted`)
  })

  it('of a client that opens another ends, and its lost answer is had from that', async () => {
    const daemon = await start()
    await attach(daemon)
    const first = new Client(daemon, 'client-1')
    const xid = await first.begin()
    await first.enlist(xid)
    await first.commit(xid, 'r-1')
    const second = new Client(daemon, 'client-1')
    await second.admitted()
    await expect.poll(() => first.goodbye).toMatch(/newer session of this client/)
    expect(await second.commit(xid, 'r-1')).toBe(`${xid} committed`)
  })

  it('carries many executions at once, within what it may have under way', async () => {
    const daemon = await start({ sessionCallsMax: 64 })
    await attach(daemon)
    const client = new Client(daemon)
    const work = new Uint8Array(100)
    const executes = Array.from({ length: 1_000 }, (_, index) => ({
      callId: 10_000 + index,
      request: { requestId: `r-${index}`, branches: [{ participant: 'ledger', work }] },
    }))
    await client.admitted()
    client.stream.write({ body: { $case: 'batch', value: SessionRequestBatch.fromPartial({ executes }) } })
    await expect.poll(() => client.replies.size, { timeout: 30_000 }).toBe(1_000)
    const outcomes = Array.from(client.replies.values(), (reply) =>
      reply.type === 'answer' ? reply.answer.outcome : reply.type,
    )
    expect(new Set(outcomes)).toEqual(new Set(['committed']))
  })

  it('carries a request that is larger than a batch by itself', async () => {
    const daemon = await start()
    for (const name of ['left', 'middle', 'right']) await attach(daemon, name)
    await using coordinator = connect({ address: daemon.grpcAddress })
    const work = new Uint8Array(1_000_000)
    const branches = [
      { participant: 'left', work },
      { participant: 'middle', work },
    ] as const
    const executed = await coordinator.execute([...branches, { participant: 'right', work }])
    expect(executed.outcome).toBe('committed')
  })

  it('ends with a goodbye when the daemon stops, or has as many as it may', async () => {
    const daemon = await start({ sessionsMax: 1 })
    const client = new Client(daemon)
    await client.admitted()
    const oneTooMany = new Client(daemon)
    await expect.poll(() => oneTooMany.goodbye).toMatch(/limits.sessions \(1\) is reached/)
    await daemon.stop()
    await expect.poll(() => client.goodbye).toBe('the daemon is shutting down')
  })
})
