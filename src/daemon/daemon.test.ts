import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batch, stored } from '../embedding/test-sink-and-offsets.ts'
import { type Coordinator, connect } from '../sdk/client/index.ts'
import {
  type Attachment,
  attachParticipant,
  type BranchEnding,
  type Participant,
  type Vote,
  vote,
} from '../sdk/participant/index.ts'
import { type Configuration, checkConfiguration } from './configuration.ts'
import { type Daemon, type StartOptions, startDaemon } from './daemon.ts'
import { drainedSentence } from './run-daemon.ts'

let folder: string
let lines: Record<string, unknown>[]
let running: (Daemon | Coordinator | Attachment)[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pledged-daemon-'))
  lines = []
  running = []
  const sink = new DatabaseSync(join(folder, 'sink.db'))
  sink.exec('CREATE TABLE event (id INTEGER PRIMARY KEY, text TEXT)')
  sink.close()
})

afterEach(async () => {
  for (const part of running.toReversed()) await ('stop' in part ? part.stop() : part.close())
  rmSync(folder, { recursive: true })
})

const PARTICIPANTS = `participants:
  - { name: sink, kind: sqlite, file: sink.db }
  - { name: offsets, kind: offsets, file: offsets.db }
`

function configure(more = ''): Configuration {
  const file = join(folder, 'pledged.yaml')
  writeFileSync(file, `listen: 127.0.0.1:0\nhttp_listen: 127.0.0.1:0\ndata_dir: data\n${PARTICIPANTS}${more}`)
  const { limits, ...configuration } = checkConfiguration({ configFile: file }, {})
  return { ...configuration, limits: { ...limits, lazyAppendDelayMs: 1, serverCloseTimeoutMs: 500 } }
}

const logger = pino(
  { level: 'trace', base: null, messageKey: 'message' },
  { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) },
)

async function start(configuration = configure(), options: StartOptions = {}): Promise<Daemon> {
  const daemon = await startDaemon(configuration, { logger, ...options })
  running.push(daemon)
  return daemon
}

function client(daemon: Daemon): Coordinator {
  const coordinator = connect({ address: daemon.grpcAddress, timeoutMs: 10_000 })
  running.push(coordinator)
  return coordinator
}

async function probe(
  daemon: Daemon,
  path: string,
  method = 'GET',
): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://${daemon.httpAddress}${path}`, { method })
  return { status: response.status, text: await response.text() }
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** A participant in this process, attached from outside, whose verbs wait for the test. */
class Held implements Participant {
  readonly prepared = Promise.withResolvers<void>()
  readonly vote = Promise.withResolvers<void>()
  readonly decided = Promise.withResolvers<void>()
  readonly decision = Promise.withResolvers<void>()

