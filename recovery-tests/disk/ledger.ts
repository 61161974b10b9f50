/**
 * The load and its oracle: workers that each put an event into the sink and move their offset, in one transaction, and
 * remember what they were told. Afterwards the rows of each must be as many as its offset says, and no answer taken back.
 */
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Branches,
  type Coordinator,
  OutcomeUnknownError,
  PledgedError,
} from '../../src/sdk/client/index.ts'

export interface LedgerFiles {
  readonly sink: string
  readonly offsets: string
}

export interface Told {
  readonly outcome: 'committed' | 'aborted' | 'unknown' | 'refused'
  readonly worker: number
  readonly event: number
  readonly xid: string
  readonly message: string
}

const GROUP = 'ledger'
const TOPIC = 'events'
/** A fault that is met at all is met by then. */
const ASKED_MAX = 2_000
const PAUSE_MS = 10

export class Ledger {
  readonly told: Told[] = []
  readonly #files: LedgerFiles

  constructor(files: LedgerFiles) {
    this.#files = files
    const sink = new DatabaseSync(files.sink)
    sink.exec(
      'CREATE TABLE IF NOT EXISTS events (worker INTEGER, event INTEGER, pad TEXT, PRIMARY KEY (worker, event))',
    )
    sink.close()
  }

  /** One transaction after the other, until one ends as `until` says. */
  async work(coordinator: Coordinator, worker: number, until: (told: Told) => boolean): Promise<Told> {
    for (let asked = 0; asked < ASKED_MAX; asked += 1) {
      const told = await this.#ask(coordinator, worker)
      this.told.push(told)
      if (until(told)) return told
      // What is in doubt is asked again after a pause: to be refused by it all the while shows nothing.
      if (told.outcome === 'aborted') await sleep(PAUSE_MS)
    }
    throw new Error(`it doesn't end after ${ASKED_MAX} transactions; told last: ${this.told.at(-1)?.message}`)
  }

  async commits(coordinator: Coordinator, count: number): Promise<void> {
    let left = count
    const told = await this.work(coordinator, 0, ({ outcome }) => {
      if (outcome === 'committed') left -= 1
      return left === 0 || outcome === 'unknown' || outcome === 'refused'
    })
    if (told.outcome !== 'committed') throw new Error(`it doesn't commit: ${told.message}`)
  }

  /** Against each other, and against what was told. In sentences; none: all is well. */
  async contradictions(coordinator: Pick<Coordinator, 'get'>): Promise<string[]> {
    const found: string[] = []
    const offsets = this.#offsets()
    const events = this.#events()
    for (const worker of new Set([...offsets.keys(), ...events.keys()])) {
      const offset = offsets.get(worker) ?? 0
      const expected = Array.from({ length: offset }, (_, event) => event)
      if (String(events.get(worker) ?? []) !== String(expected)) {
        found.push(`worker ${worker} is at ${offset}, and its events are ${events.get(worker)?.join(' ')}`)
      }
    }
    for (const told of this.told) {
      if (told.outcome === 'committed' && (offsets.get(told.worker) ?? 0) <= told.event) {
        found.push(`${told.xid} was told committed, and event ${told.worker}/${told.event} isn't there`)
      }
      if (told.outcome !== 'committed' && told.outcome !== 'aborted') continue
      const { outcome } = await coordinator.get({ xid: told.xid })
      if (outcome !== told.outcome) found.push(`${told.xid} was told ${told.outcome}, and is ${outcome} now`)
    }
    return found
  }

  async #ask(coordinator: Coordinator, worker: number): Promise<Told> {
    const event = this.#offsets().get(worker) ?? 0
    const common = { worker, event }
    try {
      const answer = await coordinator.execute(branchesOf(worker, event), { waitFor: 'completion' })
      const message = answer.outcome === 'aborted' ? answer.message : ''
      return { ...common, outcome: answer.outcome, xid: answer.xid, message }
    } catch (error) {
      const { message } = PledgedError.from(error)
      const outcome = error instanceof OutcomeUnknownError ? 'unknown' : 'refused'
      return { ...common, outcome, xid: '', message }
    }
  }

  #offsets(): Map<number, number> {
    const sql = 'SELECT partition AS worker, position FROM offsets'
    const rows = read(this.#files.offsets, sql) as { worker: number; position: number }[]
    return new Map(rows.map(({ worker, position }) => [worker, position]))
  }

  #events(): Map<number, number[]> {
    const events = new Map<number, number[]>()
    const sql = 'SELECT worker, event FROM events ORDER BY worker, event'
    for (const { worker, event } of read(this.#files.sink, sql) as { worker: number; event: number }[]) {
      events.set(worker, [...(events.get(worker) ?? []), event])
    }
    return events
  }
}

function read(file: string, sql: string): unknown[] {
  const database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 })
  try {
    return database.prepare(sql).all()
  } finally {
    database.close()
  }
}

function branchesOf(worker: number, event: number): Branches {
  const sql = 'INSERT INTO events (worker, event, pad) VALUES (?, ?, ?)'
  const params = [worker, event, 'x'.repeat(2_000)]
  const advance = [{ topic: TOPIC, partition: worker, from: event, to: event + 1 }]
  return [
    { participant: 'sink', work: { statements: [{ sql, params, expect_rows: 1 }] } },
    { participant: 'offsets', work: { group: GROUP, owner_epoch: 1, advance } },
  ]
}
