/** One process of the built program, watched from outside: whether it lives, what it says, how much memory it has. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { CLI_FILE } from '../harness/pledged.ts'

const STARTS_WITHIN_MS = 60_000
/** What it says is kept up to this. */
const OUTPUT_LENGTH_MAX = 1_000_000

/** A stack trace's line, as Node writes it, also within a line of JSON. */
export const STACK_TRACE = /(?:^|\\n|\n)\s+at .+[:(][^\n]*\d/

export class WatchedProcess {
  readonly #args: readonly string[]
  readonly #child: ChildProcess
  #output = ''

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#args = args
    this.#child = spawn(process.execPath, [CLI_FILE, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-OUTPUT_LENGTH_MAX)
      })
    }
  }

  /** Both of its outputs. */
  get output(): string {
    return this.#output
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Resident memory, as the kernel counts it. */
  get rssBytes(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024
  }

  /** Resolves once the condition holds; rejects with the output where the process ends, or takes too long. */
  async until(condition: () => boolean | Promise<boolean>, withinMs = STARTS_WITHIN_MS): Promise<void> {
    const deadlineMs = performance.now() + withinMs
    while (!(await condition())) {
      this.requireWell()
      if (performance.now() > deadlineMs) throw new Error(`${this.#name} takes too long: ${this.#output}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Resolves once the condition holds, or the process has ended; rejects where both take too long. */
  async untilEndOr(condition: () => boolean, withinMs: number): Promise<void> {
    const deadlineMs = performance.now() + withinMs
    while (this.running && !condition()) {
      if (performance.now() > deadlineMs) throw new Error(`${this.#name} hangs: ${this.#output}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Throws where it has ended, or has said what nobody should have to read. */
  requireWell(): void {
    if (!this.running) {
      const { exitCode, signalCode } = this.#child
      throw new Error(`${this.#name} ended (${exitCode ?? signalCode}): ${this.#output.slice(-4_000)}`)
    }
    if (STACK_TRACE.test(this.#output))
      throw new Error(`${this.#name} shows a stack: ${this.#output.slice(-4_000)}`)
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (!this.running) return this.#child.exitCode
    const closed = once(this.#child, 'close')
    this.#child.kill(signal)
    const [code] = (await closed) as [number | null]
    return code
  }

  get #name(): string {
    return `pledged ${this.#args[0]}`
  }
}
