/**
 * Everything that a round kills: the daemon, the participants' processes, the applications, and the two database
 * servers. The log and the databases are the same throughout; where the participants live changes from round to round.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { assert, present } from '../../src/base/assert.ts'
import { AdminClient } from '../../src/cli/admin-client.ts'
import { ManagedProcess } from '../../src/demo/managed-process.ts'
import type { GetStatusResponse } from '../../src/wire/generated/pledged/v1/admin_service.ts'
import { CLI_FILE, pledged } from '../harness/pledged.ts'
import { TestDatabase } from '../harness/test-database.ts'
import { KIND_OF, PARTICIPANTS, type ParticipantName, SCHEMA } from './work.ts'

/** The participants are in the daemon, by its configuration; or processes that attach; or processes that listen. */
export const LAYOUTS = ['outside', 'inside', 'listening'] as const
export type Layout = (typeof LAYOUTS)[number]

const READY_WITHIN_MS = 60_000
const ENDS_WITHIN_MS = 60_000

export interface FleetOptions {
  readonly directory: string
  /** More of the daemon's participants, as they stand in its configuration. */
  readonly participants?: readonly string[] | undefined
  readonly onMessage?: ((message: unknown) => void) | undefined
  /** The application's file: its arguments are those of load.ts, which it is where none is given. */
  readonly application?: string | undefined
  /** Where a server lives, if not in a directory of its own. */
  readonly places?: Readonly<Partial<Record<ParticipantName, string>>> | undefined
}

export class DatabaseFleet {
  readonly address: string
  readonly databases: Readonly<Record<ParticipantName, TestDatabase>>
  readonly #options: FleetOptions
  readonly #processes = new Map<string, ManagedProcess>()
  #layout: Layout = 'inside'
  #logs = 1

  private constructor(options: FleetOptions, databases: Record<ParticipantName, TestDatabase>) {
    this.#options = options
    this.databases = databases
    this.address = `unix:${join(options.directory, 'pledged.sock')}`
  }

  /** The databases, with their tables; no process yet. */
  static async create(options: FleetOptions): Promise<DatabaseFleet> {
    const [ledger, stock] = await Promise.all(
      PARTICIPANTS.map((name) =>
        TestDatabase.start(KIND_OF[name], name, { directory: options.places?.[name] }),
      ),
    )
    const databases = { ledger: present(ledger, 'PostgreSQL'), stock: present(stock, 'MariaDB') }
    for (const name of PARTICIPANTS) for (const sql of SCHEMA[name]) await databases[name].query(sql)
    const fleet = new DatabaseFleet(options, databases)
    fleet.#writeFiles()
    return fleet
  }

  /** The next start is on a new log. The daemon must not be running. */
  replaceLog(): void {
    this.#logs += 1
    this.#writeFiles()
  }

  /** The daemon and the participants, up and attached. */
  async start(layout: Layout, environment: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#layout = layout
    this.startDaemon(environment)
    if (layout !== 'inside') for (const name of PARTICIPANTS) this.startParticipant(name)
    await this.untilUp()
  }

