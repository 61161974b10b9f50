/** One life of the daemon part: a process in a session of its own, out of reach of the application's terminal. */
import { type ChildProcess, spawn } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../../base/errors.ts'
import type { Environment } from '../options.ts'
import type { DaemonPartOptions } from './daemon-part.ts'
import { type DaemonMessage, DRAIN, daemonMessage, type Failure, type Ready } from './messages.ts'

export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Why it could not be started. */
  readonly failure: Failure | undefined
}

const ENTRY = fileURLToPath(new URL(`./daemon-part${extname(import.meta.filename)}`, import.meta.url))

export class DaemonLife {
  /** Undefined: it ended before. */
  readonly ready: Promise<Ready | undefined>
  readonly ended: Promise<Ending>
  readonly #child: ChildProcess | undefined
  readonly #isReady = Promise.withResolvers<Ready | undefined>()
  readonly #hasItsEnd = Promise.withResolvers<Ending>()
  #hasEnded = false
  #failure: Failure | undefined

  constructor(options: DaemonPartOptions, environment: Environment) {
    this.ready = this.#isReady.promise
    this.ended = this.#hasItsEnd.promise
    try {
      this.#child = spawn(process.execPath, [ENTRY, JSON.stringify(options)], {
        // It writes nothing to standard output, which is the application's.
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        detached: true,
        env: environment,
      })
    } catch (error) {
      // Some of what the system says comes so (ENOMEM), some as an event (EAGAIN).
      this.#neverWas(error)
      return
    }
    this.#child.on('message', (message) => this.#heard(daemonMessage(message)))
    // 'close', and not 'exit': what it has said over the channel has been read by then.
    this.#child.once('close', (code, signal) => this.#end(code, signal))
    this.#child.on('error', (error) => {
      if (this.#child?.pid === undefined) this.#neverWas(error)
    })
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** The second time it ends at once. */
  drain(): void {
    if (this.#child?.connected === true) this.#child.send(DRAIN, () => {})
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.ended
  }

  #heard(message: DaemonMessage | undefined): void {
    if (message?.type === 'ready') this.#isReady.resolve(message)
    if (message?.type === 'failed') this.#failure = message.failure
  }

  #neverWas(error: unknown): void {
    const message = `no process could be made for the daemon part: ${messageOf(error)}`
    this.#failure ??= { code: 'INTERNAL', message }
    this.#end(null, null)
  }

  #end(code: number | null, signal: NodeJS.Signals | null): void {
    this.#hasEnded = true
    this.#isReady.resolve(undefined)
    this.#hasItsEnd.resolve({ code, signal, failure: this.#failure })
  }
}
