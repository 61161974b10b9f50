/** The processes of a bench without databases: the daemon, as a user starts it, its null participants, and the yardstick. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Client, credentials } from '@grpc/grpc-js'
import { PledgedError } from '../../base/errors.ts'
import { ask, participantsUp } from '../../demo/ask.ts'
import { ManagedProcess } from '../../demo/managed-process.ts'
import { BARE_MESSAGE, BareService } from './bare-call.ts'
import { cpuSecondsOf } from './cpu.ts'

export const NULL_PARTICIPANTS = ['left', 'right'] as const

const READY_WITHIN_MS = 30_000
const POLL_MS = 50
const CLI_FILE = fileURLToPath(new URL('../../cli/pledged.ts', import.meta.url))
const fileOf = (name: string): string => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))

export class NullFleet implements AsyncDisposable {
  readonly address: string
  readonly #directory = mkdtempSync(join(tmpdir(), 'pledged-bench-'))
  readonly #processes: ManagedProcess[] = []
  readonly #daemon: ManagedProcess
  readonly #bare: ManagedProcess
  readonly #bareClient: Client

  private constructor() {
    this.address = `unix:${join(this.#directory, 'pledged.sock')}`
    const bareAddress = `unix:${join(this.#directory, 'bare.sock')}`
    this.#daemon = this.#start('daemon', CLI_FILE, [
      'serve',
      '--listen',
      this.address,
      '--data-dir',
      join(this.#directory, 'log'),
      '--http-listen',
      '127.0.0.1:0',
    ])
    this.#start('participants', fileOf('null-participants'), [this.address, ...NULL_PARTICIPANTS])
    this.#bare = this.#start('bare server', fileOf('bare-server'), [bareAddress])
    this.#bareClient = new Client(bareAddress, credentials.createInsecure())
  }

  static async start(): Promise<NullFleet> {
    const fleet = new NullFleet()
    try {
      await fleet.#untilReady()
      return fleet
    } catch (error) {
      await fleet[Symbol.asyncDispose]()
      throw error
    }
  }

  /** One call of the yardstick. */
  bareCall(): Promise<unknown> {
    const { path, requestSerialize, responseDeserialize } = BareService.echo
    return new Promise((resolve, reject) => {
      this.#bareClient.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        BARE_MESSAGE,
        (error, response) => (error === null ? resolve(response) : reject(error)),
      )
    })
  }

  cpuSeconds(): { readonly daemon: number; readonly bareServer: number } {
    return { daemon: cpuSecondsOf(this.#daemon.pid), bareServer: cpuSecondsOf(this.#bare.pid) }
  }

  /** By the log's own counter. */
  async forcedWrites(): Promise<number> {
    const status = await ask({ cliFile: CLI_FILE, command: 'status', address: this.address })
    return Number(status['forced_writes'])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#bareClient.close()
    await Promise.all(this.#processes.map((process) => process.stop(READY_WITHIN_MS)))
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #start(name: string, file: string, args: readonly string[]): ManagedProcess {
    const process = new ManagedProcess({
      name,
      arguments: [file, ...args],
      // No crash points: asking for them costs time.
      environment: { PLEDGED_CRASH_POINT: '' },
    })
    this.#processes.push(process)
    return process
  }

  async #untilReady(): Promise<void> {
    const endMs = performance.now() + READY_WITHIN_MS
    for (;;) {
      const fallen = this.#processes.find((process) => !process.running)
      if (fallen !== undefined) {
        throw new PledgedError('INTERNAL', `the ${fallen.name} ended by itself: ${fallen.lastWords}`)
      }
      const status = await ask({ cliFile: CLI_FILE, command: 'status', address: this.address })
      if (participantsUp(status) === NULL_PARTICIPANTS.length) break
      if (performance.now() > endMs) {
        throw new PledgedError('UNAVAILABLE', `the daemon was not ready within ${READY_WITHIN_MS} ms`)
      }
      await sleep(POLL_MS)
    }
    await this.bareCall()
  }
}
