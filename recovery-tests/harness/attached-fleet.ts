/**
 * A daemon and participants that attach to it, over the files of one directory; each a process of its own, which may be
 * killed at a crash point, by hand, or end in good order.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { present } from '../../src/base/assert.ts'
import type { CrashPoint } from '../../src/base/crash-points.ts'
import { type Exit, ManagedProcess } from '../../src/demo/managed-process.ts'

export interface AttachedFleetOptions<Served extends string> {
  readonly directory: string
  /** The program's entry file. */
  readonly cliFile: string
  /** The kind of each participant; its file is NAME.db. */
  readonly served: Readonly<Record<Served, 'sqlite' | 'offsets'>>
}

const UP_WITHIN_MS = 60_000
const POLL_MS = 20

/** The part of `pledged status --json` that tests look at. */
export interface Status {
  readonly epoch: string
  readonly in_doubt: number
  readonly heuristics: number
  readonly participants: readonly { readonly name: string; readonly up?: boolean }[]
}

export class AttachedFleet<Served extends string> {
  readonly served: readonly Served[]
  readonly directory: string
  readonly address: string
  readonly logDirectory: string
  readonly #options: AttachedFleetOptions<Served>
  readonly #processes = new Map<Served | 'daemon', ManagedProcess>()

  constructor(options: AttachedFleetOptions<Served>) {
    this.#options = options
    this.served = Object.keys(options.served) as Served[]
    this.directory = options.directory
    this.address = `unix:${join(this.directory, 'pledged.sock')}`
    this.logDirectory = join(this.directory, 'log')
    mkdirSync(this.directory, { recursive: true })
    writeFileSync(
      join(this.directory, 'pledged.yaml'),
      `listen: ${JSON.stringify(this.address)}\nhttp_listen: 127.0.0.1:0\ndata_dir: ${JSON.stringify(this.logDirectory)}\n`,
    )
  }

  fileOf(name: Served): string {
    return join(this.directory, `${name}.db`)
  }

  /** `dyingAt`: it dies of its first pass of this point, and can't be armed for another. */
  start(
    party: Served | 'daemon',
    options: {
      readonly dyingAt?: CrashPoint | undefined
      readonly environment?: Readonly<Record<string, string>> | undefined
    } = {},
  ): ManagedProcess {
    const { dyingAt, environment } = options
    const process = new ManagedProcess({
      name: party,
      arguments: this.#argumentsOf(party),
      environment: dyingAt === undefined ? environment : { ...environment, PLEDGED_CRASH_POINT: dyingAt },
    })
    this.#processes.set(party, process)
    return process
  }

  process(party: Served | 'daemon'): ManagedProcess {
    return present(this.#processes.get(party), `${party} was started`)
  }

  /** All at once, as far as that can be. Those that are dead already are left alone. */
  async kill(parties: readonly (Served | 'daemon')[]): Promise<void> {
    const processes = parties.map((party) => this.process(party))
    for (const process of processes) if (process.running) process.kill('SIGKILL')
    await Promise.all(processes.map(({ exited }) => exited))
  }

  /** A command of the program with --json, at this daemon; an empty answer where there is none. */
  async ask(...command: readonly string[]): Promise<Record<string, unknown>> {
    const { output } = await this.run(...command, '--json', '--address', this.address)
    try {
      return JSON.parse(output) as Record<string, unknown>
    } catch {
      return {}
    }
  }

  async run(
    ...command: readonly string[]
  ): Promise<Exit & { readonly output: string; readonly said: string }> {
    const running = new ManagedProcess({
      name: command.join(' '),
      arguments: [this.#options.cliFile, ...command],
      environment: { PLEDGED_CRASH_POINT: '' },
    })
    const exit = await running.exited
    const { output, lastWords } = running
    return { ...exit, output, said: `${output}${lastWords}` }
  }

  /** Resolves with the first status that is as wanted. */
  async until(what: string, wanted: (status: Status) => boolean): Promise<Status> {
    const deadlineMs = performance.now() + UP_WITHIN_MS
    let status: unknown
    while (performance.now() < deadlineMs) {
      await this.throwIfFallen()
      status = await this.ask('status')
      if (isStatus(status) && wanted(status)) return status
      await sleep(POLL_MS)
    }
    const said = [...this.#processes.values()].map(({ name, lastWords }) => `${name}: ${lastWords}`)
    throw new Error(
      `not ${what} within ${UP_WITHIN_MS} ms; the last status was ${JSON.stringify(status)}; ${said.join('\n')}`,
    )
  }

  untilUp(names: readonly string[]): Promise<Status> {
    return this.until(`up: ${names.join(', ')}`, ({ participants }) =>
      names.every((name) => participants.some((one) => one.name === name && one.up === true)),
    )
  }

  /** One that has ended though nobody killed it. */
  async throwIfFallen(): Promise<void> {
    for (const process of this.#processes.values()) {
      if (process.running) continue
      const { code, signal } = await process.exited
      if (signal !== 'SIGKILL')
        throw new Error(`${process.name} ended with ${code ?? signal}: ${process.lastWords}`)
    }
  }

  /** The daemon ends first, while the participants are still there to be told. */
  async stop(): Promise<void> {
    for (const party of ['daemon', ...this.served] as const)
      await this.#processes.get(party)?.stop(UP_WITHIN_MS)
    for (const [party, process] of this.#processes) {
      const { code, signal } = await process.exited
      if (code !== 0) throw new Error(`${party} ended with ${code ?? signal}: ${process.lastWords}`)
    }
  }

  /** Leaves nothing running, whatever happened. */
  killAll(): void {
    for (const process of this.#processes.values()) if (process.running) process.kill('SIGKILL')
  }

  #argumentsOf(party: Served | 'daemon'): string[] {
    const { cliFile, directory, served } = this.#options
    if (party === 'daemon') return [cliFile, 'serve', '--config', join(directory, 'pledged.yaml')]
    const file = ['--name', party, '--file', this.fileOf(party), '--address', this.address]
    return [cliFile, 'participant', 'serve', served[party], ...file]
  }
}

function isStatus(answer: unknown): answer is Status {
  return typeof answer === 'object' && answer !== null && 'participants' in answer
}