  async describe() {
    return { kind: 'held', resourceId: 'held-1', keepsWitnesses: false }
  }
  async prepare(): Promise<Vote> {
    this.prepared.resolve()
    await this.vote.promise
    return vote.yes()
  }
  async commit(): Promise<BranchEnding> {
    this.decided.resolve()
    await this.decision.promise
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

async function attach(daemon: Daemon, participant: Participant): Promise<void> {
  const attached = Promise.withResolvers<void>()
  const attachment = attachParticipant({
    name: 'held',
    participant,
    address: daemon.grpcAddress,
    onEvent: ({ type }) => type === 'attached' && attached.resolve(),
  })
  running.push(attachment)
  await attached.promise
}

describe('startDaemon', () => {
  it('commits across its participants, and goes on from its log after a restart', async () => {
    const first = await start()
    const { xid, outcome } = await client(first).execute(batch(0, 3), {
      requestId: 'one',
      waitFor: 'completion',
    })
    expect(outcome).toBe('committed')
    expect(await client(first).execute(batch(0, 3), { requestId: 'two' })).toMatchObject({
      outcome: 'aborted',
    })
    expect(await first.drain()).toEqual({ undelivered: 0, aborted: 0, inDoubt: 0, owing: [], away: [] })
    await first.stop()
    expect(stored(folder)).toEqual({ rows: 3, offset: 3 })

    const second = await start()
    expect(await client(second).get({ xid })).toMatchObject({ state: 'committed', outcome: 'committed' })
    expect(await client(second).execute(batch(0, 3), { requestId: 'one' })).toMatchObject({
      xid,
      outcome: 'committed',
    })
    expect(await client(second).execute(batch(3, 5), { requestId: 'three' })).toMatchObject({
      outcome: 'committed',
    })
    const started = lines.filter(({ message }) => message === 'started')
    expect(started).toHaveLength(2)
    expect(started[0]?.['log_id']).toBe(started[1]?.['log_id'])
    expect(started.map(({ epoch }) => String(epoch).split('-')[0])).toEqual(['1', '2'])
    await second.stop()
    expect(stored(folder)).toEqual({ rows: 5, offset: 5 })
  })

  it('refuses a data directory that is in use, and leaves its owner alone', async () => {
    const first = await start()
    await expect(start()).rejects.toMatchObject({ code: 'LOG_IN_USE' })
    expect(await client(first).execute(batch(0, 1))).toMatchObject({ outcome: 'committed' })
  })

  it('refuses a data directory that is a file', async () => {
    writeFileSync(join(folder, 'data'), 'not a log')
    await expect(start()).rejects.toMatchObject({
      code: 'LOG_UNREADABLE',
      message: expect.stringContaining('data'),
    })
  })

  it('refuses a port in use, and puts away all that it had opened', async () => {
    const other = createServer()
    const port = await listening(other)
    const address = { kind: 'tcp', host: '127.0.0.1', port } as const
    for (const setting of [{ listen: address }, { httpListen: address }]) {
      await expect(start({ ...configure(), ...setting })).rejects.toMatchObject({
        code: 'CONFIGURATION',
        message: expect.stringMatching(new RegExp(`127.0.0.1:${port}.*another process listens there`)),
      })
    }
    other.close()
    const daemon = await start()
    expect(await client(daemon).execute(batch(0, 1))).toMatchObject({ outcome: 'committed' })
  })

  it('listens on unix sockets, and leaves alone one on which another daemon listens', async () => {
    const configuration = {
      ...configure(),
      listen: { kind: 'unix', path: join(folder, 'grpc.sock') },
      httpListen: { kind: 'unix', path: join(folder, 'http.sock') },
    } as const
    const daemon = await start(configuration)
    expect(daemon.httpAddress).toBe(`unix:${folder}/http.sock`)
    expect(await client(daemon).execute(batch(0, 1))).toMatchObject({ outcome: 'committed' })
    await expect(start({ ...configuration, dataDirectory: join(folder, 'other') })).rejects.toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringContaining('another process listens on it'),
    })
  })

  it('serves without a participant that can not be started, and says why', async () => {
    mkdirSync(join(folder, 'offsets.db'))
    const daemon = await start()
    expect(lines).toContainEqual(
      expect.objectContaining({
        participant: 'offsets',
        message: 'participant can not be started',
        reason: expect.stringContaining('offsets.db'),
      }),
    )
    await expect(client(daemon).execute(batch(0, 1))).rejects.toMatchObject({ code: 'UNKNOWN_PARTICIPANT' })
    rmSync(join(folder, 'offsets.db'), { recursive: true })
    await expect
      .poll(() => daemon.inspection.status().participants.filter(({ up }) => up).length, { timeout: 20_000 })
      .toBe(2)
    expect(await client(daemon).execute(batch(0, 1))).toMatchObject({ outcome: 'committed' })
  })
})

describe('probes', () => {
  it('say what they are for', async () => {
    const daemon = await start()
    expect(await probe(daemon, '/livez')).toEqual({ status: 200, text: 'ok\n' })
    expect(await probe(daemon, '/readyz?verbose')).toEqual({ status: 200, text: 'ok\n' })
    expect(await probe(daemon, '/metrics')).toMatchObject({
      status: 404,
      text: expect.stringContaining('/livez or /readyz'),
    })
    expect(await probe(daemon, '/readyz', 'POST')).toMatchObject({ status: 405 })
  })

  it('answer 503 with the reason while the daemon drains', async () => {
    const daemon = await start()
    await daemon.drain()
    expect(await probe(daemon, '/readyz')).toEqual({ status: 503, text: 'the daemon is shutting down\n' })
    expect(await probe(daemon, '/livez')).toMatchObject({ status: 200 })
  })
})

