/** One attack after the other on one daemon, and what it has to show for it. */
import assert from 'node:assert/strict'
import type { Assailant } from './assailant.ts'
import { type Attack, launch } from './attacks.ts'
import type { BesiegedDaemon } from './besieged-daemon.ts'

/** What the daemon itself opens and closes, and the honest client, which may have connected anew. */
const DESCRIPTORS_SPARE = 5

export interface SiegeOptions {
  /** The daemon speaks TLS, and asks for a token. */
  readonly caFile?: string
  readonly connectionsMax?: number
}

export class Siege {
  readonly #daemon: BesiegedDaemon
  readonly #caFile: string | undefined
  readonly #connectionsMax: number
  readonly #calm: { readonly rssBytes: number; readonly descriptors: number }
  /** Who is answered may stay; that is everybody where nobody is asked who they are. */
  readonly #served: Assailant[] = []
  readonly #strangers: Assailant[] = []

  constructor(daemon: BesiegedDaemon, { caFile, connectionsMax = Infinity }: SiegeOptions = {}) {
    this.#daemon = daemon
    this.#caFile = caFile
    this.#connectionsMax = connectionsMax
    this.#calm = { rssBytes: daemon.rssBytes, descriptors: daemon.descriptors }
  }

  /** Resolves, when the honest client has got on, with the bytes that the daemon has grown by since it was calm. */
  async withstand(attack: Attack): Promise<number> {
    const assailants = await launch(attack, { port: this.#daemon.port, caFile: this.#caFile })
    const isServed = attack.isServed === true && this.#caFile === undefined
    const company = isServed ? this.#served : this.#strangers
    company.push(...assailants)
    await this.#daemon.progress()
    assert(this.#daemon.descriptors <= this.#calm.descriptors + this.#connectionsMax + DESCRIPTORS_SPARE)
    return this.#growthBytes
  }

  async outlast(): Promise<void> {
    await this.#untilAloneWith(this.#served.length)
    for (const assailant of this.#served) assailant.leave()
    await this.#untilAloneWith(0)
    await this.#daemon.progress()
    await this.#daemon.expectWhole()
    process.stderr.write(`hostile clients: the daemon has grown by ${this.#growthBytes >> 20} MiB\n`)
  }

  async end(): Promise<void> {
    for (const assailant of [...this.#served, ...this.#strangers]) assailant.leave()
    await this.#daemon.end()
  }

  get #growthBytes(): number {
    return this.#daemon.rssBytes - this.#calm.rssBytes
  }

  async #untilAloneWith(count: number): Promise<void> {
    const descriptorsMax = this.#calm.descriptors + count + DESCRIPTORS_SPARE
    await this.#daemon.until(() => this.#daemon.descriptors <= descriptorsMax)
  }
}
