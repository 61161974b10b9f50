import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type Branches, connect } from '../sdk/client/index.ts'
import { type BranchEnding, type Participant, type Vote, vote } from '../sdk/participant/index.ts'
import { type EmbeddedCoordinator, type OpenCoordinatorOptions, openCoordinator } from './index.ts'
import { batch, stored } from './test-sink-and-offsets.ts'

let folder: string
let open: EmbeddedCoordinator[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pledged-embedded-'))
  open = []
  const sink = new DatabaseSync(join(folder, 'sink.db'))
  sink.exec('CREATE TABLE event (id INTEGER PRIMARY KEY, text TEXT)')
  sink.close()
})

afterEach(async () => {
  for (const coordinator of open) await coordinator.close()
  rmSync(folder, { recursive: true })
})

/** In this process; keeps what it has pledged for as long as the test has it. */
class Shelf implements Participant {
  readonly pledged = new Map<string, string>()
  readonly stored: string[] = []
  readonly seen: Uint8Array[] = []
  /** Called for each prepare, and waited for. */
  voting: (() => Promise<void>) | undefined
  /** Called for each commit, and waited for. */
  committing: (() => Promise<void>) | undefined
  answersUnknown = false
  missing: string | undefined
  closed = 0

  async describe() {
    if (this.missing !== undefined) throw new Error(this.missing)
    return { kind: 'shelf', resourceId: 'shelf-1', keepsWitnesses: false }
  }
  async prepare({ xid, work }: { readonly xid: string; readonly work: Uint8Array }): Promise<Vote> {
    this.seen.push(work)
    await this.voting?.()
    const text = new TextDecoder().decode(work)
    if (text === 'refuse') return vote.no('the shelf is full')
    this.pledged.set(xid, text)
    return vote.yes()
  }
  async commit(xid: string): Promise<BranchEnding> {
    if (this.answersUnknown) return { result: 'unknown', message: 'not now', evidence: 'none' }
    await this.committing?.()
    const text = this.pledged.get(xid)
    if (text !== undefined) this.stored.push(text)
    return this.#ended(xid)
  }
  async abort(xid: string): Promise<BranchEnding> {
    return this.#ended(xid)
  }
  async listPrepared() {
    const branches = [...this.pledged.keys()].map((xid) => ({ xid, prepareTimeMs: 0 }))
    return { branches, nextPageToken: '' } as Awaited<ReturnType<Participant['listPrepared']>>
  }
  async close() {
    this.closed += 1
  }
  #ended(xid: string): BranchEnding {
    return { result: this.pledged.delete(xid) ? 'done' : 'done_before', message: '', evidence: 'none' }
  }
}

function openHere(
  participants: OpenCoordinatorOptions['participants'] = {},
  more: Partial<OpenCoordinatorOptions> = {},
): Promise<EmbeddedCoordinator> {
  return opened({ dataDirectory: join(folder, 'log'), participants, timeoutMs: 20_000, ...more })
}

async function opened(options: OpenCoordinatorOptions): Promise<EmbeddedCoordinator> {
  const coordinator = await openCoordinator(options)
  open.push(coordinator)
  return coordinator
}

const files = () =>
  ({
    sink: { kind: 'sqlite', file: join(folder, 'sink.db') },
    offsets: { kind: 'offsets', file: join(folder, 'offsets.db') },
  }) as const

const put = (text: string): Branches => [{ participant: 'shelf', work: text }]

