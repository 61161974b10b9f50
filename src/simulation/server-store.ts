/**
 * A modelled database server as the production code of the server participants sees it, with the lies that real ones
 * tell (R3). A verb takes time there, and it may outlive the process that sent it: meanwhile whoever asks by verb is
 * told "not prepared" (MariaDB's XAER_NOTA), while the list still shows the branch; a dirty read shows the witness of
 * a transaction that has not ended; and what was being done may yet be undone.
 */
import type { BranchStore, WitnessOutcome } from '../../participants/shared/servers/branch-store.ts'
import type { Verb, Xid } from '../sdk/participant/index.ts'
import type { Resource } from './resource.ts'
import type { Process } from './virtual-time.ts'
import type { World } from './world.ts'

export type EndingStore = Pick<BranchStore, 'end' | 'isPrepared' | 'witness' | 'insertAborted'> & {
  /** At READ UNCOMMITTED: also what a transaction has written that has not ended. No production code asks for it. */
  dirtyWitness(xid: Xid): WitnessOutcome | undefined
}

/** A connection of an application's, which works on a branch of its own. */
export interface HeldConnection {
  /** The server ends it. */
  lose(): void
}

/** Sessions in the middle of something, whether or not the process that opened them lives. */
export class ServerSessions {
  /** A commit or an abort of a prepared branch. */
  readonly #ending = new Map<string, Verb>()
  /** A branch that works and has not prepared: its witness is written, and waited for by whoever writes the same. */
  readonly #writing = new Set<string>()
  readonly #connections = new Set<HeldConnection>()
  /** A prepared branch whose connection lives: nobody else can end it (MariaDB's XA). */
  readonly #holders = new Map<string, HeldConnection>()
  /** Raised by a loss of power: what was under way before is gone. */
  #life = 0

  get life(): number {
    return this.#life
  }

  endingOf(xid: string): Verb | undefined {
    return this.#ending.get(xid)
  }

  isWriting(xid: string): boolean {
    return this.#writing.has(xid)
  }

  beginEnding(xid: string, verb: Verb): void {
    this.#ending.set(xid, verb)
  }

