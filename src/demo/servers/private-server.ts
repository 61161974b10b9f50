/**
 * A database server of one's own, whatever its kind: its process, its restarts, its end. It is a direct child of this
 * process: one whose parent is someone else (pg_ctl, mysqld_safe) stays a zombie after kill -9, and blocks its restart.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { assert } from '../../base/assert.ts'
import { PledgedError } from '../../base/errors.ts'
import { type Account, give } from './account.ts'
import { findFreePort } from './free-port.ts'
import type { DatabaseServer, ServerOptions, ServerSettings } from './server.ts'
import { Watchdog } from './watchdog.ts'

/** Where a server lives, and what its administrator's password is. */
export interface Place {
  readonly directory: string
  readonly data: string
  readonly port: number
  readonly password: string
  readonly account: Account | undefined
}

/** What differs between the kinds. */
export interface ServerKind {
  readonly kind: DatabaseServer['kind']
  readonly account: Account | undefined
  /** Makes the data directory, synchronously: it takes less than a second, once. */
  initialise(place: Place): void
  command(place: Place, settings: ServerSettings): { readonly file: string; readonly args: readonly string[] }
  /** The signal that ends it in good order, without waiting for those who are connected. */
  readonly orderly: NodeJS.Signals
  adminUrl(place: Place): string
  /** Throws while it doesn't answer. */
  probe(adminUrl: string): Promise<void>
  createDatabase(adminUrl: string, name: string): Promise<string>
  /** A start that failed with these words may be tried again: what kill -9 left is not quite gone. */
  readonly passing: RegExp
  /** What kill -9 left in the system, for one that isn't started again. */
  cleanUp(place: Place): void
}

const STARTS_WITHIN_MS = 60_000
const ENDS_WITHIN_MS = 30_000
const PROBE_PAUSE_MS = 25
const LAST_WORDS_MAX = 2_000

export async function startPrivateServer(
  kind: ServerKind,
  options: ServerOptions = {},
): Promise<DatabaseServer> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), `pledged-${kind.kind}-`))
  mkdirSync(directory, { recursive: true })
  const place: Place = {
    directory,
    data: join(directory, 'data'),
    port: await findFreePort(),
    password: randomBytes(12).toString('hex'),
    account: kind.account,
  }
  const server = new PrivateServer(kind, place, options)
  try {
    give(directory, kind.account)
    chmodSync(directory, 0o700)
    kind.initialise(place)
    await server.start()
    return server
  } catch (error) {
    await server.stop()
    throw error
  }
}

class PrivateServer implements DatabaseServer {
  readonly #kind: ServerKind
  readonly #place: Place
  readonly #settings: ServerSettings
  readonly #temporary: boolean
  readonly #watchdog: Watchdog
  #child: ChildProcess | undefined
  #exited: Promise<void> = Promise.resolve()

  constructor(kind: ServerKind, place: Place, options: ServerOptions) {
    this.#kind = kind
    this.#place = place
    this.#settings = options.settings ?? {}
    this.#temporary = options.directory === undefined
    this.#watchdog = new Watchdog({
      directory: place.directory,
      orderly: kind.orderly,
      temporary: this.#temporary,
    })
  }

  get kind(): DatabaseServer['kind'] {
    return this.#kind.kind
  }

  get url(): string {
    return this.#kind.adminUrl(this.#place)
  }

  get directory(): string {
    return this.#place.directory
  }

  get port(): number {
    return this.#place.port
  }

  get pid(): number {
    assert(this.running, `the ${this.kind} server is running`)
    return this.#child?.pid ?? 0
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  createDatabase(name: string): Promise<string> {
    assert(/^[a-z][a-z0-9_]{0,30}$/.test(name), `'${name}' is a plain name`)
    return this.#kind.createDatabase(this.url, name)
  }

  async start(settings: ServerSettings = {}): Promise<void> {
    assert(!this.running, `the ${this.kind} server is not running`)
    const { file, args } = this.#kind.command(this.#place, { ...this.#settings, ...settings })
    const deadlineMs = performance.now() + STARTS_WITHIN_MS
    for (;;) {
      this.#spawn(file, args)
      if (await this.#ready(deadlineMs)) return
      const words = this.#lastWords()
      if (this.#kind.passing.test(words) && performance.now() < deadlineMs) {
        await sleep(PROBE_PAUSE_MS)
        continue
      }
      await this.#end('SIGKILL')
      throw new PledgedError(
        'UNAVAILABLE',
        `the private ${this.kind} server did not start; it said: ${words}`,
      )
    }
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async halt(): Promise<void> {
    await this.#end(this.#kind.orderly)
  }

  async stop(): Promise<void> {
    await this.halt()
    this.#kind.cleanUp(this.#place)
    this.#watchdog.end()
    if (this.#temporary) rmSync(this.#place.directory, { recursive: true, force: true, maxRetries: 20 })
  }

  #spawn(file: string, args: readonly string[]): void {
    // Not the file of the last start: what outlives a killed server for a moment still writes to that one.
    rmSync(this.#logFile, { force: true })
    const log = openSync(this.#logFile, 'w')
    const child = spawn(file, args, {
      stdio: ['ignore', log, log],
      cwd: this.#place.directory,
      // Ctrl-C at the terminal is this process's to hear; it ends its servers itself.
      detached: true,
      ...this.#place.account,
    })
    closeSync(log)
    this.#child = child
    if (child.pid !== undefined) this.#watchdog.watch(child.pid)
    this.#exited = new Promise((resolve) => {
      const gone = (): void => {
        this.#watchdog.nothingToWatch()
        resolve()
      }
      child.once('exit', gone)
      child.once('error', gone)
    })
    child.unref()
  }

  /** False when it ended, or the time is over. */
  async #ready(deadlineMs: number): Promise<boolean> {
    while (this.running && performance.now() < deadlineMs) {
      try {
        await this.#kind.probe(this.url)
        return true
      } catch {
        await sleep(PROBE_PAUSE_MS)
      }
    }
    return false
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === undefined || !this.running) return this.#exited
    child.ref()
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), ENDS_WITHIN_MS)
    await this.#exited
    clearTimeout(timer)
  }

  get #logFile(): string {
    return join(this.#place.directory, 'server.log')
  }

  #lastWords(): string {
    return readFileSync(this.#logFile, 'utf8').slice(-LAST_WORDS_MAX).trim()
  }
}
