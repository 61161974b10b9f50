/**
 * A resource that takes part in transactions, as a model: prepared branches, witnesses, applied work. What was
 * forced survives everything; of what was not, a loss of power leaves some oldest part.
 *
 * A 'server' lives apart from the process that speaks for it, as a database does: it may carry out a prepare
 * whose process has died (a zombie). An 'embedded' one dies with its process.
 *
 * A resource that doesn't sync says that a write is forced when it is not (R16), until a person has mended it.
 */

import type { Epoch } from '../base/ids.ts'
import type { BranchChange } from './observations.ts'
import { ServerSessions } from './server-store.ts'
import type { Process } from './virtual-time.ts'
import type { World } from './world.ts'

export interface Prepared {
  readonly key: string
  readonly timeMs: number
  /** Its work has committed by itself: nothing is left to apply (R14). */
  readonly isApplied?: boolean | undefined
}

interface Contents {
  readonly prepared: Map<string, Prepared>
  readonly witnesses: Map<string, 'committed' | 'aborted'>
  /** How often each branch's work was applied: once, or there is a bug. */
  readonly applied: Map<string, number>
}

interface Write {
  readonly xid: string
  /** Undefined: nobody can see it. */
  readonly change: BranchChange | undefined
  /** A person did it. */
  readonly byHand: boolean
  readonly apply: (contents: Contents) => void
  forced: (() => void) | undefined
}

export class Resource {
  readonly name: string
  readonly kind: 'embedded' | 'server'
  readonly keepsWitnesses: boolean
  /** Of a server; an embedded resource does everything in one piece. */
  readonly sessions = new ServerSessions()
  /** R11: the newest of each log that was admitted; on stable storage before anything is done for it. */
  readonly epochs = new Map<string, Epoch>()
  readonly #world: World
  readonly #durable: Contents = { prepared: new Map(), witnesses: new Map(), applied: new Map() }
  #live: Contents = this.#durable
  #unforced: Write[] = []
  #syncs: boolean
  /** Who waits until a branch has ended, by its xid. */
  readonly #awaited = new Map<string, Set<() => void>>()

  constructor(options: {
    readonly world: World
    readonly name: string
    readonly kind: 'embedded' | 'server'
    readonly keepsWitnesses: boolean
    readonly syncs: boolean
  }) {
    this.name = options.name
    this.kind = options.kind
    this.keepsWitnesses = options.keepsWitnesses
    this.#syncs = options.syncs
    this.#world = options.world
    this.#live = copyOf(this.#durable)
  }

  get syncs(): boolean {
    return this.#syncs
  }

  /** A person sets right what its configuration had wrong. */
  mend(): void {
    this.#syncs = true
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

  /** Resolves when the branch has ended; with false when nobody waits any more, or the lock timeout has passed. */
  ended(
    xid: string,
    { signal, timeoutMs }: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false)
    return new Promise((resolve) => {
      const waiters = this.#awaited.get(xid) ?? new Set()
      this.#awaited.set(
        xid,
        waiters.add(() => resolve(true)),
      )
      signal.addEventListener('abort', () => resolve(false), { once: true })
      this.#world.time.after(timeoutMs, () => resolve(false))
    })
  }

  /** What its work has changed stays, however its transaction ends (R14). */
  applyUnasked(xid: string): void {
    this.#write(xid, undefined, false, (contents) => count(contents.applied, xid))
  }

  commit(xid: string, options: { readonly byHand?: boolean } = {}): void {
    this.#write(xid, 'committed', options.byHand === true, (contents) => {
      if (contents.prepared.get(xid)?.isApplied !== true) count(contents.applied, xid)
      contents.prepared.delete(xid)
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
    if (newest === undefined || !this.#syncs) return Promise.resolve()
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
    this.sessions.losePower()
  }

  #write(xid: string, change: Write['change'], byHand: boolean, apply: Write['apply']): void {
    const { random, time } = this.#world
    const write: Write = { xid, change, byHand, apply, forced: undefined }
    apply(this.#live)
    // Its transaction works no more.
    this.sessions.endWriting(xid, this.sessions.life)
    this.#unforced.push(write)
    time.after(this.#syncs ? random.between(0.2, 2) : random.between(20, 200), () => this.#force(write))
    if (change === 'committed' || change === 'aborted') this.#letGo(xid)
  }

  #letGo(xid: string): void {
    const waiters = this.#awaited.get(xid)
    this.#awaited.delete(xid)
    for (const goOn of waiters ?? []) goOn()
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
    if (change === undefined) return
    if (byHand) {
      const ended = change === 'committed' ? 'commit' : 'abort'
      this.#world.see({ type: 'ended_by_hand', participant: this.name, xid, ended })
    }
    this.#world.see({ type: 'branch', participant: this.name, xid, change })
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function copyOf(contents: Contents): Contents {
  return {
    prepared: new Map(contents.prepared),
    witnesses: new Map(contents.witnesses),
    applied: new Map(contents.applied),
  }
}