  /** False: power was lost meanwhile. */
  endEnding(xid: string, life: number): boolean {
    if (life !== this.#life) return false
    return this.#ending.delete(xid)
  }

  beginWriting(xid: string): void {
    this.#writing.add(xid)
  }

  endWriting(xid: string, life: number): void {
    if (life === this.#life) this.#writing.delete(xid)
  }

  connect(connection: HeldConnection): void {
    this.#connections.add(connection)
  }

  isConnected(connection: HeldConnection): boolean {
    return this.#connections.has(connection)
  }

  disconnect(connection: HeldConnection, xid: string): void {
    this.#connections.delete(connection)
    if (this.#holders.get(xid) === connection) this.#holders.delete(xid)
  }

  hold(xid: string, connection: HeldConnection): void {
    this.#holders.set(xid, connection)
  }

  isHeld(xid: string): boolean {
    return this.#holders.has(xid)
  }

  /** As an administrator does: KILL. */
  killHolder(xid: string): void {
    this.#holders.get(xid)?.lose()
  }

  losePower(): void {
    this.#life += 1
    for (const connection of this.#connections) connection.lose()
    this.#ending.clear()
    this.#writing.clear()
  }
}

const LOCK_TIMEOUT_MS = 40
const LOCK_LOOK_MS = 2

export class ServerStore implements EndingStore {
  readonly #world: World
  readonly #process: Process
  readonly #resource: Resource

  constructor(options: { readonly world: World; readonly process: Process; readonly resource: Resource }) {
    this.#world = options.world
    this.#process = options.process
    this.#resource = options.resource
  }

  async end(verb: Verb, xid: Xid): Promise<'ended' | 'not_prepared'> {
    const { sessions, live } = this.#resource
    const slow = this.#world.fails('result_slow', this.#resource.name)
    const tookMs = slow ? this.#world.random.between(20, 150) : this.#world.random.between(0.1, 2)
    if (!live.prepared.has(xid) || sessions.endingOf(xid) !== undefined) {
      await this.#delay(0.1, 1)
      return 'not_prepared'
    }
    if (sessions.isHeld(xid)) {
      await this.#delay(0.1, 1)
      // R12: the connection that holds it stands in the way.
      if (this.#world.random.chance(0.7) && sessions.endingOf(xid) === undefined) sessions.killHolder(xid)
      return 'not_prepared'
    }
    sessions.beginEnding(xid, verb)
    const isLost = this.#world.fails('verb_lost', this.#resource.name)
    if (await this.#carriedOut(verb, xid, { tookMs, isLost })) return 'ended'
    throw new Error('the connection was lost while it was carried out')
  }

  async isPrepared(xid: Xid): Promise<boolean> {
    // The list may be long.
    await this.#delay(0.1, this.#world.random.chance(0.5) ? 20 : 1)
    return this.#resource.live.prepared.has(xid)
  }

  async witness(xid: Xid): Promise<WitnessOutcome | undefined> {
    await this.#delay(0.1, 1)
    return this.#resource.live.witnesses.get(xid)
  }

  /** Waits for a live writer of the same witness, as a unique key does, and no longer than the lock timeout. */
  async insertAborted(xid: Xid): Promise<'inserted' | 'exists'> {
    await this.#delay(0.1, 1)
    for (let waitedMs = 0; this.#isLocked(xid); waitedMs += LOCK_LOOK_MS) {
      if (waitedMs >= LOCK_TIMEOUT_MS) throw new Error('the lock timeout has passed')
      await this.#delay(LOCK_LOOK_MS, LOCK_LOOK_MS)
    }
    if (this.#resource.live.witnesses.has(xid)) return 'exists'
    this.#resource.close(xid)
    return 'inserted'
  }

  dirtyWitness(xid: Xid): WitnessOutcome | undefined {
    const { sessions, live } = this.#resource
    // A branch writes its witness as committed before it prepares; only its end decides whether that stays.
    if (sessions.isWriting(xid) || live.prepared.has(xid)) return 'committed'
    return live.witnesses.get(xid)
  }

  #isLocked(xid: Xid): boolean {
    const { sessions, live } = this.#resource
    return sessions.isWriting(xid) || live.prepared.has(xid)
  }

  /** True: it was, and whoever sent it has heard so. */
  #carriedOut(
    verb: Verb,
    xid: Xid,
    { tookMs, isLost }: { readonly tookMs: number; readonly isLost: boolean },
  ): Promise<boolean> {
    const { life } = this.#resource.sessions
    return new Promise((resolve) => {
      this.#world.time.after(tookMs, () => {
        if (this.#process.alive && !isLost) {
          resolve(this.#finish(verb, xid, life))
          return
        }
        this.#goOn(verb, xid, life)
        if (this.#process.alive) resolve(false)
      })
    })
  }

  /** Nobody listens any more. The server may notice only later, and carry it out meanwhile, or undo it. */
  #goOn(verb: Verb, xid: Xid, life: number): void {
    const { time, random } = this.#world
    if (!this.#process.alive && !this.#world.fails('zombie_verb', this.#resource.name)) {
      this.#resource.sessions.endEnding(xid, life)
      return
    }
    time.after(random.between(10, 120), () => {
      if (random.chance(0.3)) this.#resource.sessions.endEnding(xid, life)
      else this.#finish(verb, xid, life)
    })
  }

  #finish(verb: Verb, xid: Xid, life: number): boolean {
    const isTheirs = this.#resource.sessions.endEnding(xid, life)
    // A person may have ended it meanwhile.
    if (!isTheirs || !this.#resource.live.prepared.has(xid)) return false
    if (verb === 'commit') this.#resource.commit(xid)
    else this.#resource.abort(xid)
    return true
  }

  #delay(lowMs: number, highMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#process.after(this.#world.random.between(lowMs, highMs), resolve)
    })
  }
}