describe('drain', () => {
  function drainIn(drainTimeoutMs: number): Configuration {
    const configuration = configure()
    return { ...configuration, limits: { ...configuration.limits, drainTimeoutMs } }
  }

  it('lets a transaction in flight commit, and refuses new ones', async () => {
    const held = new Held()
    const daemon = await start(drainIn(30_000))
    await attach(daemon, held)
    const coordinator = client(daemon)
    const inFlight = coordinator.execute([...batch(0, 2), { participant: 'held', work: '' }])
    await held.prepared.promise
    const drained = daemon.drain()
    await expect(coordinator.execute(batch(2, 3), { timeoutMs: 1_000 })).rejects.toMatchObject({
      status: 'UNAVAILABLE',
    })
    held.vote.resolve()
    held.decision.resolve()
    expect(await inFlight).toMatchObject({ outcome: 'committed' })
    expect(await drained).toMatchObject({ undelivered: 0, aborted: 0, inDoubt: 0 })
    await daemon.stop()
    expect(stored(folder)).toEqual({ rows: 2, offset: 2 })
  })

  it('aborts what has no decision when its time is over', async () => {
    const held = new Held()
    const daemon = await start(drainIn(1_000))
    await attach(daemon, held)
    const inFlight = client(daemon).execute([...batch(0, 2), { participant: 'held', work: '' }])
    await held.prepared.promise
    expect(await daemon.drain()).toMatchObject({ aborted: 1 })
    expect(await inFlight).toMatchObject({ outcome: 'aborted', cause: 'drain' })
    held.vote.resolve()
    await daemon.stop()
    expect(stored(folder)).toEqual({ rows: 0, offset: 0 })
  })

  it('reports what a participant that went away was not told, and tells it after the next start', async () => {
    const held = new Held()
    held.vote.resolve()
    const daemon = await start(drainIn(1_000))
    await attach(daemon, held)
    const executed = client(daemon).execute([...batch(0, 2), { participant: 'held', work: '' }])
    await held.decided.promise
    expect(await executed).toMatchObject({ outcome: 'committed' })
    const drained = await daemon.drain()
    expect(drained).toEqual({ undelivered: 1, aborted: 0, inDoubt: 1, owing: ['held'], away: [] })
    expect(drainedSentence(drained, '/data')).toMatch(
      /^1 decision is still undelivered \(held\): keep the data directory \/data/,
    )
    await daemon.stop()

    const after = await start(drainIn(1_000))
    expect(await after.drain()).toMatchObject({ undelivered: 1, owing: ['held'], away: ['held'] })
    await after.stop()
    const last = await start(drainIn(30_000))
    held.decision.resolve()
    await attach(last, held)
    await expect.poll(() => last.inspection.status().inDoubt, { timeout: 30_000 }).toBe(0)
    expect(drainedSentence(await last.drain(), '/data')).toMatch(
      /^every decision was delivered: .*may be deleted/,
    )
  })

  it('does not call the data directory dispensable while a participant is away', () => {
    const drained = { undelivered: 0, aborted: 0, inDoubt: 0, owing: [], away: ['a', 'b'] }
    expect(drainedSentence(drained, '/data')).toMatch(/a, b may hold branches .* keep the data directory/)
  })
})

describe('a broken pledge', () => {
  it('is told when it is found, and again at every start', async () => {
    const held = new Held()
    held.vote.resolve()
    held.commit = async () => ({ result: 'broken', message: 'rolled back by hand', evidence: 'none' })
    const daemon = await start()
    await attach(daemon, held)
    const { xid } = await client(daemon).execute([...batch(0, 2), { participant: 'held', work: '' }])
    await expect.poll(() => daemon.inspection.status().heuristics, { timeout: 20_000 }).toBe(1)
    const told = expect.objectContaining({
      level: 50,
      xid,
      participant: 'held',
      reason: 'rolled back by hand',
    })
    expect(lines).toContainEqual(told)
    await daemon.stop()
    lines = []
    const after = await start()
    expect(lines).toContainEqual(told)
    expect(after.inspection.status().heuristics).toBe(1)
  })
})

describe('a log that fails', () => {
  it('poisons the daemon: nothing is decided, and every way to ask says so', async () => {
    // One batch for each participant's record; the third is the first decision.
    const daemon = await start(configure(), { logFaults: { batchesBeforeDeath: 3 } })
    const coordinator = client(daemon)
    await expect(coordinator.execute(batch(0, 1), { timeoutMs: 2_000 })).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    })
    expect(await daemon.failed).toMatchObject({ code: 'LOG_UNWRITABLE' })
    expect(await probe(daemon, '/readyz')).toMatchObject({
      status: 503,
      text: expect.stringMatching(/^[^\n]+\n$/),
    })
    expect(await probe(daemon, '/livez')).toMatchObject({ status: 200 })
    expect(daemon.inspection.status().logFailure).toMatchObject({ code: 'LOG_UNWRITABLE' })
    // A try that the deadline cuts short may have run: the refusal shows where the deadline meets a pause.
    const refusal = () =>
      coordinator.execute(batch(1, 2), { timeoutMs: 300 }).catch((error: unknown) => error)
    await expect.poll(refusal, { timeout: 20_000 }).toMatchObject({ code: 'LOG_UNWRITABLE' })
    expect(lines.filter(({ level }) => level === 60)).toHaveLength(1)
    const drained = await daemon.drain()
    expect(drained.inDoubt).toBeGreaterThanOrEqual(1)
    await daemon.stop()

    const after = await start()
    await expect.poll(() => after.inspection.status().inDoubt, { timeout: 30_000 }).toBe(0)
    await after.stop()
    const { rows, offset } = stored(folder)
    expect(rows).toBe(offset)
  })
})
