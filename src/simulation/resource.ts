/**
 * A resource that takes part in transactions, as a model: prepared branches, witnesses, applied work. What was
 * forced survives everything; of what was not, a loss of power leaves some oldest part.
 *
 * A 'server' lives apart from the process that speaks for it, as a database does: it may carry out a prepare
 * whose process has died (a zombie). An 'embedded' one dies with its process.
 */

import type { BranchChange } from './observations.ts'
import type { Process } from './virtual-time.ts'
import type { World } from './world.ts'

export interface Prepared {
  readonly key: string
  readonly timeMs: number
}

interface Contents {
  readonly prepared: Map<string, Prepared>
  readonly witnesses: Map<string, 'committed' | 'aborted'>
  /** How often each branch's work was applied: once, or there is a bug. */
  readonly applied: Map<string, number>
}

interface Write {
  readonly xid: string
  readonly change: BranchChange
  /** A person did it. */
  readonly byHand: boolean
  readonly apply: (contents: Contents) => void
  forced: (() => void) | undefined
}

export class Resource {
  readonly name: string
  readonly kind: 'embedded' | 'server'
  readonly keepsWitnesses: boolean
  readonly #world: World
  readonly #durable: Contents = { prepared: new Map(), witnesses: new Map(), applied: new Map() }
  #live: Contents = this.#durable
  #unforced: Write[] = []

  constructor(options: {
    readonly world: World
    readonly name: string
    readonly kind: 'embedded' | 'server'
    readonly keepsWitnesses: boolean
  }) {
    this.name = options.name
    this.kind = options.kind
    this.keepsWitnesses = options.keepsWitnesses
    this.#world = options.world
    this.#live = copyOf(this.#durable)
  }

  /** What is on stable storage; for the checkers. */
  get durable(): Readonly<Contents> {
    return this.#durable
  }

  /** What those who speak to it see. */
  get live(): Readonly<Contents> {
    return this.#live
  }

  /** Who holds the key, if somebody does (R13). */
  holderOf(key: string): string | undefined {
    for (const [xid, prepared] of this.#live.prepared) if (prepared.key === key) return xid
    return undefined
  }

  pledge(xid: string, prepared: Prepared): void {
    this.#write(xid, 'pledged', false, (contents) => contents.prepared.set(xid, prepared))
  }

  commit(xid: string, options: { readonly byHand?: boolean } = {}): void {
    this.#write(xid, 'committed', options.byHand === true, (contents) => {
      contents.prepared.delete(xid)
      contents.applied.set(xid, (contents.applied.get(xid) ?? 0) + 1)
      if (this.keepsWitnesses) contents.witnesses.set(xid, 'committed')
    })
  }

  abort(xid: string, options: { readonly byHand?: boolean } = {}): void {
    this.#write(xid, 'aborted', options.byHand === true, (contents) => {
      contents.prepared.delete(xid)
      if (this.keepsWitnesses) contents.witnesses.set(xid, 'aborted')
    })
  }

  /** R4: nothing is prepared, and nothing will be. */
  close(xid: string): void {
    this.#write(xid, 'closed', false, (contents) => contents.witnesses.set(xid, 'aborted'))
  }

  sweep(xid: string): void {
    this.#write(xid, 'swept', false, (contents) => contents.witnesses.delete(xid))
  }

  /** Resolves when everything written before is on stable storage; never, if power is lost first. */
  forced(process: Process): Promise<void> {
    const newest = this.#unforced.at(-1)
    if (newest === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      const before = newest.forced
      newest.forced = () => {
        before?.()
        if (process.alive) resolve()
      }
    })
  }

  /** Some oldest part of what was not forced is left. */
  losePower(): void {
    const kept = this.#unforced.slice(0, this.#world.random.below(this.#unforced.length + 1))
    for (const write of kept) this.#settle(write)
    this.#unforced = []
    this.#live = copyOf(this.#durable)
  }

  #write(xid: string, change: BranchChange, byHand: boolean, apply: Write['apply']): void {
    const write: Write = { xid, change, byHand, apply, forced: undefined }
    apply(this.#live)
    this.#unforced.push(write)
    this.#world.time.after(this.#world.random.between(0.2, 2), () => this.#force(write))
  }

  /** Forcing a write forces all that were written before it. */
  #force(write: Write): void {
    const index = this.#unforced.indexOf(write)
    if (index < 0) return
    for (const forced of this.#unforced.splice(0, index + 1)) {
      this.#settle(forced)
      forced.forced?.()
    }
  }

  #settle({ xid, change, byHand, apply }: Write): void {
    apply(this.#durable)
    if (byHand) {
      const ended = change === 'committed' ? 'commit' : 'abort'
      this.#world.see({ type: 'ended_by_hand', participant: this.name, xid, ended })
    }
    this.#world.see({ type: 'branch', participant: this.name, xid, change })
  }
}

function copyOf(contents: Contents): Contents {
  return {
    prepared: new Map(contents.prepared),
    witnesses: new Map(contents.witnesses),
    applied: new Map(contents.applied),
  }
}
