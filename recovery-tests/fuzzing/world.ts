/**
 * What is fuzzed, as a user would have it: a daemon with a sink and an offset store in its own threads, a ledger that
 * listens in a process of its own, and at `mailer` whatever the test lets listen there. Beside what is hostile, good
 * transactions go through all of them; at the end their rows must agree.
 */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { connect } from '../../src/sdk/client/index.ts'
import { RawConnection } from './raw-calls.ts'
import { WatchedProcess } from './watched-process.ts'

/** Votes are awaited no longer, so that what a hostile participant holds up is soon over. */
const CONFIGURATION = (directory: string): string => `
listen: ${JSON.stringify(`unix:${join(directory, 'pledged.sock')}`)}
http_listen: 127.0.0.1:0
data_dir: ${JSON.stringify(join(directory, 'log'))}
timeouts: { prepare: 2s, idle: 5s }
participants:
  - { name: sink, kind: sqlite, file: ./sink.db }
  - { name: offsets, kind: offsets, file: ./offsets.db }
  - { name: ledger, kind: grpc, address: ${JSON.stringify(`unix:${join(directory, 'ledger.sock')}`)} }
  - { name: mailer, kind: grpc, address: ${JSON.stringify(`unix:${join(directory, 'mailer.sock')}`)} }
`
const GOOD_WITHIN_MS = 30_000

export class World {
  readonly directory: string
  readonly address: string
  readonly ledgerAddress: string
  readonly mailerSocket: string
  #daemon: WatchedProcess | undefined
  #ledger: WatchedProcess | undefined
  #good = 0

  constructor(directory: string) {
    this.directory = directory
    this.address = `unix:${join(directory, 'pledged.sock')}`
    this.ledgerAddress = `unix:${join(directory, 'ledger.sock')}`
    this.mailerSocket = join(directory, 'mailer.sock')
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, 'pledged.yaml'), CONFIGURATION(directory))
    for (const name of ['sink', 'ledger']) {
      const database = new DatabaseSync(join(directory, `${name}.db`))
      database.exec('CREATE TABLE good (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, v)')
      database.close()
    }
  }

  /** Starts what isn't running, so that fast-check can shrink what has brought a process down. */
  async start(): Promise<void> {
    if (this.#ledger?.running !== true) this.#ledger = await this.#startLedger()
    if (this.#daemon?.running === true) return
    this.#daemon = new WatchedProcess(['serve', '--config', join(this.directory, 'pledged.yaml')])
    await this.#daemon.until(() => this.isServing())
    await this.expectGood()
  }

  async #startLedger(): Promise<WatchedProcess> {
    const file = join(this.directory, 'ledger.db')
    const args = ['participant', 'serve', 'sqlite', '--name', 'ledger', '--file', file]
    const ledger = new WatchedProcess([...args, '--listen', this.ledgerAddress])
    await ledger.until(() => ledger.output.includes('ledger listens at'))
    return ledger
  }

  async stop(): Promise<void> {
    await this.#daemon?.end('SIGKILL')
    await this.#ledger?.end('SIGKILL')
  }

  get daemon(): WatchedProcess {
    if (this.#daemon === undefined) throw new Error('the world has not been started')
    return this.#daemon
  }

  get ledger(): WatchedProcess {
    if (this.#ledger === undefined) throw new Error('the world has not been started')
    return this.#ledger
  }

  /** By grpc.health.v1, over a connection of its own. */
  async isServing(): Promise<boolean> {
    const connection = new RawConnection(this.address)
    const path = '/grpc.health.v1.Health/Check'
    const answer = await connection.call([Buffer.alloc(5)], { path, answerWithinMs: 5_000 })
    connection.close()
    // HealthCheckResponse { status: SERVING }
    return answer.status === 0 && answer.body.subarray(5).equals(Buffer.from([0x08, 0x01]))
  }

  /** A transaction over all three commits, and nothing has died or said what it should not. */
  async expectGood(): Promise<void> {
    await using coordinator = connect({ address: this.address, timeoutMs: 10_000 })
    const id = this.#good + 1
    const insert = { statements: [{ sql: 'INSERT INTO good VALUES (?)', params: [id] }] }
    const advance = [{ topic: 't', partition: 0, from: id - 1, to: id }]
    const deadlineMs = performance.now() + GOOD_WITHIN_MS
    for (;;) {
      const result = await coordinator.execute([
        { participant: 'sink', work: insert },
        { participant: 'ledger', work: insert },
        { participant: 'offsets', work: { group: 'good', owner_epoch: 1, advance } },
      ])
      if (result.outcome === 'committed') break
      // What the fuzzing has under way may hold a lock: that passes.
      assert(result.retryable, `a good transaction is refused for good: ${result.message}`)
      assert(performance.now() < deadlineMs, `good transactions don't commit any more: ${result.message}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    this.#good = id
    this.daemon.requireWell()
    this.ledger.requireWell()
  }

  /** Every good transaction is there, once and whole. */
  async expectWhole(): Promise<void> {
    await this.daemon.until(async () => (await this.#rows()).every((count) => count === this.#good), 20_000)
    assert.deepEqual(await this.#rows(), [this.#good, this.#good, this.#good])
  }

  /** In the sink, in the ledger, and by the offset. */
  async #rows(): Promise<(number | undefined)[]> {
    return [
      this.#ask('sink.db', 'SELECT count(*) AS n FROM good'),
      this.#ask('ledger.db', 'SELECT count(*) AS n FROM good'),
      this.#ask('offsets.db', "SELECT position AS n FROM offsets WHERE group_name = 'good'"),
    ]
  }

  #ask(file: string, sql: string): number | undefined {
    const database = new DatabaseSync(join(this.directory, file), { readOnly: true })
    try {
      return (database.prepare(sql).get() as { n: number } | undefined)?.n
    } finally {
      database.close()
    }
  }
}