describe('openCoordinator', () => {
  it('commits across built-in participants and one of this process, and goes on from its log', async () => {
    const shelf = new Shelf()
    const first = await openHere({ ...files(), shelf })
    const { xid, outcome } = await first.execute([...batch(0, 3), ...put('a')], { requestId: 'one' })
    expect(outcome).toBe('committed')
    const no = await first.execute([...batch(3, 4), ...put('refuse')])
    expect(no).toMatchObject({ outcome: 'aborted', message: expect.stringMatching(/the shelf is full/) })
    const epoch = first.status().epoch
    await first.close()
    expect(shelf).toMatchObject({ stored: ['a'], closed: 1 })
    expect(stored(folder)).toEqual({ rows: 3, offset: 3 })

    const second = await openHere({ ...files(), shelf: new Shelf() })
    expect(second.status().epoch).not.toBe(epoch)
    expect(await second.get({ xid })).toMatchObject({ outcome: 'committed', requestId: 'one' })
    const again = await second.execute([...batch(0, 3), ...put('a')], { requestId: 'one' })
    expect(again).toMatchObject({ outcome: 'committed', xid, replayed: true })
    expect(await second.execute(batch(3, 5))).toMatchObject({ outcome: 'committed', replayed: false })
    await second.close()
    expect(stored(folder)).toEqual({ rows: 5, offset: 5 })
  })

  it('has the directory to itself, until it is closed', async () => {
    const shelf = new Shelf()
    const first = await openHere({ shelf })
    await expect(openHere({ shelf: new Shelf() })).rejects.toMatchObject({
      code: 'LOG_IN_USE',
      message: expect.stringMatching(/is in use by .*: stop that one first, or name another directory$/),
    })
    expect(await first.execute(put('still'))).toMatchObject({ outcome: 'committed' })
    await first.close()
    const { inDoubt } = (await openHere({ shelf: new Shelf() })).status()
    expect(inDoubt).toBe(0)
  })

  it('delivers after the next opening what was decided and not acknowledged', async () => {
    const shelf = new Shelf()
    shelf.answersUnknown = true
    const first = await openHere({ shelf }, { limits: { drainTimeoutMs: 50 } })
    expect(await first.execute(put('late'))).toMatchObject({ outcome: 'committed', complete: false })
    expect(await first.drain()).toMatchObject({ undelivered: 1, owing: ['shelf'], aborted: 0 })
    await first.close()
    expect(shelf.stored).toEqual([])
    shelf.answersUnknown = false
    const second = await openHere({ shelf })
    await expect.poll(() => second.status().inDoubt, { timeout: 20_000 }).toBe(0)
    expect(shelf.stored).toEqual(['late'])
  })

  it('opens without a participant that is missing, says why, and has it when it is back', async () => {
    const shelf = new Shelf()
    shelf.missing = 'the shelf is being painted'
    const limits = { backoffMinMs: 10, backoffMaxMs: 50 }
    const coordinator = await openHere({ shelf }, { limits })
    await expect(coordinator.execute(put('a'))).rejects.toMatchObject({ code: 'UNKNOWN_PARTICIPANT' })
    const first = (): unknown => coordinator.status().participants[0]
    expect(first()).toMatchObject({ up: false, lastError: expect.stringMatching(/being painted/) })
    shelf.missing = undefined
    await expect.poll(first, { timeout: 20_000 }).toMatchObject({ up: true })
    expect(await coordinator.execute(put('a'))).toMatchObject({ outcome: 'committed' })
  })

  it.each([
    [{ 'No Name': new Shelf() }, /"No Name" is not a name/],
    [{ sink: { kind: 'kafka' } }, /"sink" is neither a Participant .* sqlite, offsets, postgres, mysql$/],
    [{ sink: undefined }, /"sink" is neither/],
    [{ sink: { kind: 'sqlite' } }, /"sink" is of kind sqlite and has no file/],
    [{ ledger: { kind: 'postgres', url: 'not a url' } }, /"ledger" can't be: /],
    [{ sink: { kind: 'sqlite', file: './pledged-log/pledged.db' } }, /which belongs to the log/],
    [
      { one: { kind: 'offsets', file: 'o.db' }, two: { kind: 'offsets', file: './o.db' } },
      /"two" is the same resource as "one"/,
    ],
  ] as const)('refuses participants that are none: %o', async (participants, message) => {
    const given = participants as unknown as OpenCoordinatorOptions['participants']
    await expect(opened({ dataDirectory: 'pledged-log', participants: given })).rejects.toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringMatching(message),
    })
  })

  it.each([
    [{ limits: { prepareTimeout: 1 } }, /limits.prepareTimeout is not a limit/],
    [{ limits: { prepareTimeoutMs: '10s' } }, /limits.prepareTimeoutMs is "10s": give a number/],
    [{ limits: { prepareTimeoutMs: Number.NaN } }, /limits.prepareTimeoutMs is NaN/],
    [{ dataDirectory: '' }, /dataDirectory is missing/],
    [{ listen: 'nowhere' }, /listen is "nowhere"/],
  ])('refuses options that are none: %o', async (more, message) => {
    const given = more as unknown as Partial<OpenCoordinatorOptions>
    await expect(openHere({}, given)).rejects.toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringMatching(message),
    })
  })

  it('tells the logger what an operator should see, whatever that throws, and fatal as an error', async () => {
    const told: string[] = []
    const tell = (_facts: unknown, message: string): void => {
      told.push(message)
      throw new Error('the disk of the log lines is full')
    }
    const logger = { debug: tell, info: tell, warn: tell, error: tell }
    const coordinator = await openHere(
      { shelf: new Shelf() },
      { logger, logFaults: { batchesBeforeDeath: 2 } },
    )
    expect(told).toContain('participant up')
    await expect(coordinator.execute(put('x'), { timeoutMs: 500 })).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    })
    expect(told.at(-1)).toMatch(/^the log failed/)
  })
})

