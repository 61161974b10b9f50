/** What an application wrote down of what it asked and was told, and whether the coordinator stands by it. */
import { existsSync, readFileSync } from 'node:fs'
import type { Coordinator } from '../../src/sdk/client/index.ts'
import { PledgedError } from '../../src/sdk/client/index.ts'

export interface Told {
  readonly told: string
  readonly attempt: number
  readonly outcome: 'committed' | 'aborted' | 'unknown'
  readonly xid: string
}

interface Asked {
  readonly asked: string
  readonly attempt: number
}

const ASKED_AT_ONCE = 32

/** What an application wrote down, in its order. */
export class ClientRecord {
  readonly told: readonly Told[]
  /** Requests of which some attempt was asked and its outcome not learned: they may have committed. */
  readonly #open = new Set<string>()
  readonly #committed = new Set<string>()

  /** A last line that a kill cut short is left out. */
  constructor(journal: string) {
    const lines = existsSync(journal) ? readFileSync(journal, 'utf8').split('\n').slice(0, -1) : []
    const told: Told[] = []
    for (const line of lines.map((text) => JSON.parse(text) as Told | Asked)) {
      if ('asked' in line) {
        this.#open.add(line.asked)
        continue
      }
      told.push(line)
      if (line.outcome !== 'unknown') this.#open.delete(line.told)
      if (line.outcome === 'committed') this.#committed.add(line.told)
    }
    this.told = told
  }

  /** How many requests have committed: at least those of which it was told, at most those that are open, too. */
  get committed(): { readonly least: number; readonly most: number } {
    const open = [...this.#open].filter((requestId) => !this.#committed.has(requestId))
    return { least: this.#committed.size, most: this.#committed.size + open.length }
  }

  /** Contradictions between what was told and what is answered now, by xid and by request_id. */
  async contradictions(coordinator: Pick<Coordinator, 'get'>, from: number): Promise<string[]> {
    const told = this.told.slice(from).filter(({ outcome }) => outcome !== 'unknown')
    const found: string[] = []
    for (let at = 0; at < told.length; at += ASKED_AT_ONCE) {
      const batch = told.slice(at, at + ASKED_AT_ONCE)
      found.push(...(await Promise.all(batch.map((one) => this.#contradiction(coordinator, one)))).flat())
    }
    return found
  }

  async #contradiction(coordinator: Pick<Coordinator, 'get'>, one: Told): Promise<string[]> {
    const found: string[] = []
    const byXid = await outcomeOf(coordinator, { xid: one.xid })
    if (byXid !== one.outcome) found.push(`${one.xid} was told ${one.outcome}, and is ${byXid} now`)
    const byRequest = await outcomeOf(coordinator, { requestId: one.told })
    if (!this.#possible(one.told).includes(byRequest)) {
      found.push(`${one.told} was told ${one.outcome} at attempt ${one.attempt}, and is ${byRequest} now`)
    }
    return found
  }

  /** An attempt that aborted is remembered by its request_id for the epoch only: later nothing is known of it. */
  #possible(requestId: string): string[] {
    if (this.#committed.has(requestId)) return ['committed']
    return this.#open.has(requestId) ? ['aborted', 'none', 'committed'] : ['aborted', 'none']
  }
}

async function outcomeOf(
  coordinator: Pick<Coordinator, 'get'>,
  key: { readonly xid: string } | { readonly requestId: string },
): Promise<string> {
  try {
    const { outcome } = await coordinator.get(key)
    return outcome
  } catch (error) {
    if (error instanceof PledgedError && error.code === 'REQUEST_NOT_FOUND') return 'none'
    throw error
  }
}
