/** What the demo prints: lines for people, a bar on a terminal, nothing but the proof with --json. */
import type { Kill, Victim } from './kill-plan.ts'
import { wordsOf } from './kill-plan.ts'

export interface ReporterOptions {
  readonly json: boolean
  readonly quiet: boolean
  readonly events: number
}

const BAR_WIDTH = 30
const BAR_EVERY_MS = 100

export class Reporter {
  readonly #options: ReporterOptions
  readonly #startedMs = performance.now()
  readonly #bar: boolean
  #lastBarMs = 0
  #barShown = false

  constructor(options: ReporterOptions) {
    this.#options = options
    this.#bar = process.stderr.isTTY && !options.json && !options.quiet
  }

  line(text: string): void {
    if (this.#options.json) return
    this.#clearBar()
    process.stdout.write(`${text}\n`)
  }

  /** One that --quiet leaves out. */
  detail(text: string): void {
    if (!this.#options.quiet) this.line(text)
  }

  json(value: object): void {
    if (this.#options.json) process.stdout.write(`${JSON.stringify(value)}\n`)
  }

  killed(kill: Kill, backInMs: number): void {
    this.killedAt(kill.victim, wordsOf(kill.window), backInMs)
  }

  killedAt(victim: Victim, where: string, backInMs: number): void {
    const at = this.#seconds(performance.now() - this.#startedMs - backInMs).padStart(6)
    const back = `back in ${this.#seconds(backInMs)}`
    this.detail(`${at}  kill -9 ${victim.padEnd(10)} ${where.padEnd(40)} ${back}`)
  }

  progress(offset: number): void {
    const nowMs = performance.now()
    if (!this.#bar || nowMs - this.#lastBarMs < BAR_EVERY_MS) return
    this.#lastBarMs = nowMs
    const done = Math.round((offset / this.#options.events) * BAR_WIDTH)
    const bar = `${'#'.repeat(done)}${'.'.repeat(BAR_WIDTH - done)}`
    process.stderr.write(`\r[${bar}] ${offset.toLocaleString('en-US')}`)
    this.#barShown = true
  }

  end(): void {
    this.#clearBar()
  }

  #clearBar(): void {
    if (this.#barShown) process.stderr.write('\r\x1b[K')
    this.#barShown = false
  }

  #seconds(ms: number): string {
    return `${(ms / 1_000).toFixed(1)}s`
  }
}
