/**
 * The demo's processes: the daemon, the two participants and the processor, each one of its own, as they would run
 * in production, over the stores that they are given; files and a unix socket in one directory.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { assert } from '../base/assert.ts'
import { PledgedError } from '../base/errors.ts'
import { ask, participantsUp } from './ask.ts'
import type { Kill, Party, Victim } from './kill-plan.ts'
import { ManagedProcess } from './managed-process.ts'
import type { DatabaseServer } from './servers/index.ts'
import type { ServerParty, Stores } from './stores.ts'
import { within } from './within.ts'

export interface FleetOptions {
  readonly directory: string
  /** The program's own entry file: participants and daemon are started through it, as a user would. */
  readonly cliFile: string
  readonly stores: Stores
  /** The entry file of the processor, and what it is given after the daemon's address and the offsets' file. */
  readonly processor: { readonly file: string; readonly arguments: readonly string[] }
  readonly onMessage: (message: unknown) => void
}

const READY_WITHIN_MS = 30_000

export class Fleet {
  readonly #options: FleetOptions
  readonly #processes = new Map<Party, ManagedProcess>()
  readonly stores: Stores
  readonly logDirectory: string
  readonly address: string

  constructor(options: FleetOptions) {
    this.#options = options
    const { directory, stores } = options
    this.stores = stores
    this.logDirectory = join(directory, 'log')
    this.address = `unix:${join(directory, 'pledged.sock')}`
  }

  /** Starts the daemon and the participants, and waits until both are attached. */
  async start(): Promise<void> {
    mkdirSync(this.#options.directory, { recursive: true })
    await this.stores.start()
    this.#writeConfiguration()
    for (const party of ['daemon', 'sink', 'offsets'] as const) this.startParty(party)
    await this.#untilReady()
  }

  startParty(party: Party): ManagedProcess {
    const process = new ManagedProcess({
      name: party,
      arguments: this.#argumentsOf(party),
      onMessage: party === 'processor' ? this.#options.onMessage : undefined,
    })
    this.#processes.set(party, process)
    return process
  }

  /**
   * Arms the crash point, and answers when the victim has died of it: false when it came to its own end before, or
   * nobody passed the point within the time.
   */
  async killAt({ victim, at, point }: Kill, withinMs: number): Promise<boolean> {
    const passer = this.process(at)
    if (isServer(victim)) {
      const server = this.#server(victim)
      const fired = passer.fired()
      await passer.arm(point, { after: 2, kill: server.pid })
      if (!(await within(fired, withinMs))) return false
      // It is dying already: this waits until it is gone.
      await server.kill()
      return true
    }
    const dying = this.process(victim)
    await passer.arm(point, { after: 2, ...(dying === passer ? {} : { kill: dying.pid }) })
    if (!(await within(dying.exited, withinMs))) return false
    const exit = await dying.exited
    if (exit.signal === 'SIGKILL') return true
    if (victim === 'processor' && exit.code === 0) return false
    throw unexpectedEnd(dying, exit.code)
  }

  async restart(victim: Victim): Promise<void> {
    if (isServer(victim)) await this.#server(victim).start()
    else this.startParty(victim)
  }

  process(party: Party): ManagedProcess {
    const process = this.#processes.get(party)
    assert(process !== undefined, `${party} was started`)
    return process
  }

  /** The first that is not running though nobody killed it. */
  fallen(): ManagedProcess | undefined {
    return [...this.#processes.values()].find((process) => !process.running && process.name !== 'processor')
  }

  /** What `pledged check` says, as its user would ask. */
  async inDoubt(): Promise<number> {
    const answer = await this.#ask('check')
    return typeof answer['in_doubt'] === 'number' ? answer['in_doubt'] : Number.NaN
  }

  /** The daemon drains first: what is decided is delivered while the participants are still there. */
  async stop(): Promise<void> {
    for (const party of ['processor', 'daemon', 'sink', 'offsets'] as const) {
      const process = this.#processes.get(party)
      if (process === undefined || !process.running) continue
      const exit = await process.stop(READY_WITHIN_MS)
      if (exit.code !== 0 && party !== 'processor') throw unexpectedEnd(process, exit.code)
    }
  }

  /** Leaves nothing running, whatever happened. */
  killAll(): void {
    for (const process of this.#processes.values()) if (process.running) process.kill('SIGKILL')
  }

  #server(party: ServerParty): DatabaseServer {
    const server = this.stores.servers[party]
    assert(server !== undefined, `${party} was started`)
    return server
  }

  #writeConfiguration(): void {
    writeFileSync(
      join(this.#options.directory, 'pledged.yaml'),
      `listen: ${JSON.stringify(this.address)}\nhttp_listen: 127.0.0.1:0\ndata_dir: ${JSON.stringify(this.logDirectory)}\n`,
    )
  }

  #argumentsOf(party: Party): string[] {
    const { cliFile, directory, processor } = this.#options
    switch (party) {
      case 'daemon':
        return [cliFile, 'serve', '--config', join(directory, 'pledged.yaml')]
      case 'sink':
      case 'offsets': {
        const { kind, flags } = this.stores.serve(party)
        const named = ['--name', party, '--address', this.address]
        return [cliFile, 'participant', 'serve', kind, ...flags, ...named]
      }
      case 'processor':
        return [processor.file, this.address, this.stores.offsetsFile, ...processor.arguments]
    }
  }

  async #untilReady(): Promise<void> {
    const deadlineMs = performance.now() + READY_WITHIN_MS
    while (performance.now() < deadlineMs) {
      const fallen = this.fallen()
      if (fallen !== undefined) throw unexpectedEnd(fallen, (await fallen.exited).code)
      if (participantsUp(await this.#ask('status')) === 2) return
      await sleep(50)
    }
    const said = (['sink', 'offsets'] as const).map((party) =>
      this.process(party).lastWords.split('\n').at(-1),
    )
    throw new PledgedError(
      'UNAVAILABLE',
      `the demo's participants were not up within ${READY_WITHIN_MS / 1_000} s; they said: ${said.join('; ')}`,
    )
  }

  #ask(command: 'status' | 'check'): Promise<Record<string, unknown>> {
    return ask({ cliFile: this.#options.cliFile, command, address: this.address })
  }
}

function isServer(victim: Victim): victim is ServerParty {
  return victim === 'postgres' || victim === 'mariadb'
}

export function unexpectedEnd(process: ManagedProcess, code: number | null): PledgedError {
  const words = process.lastWords === '' ? 'it said nothing' : `its last words:\n${process.lastWords}`
  return new PledgedError(
    'INTERNAL',
    `${process.name} ended with ${code ?? 'a signal'} though nobody killed it; ${words}`,
  )
}
