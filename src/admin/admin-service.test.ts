import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import { defaultLimits, type Limits } from '../base/limits.ts'
import { systemClock, systemRandom, systemTimers } from '../base/ports.ts'
import { Coordinator } from '../coordinator/coordinator.ts'
import type { CoordinatorInspection, ParticipantView, StatusView } from '../coordinator/views.ts'
import { MemoryDisk, MemoryLog } from '../log/memory/index.ts'
import { ParticipantHost } from '../sdk/participant/host.ts'
import { type BranchEnding, type Participant, vote } from '../sdk/participant/participant.ts'
import { MemoryDialer } from '../transport/memory/index.ts'
import {
  ListParticipantsRequest,
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../wire/generated/pledged/v1/admin_service.ts'
import * as proto from '../wire/generated/pledged/v1/participant.ts'
import { State } from '../wire/generated/pledged/v1/transaction.ts'
import { AdminService } from './admin-service.ts'

/** Votes yes, and takes decisions only while it is told to. */
class Switch implements Participant {
  readonly #name: string
  #open = Promise.withResolvers<void>()

  constructor(name: string) {
    this.#name = name
    this.#open.resolve()
  }

  shut(): void {
    this.#open = Promise.withResolvers()
  }
  release(): void {
    this.#open.resolve()
  }
  async describe() {
    return { kind: 'switch', resourceId: `resource-${this.#name}`, keepsWitnesses: false }
  }
  async prepare() {
    return vote.yes()
  }
  async commit(): Promise<BranchEnding> {
    await this.#open.promise
    return { result: 'done', message: '', evidence: 'none' }
  }
  async abort(): Promise<BranchEnding> {
    return { result: 'done', message: '', evidence: 'none' }
  }
  async listPrepared() {
    return { branches: [], nextPageToken: '' }
  }
  async close() {}
}

const limits: Limits = { ...defaultLimits, lazyAppendDelayMs: 1 }
let sink: Switch
let coordinator: Coordinator
let admin: AdminService

function make(names: Readonly<Record<string, Participant>>, pageBytes?: number): void {
  coordinator = new Coordinator({
    log: new MemoryLog({ disk: new MemoryDisk() }),
    limits,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    dialers: Object.entries(names).map(
      ([name, participant]) =>
        new MemoryDialer({ name, host: () => new ParticipantHost({ name, participant }) }),
    ),
  })
  admin = new AdminService({
    inspection: coordinator,
    operators: coordinator,
    version: '1.2.3',
    ...(pageBytes === undefined ? {} : { limits: { batchBytesMax: pageBytes } }),
  })
}

async function serve(): Promise<void> {
  await coordinator.start()
  await expect
    .poll(() => coordinator.status().participants.map(({ state }) => state), { timeout: 10_000 })
    .toEqual(['settled', 'settled'])
}

function execute(): Promise<unknown> {
  const work = new Uint8Array()
  const branches = ['sink', 'offsets'].map((participant) => ({ participant, work }))
  return coordinator.execute({ caller: 'test', branches, waitFor: 'decision' })
}

const list = (request: Partial<ListTransactionsRequest>) =>
  admin.listTransactions(ListTransactionsRequest.fromPartial(request))

beforeEach(() => {
  sink = new Switch('sink')
  make({ sink, offsets: new Switch('offsets') })
})

afterEach(async () => {
  sink.release()
  await coordinator.stop()
})

describe('GetStatus', () => {
  it('is refused before the log is replayed', async () => {
    await expect(admin.getStatus()).rejects.toMatchObject({ code: 'STARTING' })
  })

  it('says what the coordinator knows', async () => {
    await serve()
    sink.shut()
    await execute()
    const status = await admin.getStatus()
    expect(status).toMatchObject({
      version: '1.2.3',
      inFlight: 0,
      inDoubt: 1,
      heuristics: 0,
      draining: false,
      logFailure: undefined,
      committed: 1n,
      aborted: 0n,
    })
    expect(status.logId).toMatch(/^[0-9a-z]{12}$/)
    expect(status.epoch).toMatch(/^1-[0-9a-z]{4}$/)
    expect(status.forcedWrites).toBeGreaterThanOrEqual(1n)
    expect(status.oldestInDoubt?.seconds).toBe(0n)
    expect(status.participants.find(({ name }) => name === 'sink')).toMatchObject({
      kind: 'switch',
      resourceId: 'resource-sink',
      link: proto.ParticipantLink.DIALLED,
      up: true,
      state: proto.ParticipantState.SETTLED,
      inDoubt: 1,
    })
    sink.release()
    await expect.poll(async () => (await admin.getStatus()).inDoubt).toBe(0)
  })
})

describe('ListTransactions', () => {
  it('pages through what is unfinished, then what has ended', async () => {
    await serve()
    for (let index = 0; index < 3; index += 1) await execute()
    await expect.poll(async () => (await list({ includeEnded: true })).transactions.length).toBe(3)
    await expect.poll(async () => (await list({})).totalUnfinished).toBe(0)
    sink.shut()
    for (let index = 0; index < 2; index += 1) await execute()
    const states: number[] = []
    let pageToken = ''
    do {
      const page = await list({ pageSize: 2, pageToken, includeEnded: true })
      expect(page.totalUnfinished).toBe(2)
      states.push(...page.transactions.map(({ state }) => state))
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    expect(states).toEqual([
      State.COMMITTING,
      State.COMMITTING,
      State.COMMITTED,
      State.COMMITTED,
      State.COMMITTED,
    ])
  })

  it('filters', async () => {
    await serve()
    sink.shut()
    await execute()
    expect((await list({ inDoubt: true })).transactions).toHaveLength(1)
    expect((await list({ states: [State.PREPARING] })).transactions).toEqual([])
    expect((await list({ states: [State.PREPARING, State.COMMITTING] })).transactions).toHaveLength(1)
    expect((await list({ participant: 'offsets' })).transactions).toHaveLength(1)
    expect((await list({ participant: 'other' })).transactions).toEqual([])
    expect((await list({ minAge: { seconds: 3600n, nanos: 0 } })).transactions).toEqual([])
    expect((await list({ heuristic: true })).transactions).toEqual([])
  })

  it('makes a page shorter that one message could not carry, and loses nothing', async () => {
    make({ sink, offsets: new Switch('offsets') }, 1_500)
    await serve()
    sink.shut()
    for (let index = 0; index < 12; index += 1) await execute()
    const xids: string[] = []
    let pages = 0
    let pageToken = ''
    do {
      const page = await list({ pageToken })
      expect(ListTransactionsResponse.encode(page).finish().byteLength).toBeLessThanOrEqual(1_500)
      xids.push(...page.transactions.map(({ xid }) => xid))
      pageToken = page.nextPageToken
      pages += 1
    } while (pageToken !== '')
    expect(new Set(xids).size).toBe(12)
    expect(xids).toHaveLength(12)
    expect(pages).toBeGreaterThan(1)
  })

  it.each([
    [{ pageSize: -1 }, /page_size is -1/],
    [{ pageToken: 'page 2' }, /page_token/],
    [{ states: [State.UNSPECIFIED] }, /states\[0\] is 0/],
    [{ states: [State.ACTIVE, 99 as State] }, /states\[1\] is 99/],
    [{ participant: 'No Such Name' }, /participant is "No Such Name"/],
    [{ minAge: { seconds: -1n, nanos: 0 } }, /min_age is negative/],
    [{ minAge: { seconds: 1n, nanos: -1 } }, /min_age/],
  ])('refuses %o', async (request, told) => {
    await serve()
    await expect(list(request)).rejects.toThrowError(told)
    await expect(list(request)).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  })
})

describe('ListParticipants', () => {
  const view = (name: string): ParticipantView => ({
    name,
    kind: '',
    resourceId: '',
    keepsWitnesses: true,
    link: 'attached',
    up: false,
    state: 'backing_off',
    inDoubt: 5_000_000_000,
    oldestInDoubtTimeMs: Date.now() + 60_000,
    foreignBranches: 0,
    foreignBranchesOfLivingLogs: 0,
    lastError: 'x'.repeat(5_000),
    failures: 3,
    nextTryTimeMs: 1_000,
  })

  function over(names: readonly string[]): AdminService {
    const status = { participants: names.map(view) } as unknown as StatusView
    const notAsked = () => Promise.reject(new PledgedError('INTERNAL', 'not asked'))
    const inspection: CoordinatorInspection = {
      status: () => status,
      listTransactions: notAsked,
      compareBranches: notAsked,
      audit: () => [],
      get: notAsked,
    }
    return new AdminService({ inspection, operators: { operate: notAsked }, version: '' })
  }

  it('pages by name', async () => {
    const service = over(['c', 'a', 'd', 'b'])
    const names: string[][] = []
    let pageToken = ''
    do {
      const page = await service.listParticipants(
        ListParticipantsRequest.fromPartial({ pageSize: 3, pageToken }),
      )
      names.push(page.participants.map(({ name }) => name))
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    expect(names).toEqual([['a', 'b', 'c'], ['d']])
  })

  it('bounds what it shows', async () => {
    const { participants } = await over(['a']).listParticipants(ListParticipantsRequest.fromPartial({}))
    expect(participants[0]).toMatchObject({
      state: proto.ParticipantState.BACKING_OFF,
      link: proto.ParticipantLink.ATTACHED,
      inDoubt: 2_147_483_647,
      oldestInDoubt: { seconds: 0n, nanos: 0 },
      nextTryTime: new Date(1_000),
    })
    expect(participants[0]?.lastError).toHaveLength(1_024)
  })

  it.each([[{ pageSize: -5 }], [{ pageToken: 'Not A Name' }]])('refuses %o', async (request) => {
    await expect(
      over(['a']).listParticipants(ListParticipantsRequest.fromPartial(request)),
    ).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  })
})