  startDaemon(environment: Readonly<Record<string, string>> = {}): ManagedProcess {
    return this.#spawn('daemon', [CLI_FILE, 'serve', '--config', this.#file(`${this.#layout}.yaml`)], {
      environment,
    })
  }

  startParticipant(name: ParticipantName): ManagedProcess {
    const { participantKind } = this.databases[name]
    const identity = ['--name', name, '--url-file', this.#file(`${name}.url`)]
    const place =
      this.#layout === 'listening' ? ['--listen', this.#socketOf(name)] : ['--address', this.address]
    return this.#spawn(name, [CLI_FILE, 'participant', 'serve', participantKind, ...identity, ...place])
  }

  /** Application `index` runs `workers` workers. */
  startApplication(index: number, workers: number): ManagedProcess {
    const { ledger, stock } = this.databases
    const places = [this.address, ledger.url, stock.url, this.journalOf(index)]
    const file = this.#options.application ?? join(import.meta.dirname, 'load.ts')
    return this.#spawn(`application ${index}`, [file, ...places, String(index * workers), String(workers)], {
      onMessage: this.#options.onMessage,
    })
  }

  journalOf(application: number): string {
    return this.#file(`journal-${application}.jsonl`)
  }

  /** Where the participant of this name finds its database, from its next start. */
  giveUrl(name: ParticipantName, url: string): void {
    writeFileSync(this.#file(`${name}.url`), url, { mode: 0o600 })
  }

  process(name: string): ManagedProcess {
    return present(this.#processes.get(name), `${name} was started`)
  }

  isRunning(name: string): boolean {
    return this.#processes.get(name)?.running === true
  }

  /** What runs no more though nobody killed it, with its last words. */
  fallen(): string | undefined {
    const fallen = [...this.#processes.values()].find((one) => !one.running)
    return fallen === undefined ? undefined : `${fallen.name} fell: ${fallen.lastWords}`
  }

  /** Kills it, and waits until it is gone. */
  async kill(name: string): Promise<void> {
    const victim = this.process(name)
    victim.kill('SIGKILL')
    await victim.exited
    this.forget(name)
  }

  /** What it leaves behind is no news any more. */
  forget(name: string): void {
    this.#processes.delete(name)
  }

  /** Ends daemon and participants in good order, so that others can take their places. */
  async stop(): Promise<void> {
    for (const name of ['daemon', ...PARTICIPANTS]) {
      const one = this.#processes.get(name)
      if (one === undefined) continue
      const exit = await one.stop(ENDS_WITHIN_MS)
      assert(exit.code === 0, `${name} ended with ${exit.code ?? exit.signal}: ${one.lastWords}`)
      this.#processes.delete(name)
    }
  }

  /** A command of the CLI with --json; empty while the daemon can't be reached. */
  async ask(...command: readonly string[]): Promise<Record<string, unknown>> {
    const { stdout } = await pledged([...command, '--json', '--address', this.address])
    try {
      return JSON.parse(stdout) as Record<string, unknown>
    } catch {
      return {}
    }
  }

  /** Undefined while the daemon can't be reached. */
  async status(): Promise<GetStatusResponse | undefined> {
    using client = new AdminClient({ address: this.address, timeoutMs: 2_000 })
    return await client.status().catch(() => undefined)
  }

  async untilUp(): Promise<void> {
    const deadlineMs = performance.now() + READY_WITHIN_MS
    let up: string[] = []
    while (performance.now() < deadlineMs) {
      const fallen = this.fallen()
      if (fallen !== undefined) throw new Error(fallen)
      const participants = (await this.status())?.participants ?? []
      up = participants.filter((one) => one.up).map((one) => one.name)
      if (PARTICIPANTS.every((name) => up.includes(name))) return
      await sleep(20)
    }
    const words = this.#processes.get('daemon')?.lastWords ?? ''
    throw new Error(`only ${up.join(', ')} came up within ${READY_WITHIN_MS} ms\n${words}`)
  }

  /** Leaves nothing running, whatever happened. */
  async end(): Promise<void> {
    for (const one of this.#processes.values()) if (one.running) one.kill('SIGKILL')
    await Promise.all(PARTICIPANTS.map((name) => this.databases[name].stop()))
  }

  #spawn(
    name: string,
    args: readonly string[],
    options: {
      readonly environment?: Readonly<Record<string, string>>
      readonly onMessage?: ((message: unknown) => void) | undefined
    } = {},
  ): ManagedProcess {
    const spawned = new ManagedProcess({ name, arguments: args, ...options })
    this.#processes.set(name, spawned)
    return spawned
  }

  #socketOf(name: ParticipantName): string {
    return `unix:${this.#file(`${name}.sock`)}`
  }

  #file(name: string): string {
    return join(this.#options.directory, name)
  }

  #writeFiles(): void {
    mkdirSync(this.#options.directory, { recursive: true })
    const head = [
      `listen: ${JSON.stringify(this.address)}`,
      'http_listen: 127.0.0.1:0',
      `data_dir: ${JSON.stringify(this.#file(`log-${this.#logs}`))}`,
    ]
    const entries = PARTICIPANTS.map((name) => {
      const { participantKind, participantUrl } = this.databases[name]
      this.giveUrl(name, participantUrl)
      return `  - { name: ${name}, kind: ${participantKind}, url_file: ./${name}.url }`
    })
    const listening = PARTICIPANTS.map(
      (name) => `  - { name: ${name}, kind: grpc, address: ${JSON.stringify(this.#socketOf(name))} }`,
    )
    writeFileSync(this.#file('listening.yaml'), [...head, 'participants:', ...listening, ''].join('\n'))
    writeFileSync(this.#file('outside.yaml'), `${head.join('\n')}\n`)
    writeFileSync(
      this.#file('inside.yaml'),
      [...head, 'participants:', ...entries, ...(this.#options.participants ?? []), ''].join('\n'),
    )
  }
}