describe('listening', () => {
  it('serves others as the daemon does, under the same identity', async () => {
    const shelf = new Shelf()
    const listen = `unix:${join(folder, 'pledged.sock')}`
    const embedded = await openHere({ shelf }, { listen })
    expect(embedded.address).toBe(listen)
    await using other = connect({ address: listen, timeoutMs: 20_000 })
    const { xid } = await other.execute(put('from outside'), { requestId: 'r' })
    expect(await embedded.execute(put('from outside'), { requestId: 'r' })).toMatchObject({
      xid,
      replayed: true,
    })
    expect(shelf.stored).toEqual(['from outside'])
  })

  it('is refused by an older Node in a sentence, before SQLite ends the process', async () => {
    const { versions } = process
    onTestFinished(() => void Object.defineProperty(process, 'versions', { value: versions }))
    Object.defineProperty(process, 'versions', { value: { ...versions, node: '20.20.2', napi: '9' } })
    await expect(openCoordinator({ dataDirectory: join(folder, 'log') })).rejects.toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringContaining('this is Node 20.20.2') as unknown,
    })
  })

  it('is refused where other machines would reach it, or another listens, and leaves nothing open', async () => {
    await expect(openHere({}, { listen: '0.0.0.0:0' })).rejects.toThrow(/run the daemon/)
    const listen = `unix:${join(folder, 'pledged.sock')}`
    const other = await opened({ dataDirectory: join(folder, 'other'), listen })
    await expect(openHere({}, { listen })).rejects.toMatchObject({ code: 'CONFIGURATION' })
    await openHere({})
    await other.close()
  })
})

describe('the end', () => {
  it('has calls under way answered by a drain, and refuses others at once', async () => {
    const shelf = new Shelf()
    const asked = Promise.withResolvers<void>()
    const goesOn = Promise.withResolvers<void>()
    shelf.voting = () => {
      asked.resolve()
      return goesOn.promise
    }
    const coordinator = await openHere({ shelf })
    const under = coordinator.execute(put('a'))
    await asked.promise
    const drained = coordinator.drain()
    await expect(coordinator.execute(put('b'))).rejects.toMatchObject({ code: 'DRAINING' })
    await expect(coordinator.transaction(async () => {})).rejects.toMatchObject({ code: 'DRAINING' })
    await expect(coordinator.begin()).rejects.toMatchObject({ code: 'DRAINING' })
    goesOn.resolve()
    expect(await under).toMatchObject({ outcome: 'committed' })
    expect(await drained).toEqual({ undelivered: 0, aborted: 0, inDoubt: 0, owing: [], away: [] })
  })

  it('of a close comes when what was decided is delivered', async () => {
    const shelf = new Shelf()
    const delivered = Promise.withResolvers<void>()
    shelf.committing = () => delivered.promise
    const coordinator = await openHere({ shelf }, { limits: { drainTimeoutMs: 20_000 } })
    expect(await coordinator.execute(put('a'))).toMatchObject({ outcome: 'committed', complete: false })
    const closed = coordinator.close()
    await expect.poll(() => coordinator.status().draining).toBe(true)
    expect(shelf).toMatchObject({ stored: [], closed: 0 })
    delivered.resolve()
    await closed
    expect(shelf).toMatchObject({ stored: ['a'], closed: 1 })
  })

  it('of a close leaves calls under way without an answer, and aborts what has no decision', async () => {
    const shelf = new Shelf()
    const asked = Promise.withResolvers<void>()
    shelf.voting = () => {
      asked.resolve()
      return new Promise(() => {})
    }
    const limits = { drainTimeoutMs: 100, linkCloseTimeoutMs: 100 }
    const coordinator = await openHere({ shelf }, { limits })
    const under = coordinator.execute(put('a')).catch((error: unknown) => error)
    await asked.promise
    await coordinator.close()
    expect(await under).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    expect(shelf.closed).toBe(1)
    await expect(coordinator.execute(put('b'))).rejects.toThrow(/openCoordinator/)
    await expect(coordinator.get({ requestId: 'a' })).rejects.toThrow(/openCoordinator/)
    await coordinator.close()
  })
})

describe('a log that fails', () => {
  it('decides nothing more: unknown to who waits, refused to who comes; opened again it knows', async () => {
    const shelf = new Shelf()
    // One batch for the participant's record; the second is the first decision.
    const coordinator = await openHere({ shelf }, { logFaults: { batchesBeforeDeath: 2 } })
    const name = { requestId: 'r', firstSentTime: new Date() }
    await expect(coordinator.execute(put('a'), { ...name, timeoutMs: 500 })).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    })
    expect(await coordinator.failed).toMatchObject({ code: 'LOG_UNWRITABLE' })
    await expect(coordinator.execute(put('b'))).rejects.toMatchObject({ code: 'LOG_UNWRITABLE' })
    expect(await coordinator.get({ requestId: 'r' })).toMatchObject({ outcome: 'unknown' })
    expect(coordinator.status().logFailure).toMatchObject({ code: 'LOG_UNWRITABLE' })
    await coordinator.close()
    expect(shelf.stored).toEqual([])

    const again = await openHere({ shelf })
    const outcome = await again.execute(put('a'), { ...name, attempt: 1 })
    expect(outcome.outcome).toBe('committed')
    await expect.poll(() => again.status().inDoubt, { timeout: 20_000 }).toBe(0)
    expect(shelf.stored).toEqual(['a'])
  })
})
