/** A child process that may be told to die at a crash point, and whose last words are kept for the report. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { CrashPoint } from '../base/crash-points.ts'
import { PledgedError } from '../base/errors.ts'

export interface Command {
  readonly name: string
  readonly arguments: readonly string[]
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** What it sends over its channel, other than the crash points' messages. */
  readonly onMessage?: ((message: unknown) => void) | undefined
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const LAST_WORDS_MAX = 4_000

export class ManagedProcess {
  readonly name: string
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess
  #lastWords = ''
  #output = ''
  #waiting: { readonly type: string; readonly resolve: () => void }[] = []

  constructor(command: Command) {
    this.name = command.name
    this.#child = spawn(process.execPath, command.arguments, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, PLEDGED_CRASH_POINT: 'ipc', ...command.environment },
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS_MAX)
    })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-LAST_WORDS_MAX)
    })
    this.#child.on('message', (message) => this.#heard(message, command.onMessage))
    this.exited = new Promise((resolve) => {
      this.#child.once('error', () => resolve({ code: 1, signal: null }))
      this.#child.once('exit', (code, signal) => resolve({ code, signal }))
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The end of what it wrote to stderr. */
  get lastWords(): string {
    return this.#lastWords.trim()
  }

  /** The end of what it wrote to stdout. */
  get output(): string {
    return this.#output
  }

  /**
   * Arms a crash point: at its `after`-th pass from now the process kills itself, or the process `kill`.
   * Resolves when it is armed.
   */
  async arm(point: CrashPoint, options: { readonly after: number; readonly kill?: number }): Promise<void> {
    const armed = this.#hear('armed')
    this.send({ type: 'arm', point, ...options })
    await Promise.race([armed, this.exited])
  }

  /** Resolves when an armed point that kills another process was passed. */
  fired(): Promise<void> {
    return this.#hear('fired')
  }

  send(message: object): void {
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Ends it in good order; one that doesn't within the time is killed, and that is an error. */
  async stop(withinMs: number): Promise<Exit> {
    if (!this.running) return this.exited
    this.kill('SIGTERM')
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), withinMs)
    })
    const exit = await Promise.race([this.exited, late])
    clearTimeout(timer)
    if (exit !== 'late') return exit
    this.kill('SIGKILL')
    throw new PledgedError('INTERNAL', `${this.name} did not end within ${withinMs} ms of SIGTERM`)
  }

  #hear(type: string): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ type, resolve }))
  }

  #heard(message: unknown, onMessage: ((message: unknown) => void) | undefined): void {
    const type =
      typeof message === 'object' && message !== null && 'type' in message ? message.type : undefined
    const heard = this.#waiting.filter((waiting) => waiting.type === type)
    this.#waiting = this.#waiting.filter((waiting) => waiting.type !== type)
    for (const { resolve } of heard) resolve()
    if (type !== 'armed' && type !== 'fired') onMessage?.(message)
  }
}
