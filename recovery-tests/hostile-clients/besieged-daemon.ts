/**
 * A daemon that others attack, seen from outside: the transactions that one honest client goes on committing, the memory and
 * the file descriptors that the kernel counts. Its heap is small, so that what is held for an attacker is missed soon.
 */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { connect } from '../../src/sdk/client/index.ts'
import { WatchedProcess } from '../fuzzing/watched-process.ts'

const HEAP_MB = 256
const COMMITS_WITHIN_MS = 60_000
const PROGRESS = 10

export interface BesiegedOptions {
  readonly directory: string
  /** Sections of pledged.yaml. */
  readonly sections?: string
  /** Of the honest client. */
  readonly access?: { readonly tokenFile: string; readonly tls: { readonly caFile: string } }
}

export class BesiegedDaemon {
  readonly #options: BesiegedOptions
  readonly #file: string
  #process: WatchedProcess | undefined
  #address = ''
  #committed = 0
  #failure: Error | undefined
  #stop = false
  #client: Promise<void> | undefined

  constructor(options: BesiegedOptions) {
    this.#options = options
    this.#file = join(options.directory, 'sink.db')
  }

  async start(): Promise<void> {
    const { directory, sections = '' } = this.#options
    mkdirSync(directory, { recursive: true })
    const database = new DatabaseSync(this.#file)
    database.exec('CREATE TABLE honest (id INTEGER PRIMARY KEY)')
    database.close()
    const config = join(directory, 'pledged.yaml')
    const participants = 'participants: [ { name: sink, kind: sqlite, file: ./sink.db } ]'
    const addresses = 'listen: 127.0.0.1:0\nhttp_listen: 127.0.0.1:0\ndata_dir: ./log\n'
    writeFileSync(config, `${addresses}${sections}\n${participants}\n`)
    const env = { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` }
    const daemon = new WatchedProcess(['serve', '--config', config], env)
    this.#process = daemon
    await daemon.until(() => daemon.output.includes('"started"'))
    this.#address = /"address":"([^"]+)"/.exec(daemon.output)?.[1] ?? ''
    this.#client = this.#commit().catch((error: unknown) => {
      this.#failure ??= new Error('the honest client failed', { cause: error })
    })
    await this.progress()
  }

  get port(): number {
    return Number(this.#address.split(':').at(-1))
  }

  get probesAddress(): string {
    return /"http_address":"([^"]+)"/.exec(this.output)?.[1] ?? ''
  }

  get rssBytes(): number {
    return this.#daemon.rssBytes
  }

  get descriptors(): number {
    return readdirSync(`/proc/${this.#daemon.pid}/fd`).length
  }

  get output(): string {
    return this.#daemon.output
  }

  /** Resolves when the honest client has committed some more. */
  async progress(): Promise<void> {
    const goal = this.#committed + PROGRESS
    await this.until(() => this.#committed >= goal)
  }

  async until(condition: () => boolean): Promise<void> {
    await this.#daemon.until(() => {
      if (this.#failure !== undefined) throw this.#failure
      return condition()
    }, COMMITS_WITHIN_MS)
  }

  /** Ends the honest client, and waits until its rows are what it was told. */
  async expectWhole(): Promise<void> {
    this.#stop = true
    await this.#client
    await this.until(() => this.#rows() >= this.#committed)
    assert.equal(this.#rows(), this.#committed)
  }

  async end(): Promise<void> {
    this.#stop = true
    // It ends with the transaction that is under way, while there is a daemon to end it.
    await this.#client
    await this.#process?.end('SIGKILL')
  }

  get #daemon(): WatchedProcess {
    if (this.#process === undefined) throw new Error('the daemon has not been started')
    return this.#process
  }

  #rows(): number {
    const database = new DatabaseSync(this.#file, { readOnly: true })
    const row = database.prepare('SELECT count(*) AS n FROM honest').get()
    database.close()
    return Number(row?.['n'])
  }

  async #commit(): Promise<void> {
    const { access } = this.#options
    await using coordinator = connect({ address: this.#address, timeoutMs: COMMITS_WITHIN_MS, ...access })
    while (!this.#stop) {
      const insert = { statements: [{ sql: 'INSERT INTO honest VALUES (?)', params: [this.#committed + 1] }] }
      const result = await coordinator.execute([{ participant: 'sink', work: insert }])
      if (result.outcome !== 'committed') {
        this.#failure ??= new Error(`an honest transaction did not commit: ${result.message}`)
        return
      }
      this.#committed += 1
    }
  }
}
