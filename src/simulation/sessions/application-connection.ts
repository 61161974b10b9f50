/**
 * A connection of an application's to a modelled database server, with one branch on it (R12): it works there, prepares, and
 * ends the branch once it is told how. Whatever is under way may be lost with the connection, and the server may carry it out
 * all the same, later, or undo it. While the connection lives it may hold on to what it has prepared, as MariaDB's do: the
 * list shows the branch, and whoever else would end it is told that there is no such.
 */
import { PledgedError } from '../../base/errors.ts'
import type { Verb, Xid } from '../../sdk/participant/index.ts'
import type { Resource } from '../resource.ts'
import type { Process } from '../virtual-time.ts'
import type { World } from '../world.ts'

type Stage = 'closed' | 'working' | 'prepared' | 'ended'

export class ApplicationConnection {
  readonly id: string
  readonly resource: Resource
  readonly #world: World
  readonly #process: Process
  readonly #xid: Xid
  /** Of the server, when it was opened. */
  #life = 0
  /** Resolves when the connection is seen to be lost. */
  readonly #lost = Promise.withResolvers<void>()
  #isLost = false
  #stage: Stage = 'closed'
  #key: string | undefined
  /** A prepare was sent, and not answered. */
  #mayBePrepared = false

  constructor(options: {
    readonly world: World
    readonly process: Process
    readonly resource: Resource
    readonly xid: Xid
  }) {
    this.#world = options.world
    this.#process = options.process
    this.resource = options.resource
    this.#xid = options.xid
    this.id = `connection-${options.world.nextNumber()}`
  }

  async open(): Promise<void> {
    await this.#delay(0.1, 1)
    if (this.#fails('branch_failed')) throw unavailable('too many connections')
    this.#stage = 'working'
    this.#life = this.resource.sessions.life
    this.resource.sessions.connect(this)
    if (this.#world.random.chance(0.3)) this.#writeWitness()
  }

  /** What it takes may be held by another transaction, for as long as that is in doubt. */
  async work(key: string): Promise<void> {
    await this.#delay(0.1, this.#fails('branch_hung') ? 120 : 2)
    this.#requireConnection()
    const holder = this.resource.holderOf(key)
    if (holder !== undefined) throw unavailable(`${key} is held by ${holder}`)
    this.#key = key
  }

  async prepare(): Promise<'prepared' | 'read_only'> {
    await this.#delay(0.05, 0.5)
    this.#requireConnection()
    if (this.#fails('branch_failed')) throw unavailable('could not serialize access')
    if (this.#key === undefined || this.#world.random.chance(0.1)) {
      this.#disconnect()
      return 'read_only'
    }
    this.#writeWitness()
    this.#mayBePrepared = true
    const tookMs = this.#tookMs()
    if (this.#fails('branch_connection_lost')) {
      this.#goOn(tookMs, () => this.#pledge())
      await this.#lost.promise
      throw unavailable('the connection was lost while it was prepared')
    }
    const refusal = await this.#atServer(tookMs, () => this.#pledge())
    this.#mayBePrepared = refusal === undefined
    if (refusal !== undefined) {
      this.#disconnect()
      throw refusal
    }
    if (!(await this.#forced())) throw unavailable('the connection was lost while it was prepared')
    this.#stage = 'prepared'
    return 'prepared'
  }

  /** True: it has committed, for sure. */
  async commit(): Promise<boolean> {
    this.#see('committed_early')
    return this.#stage === 'prepared' && (await this.#end('commit'))
  }

  /** True: nothing is left of it, for sure. */
  async rollBack(): Promise<boolean> {
    this.#see('rolled_back_early')
    if (this.#stage === 'prepared') return this.#end('abort')
    await this.#delay(0.05, 0.5)
    if (this.#mayBePrepared) {
      this.leaveOpen()
      return false
    }
    this.#disconnect()
    return true
  }

  /** The branch stays as it is. */
  leave(): void {
    this.#see('left_early')
    this.leaveOpen()
  }

  /** The application is gone, or has let go of it: the server notices soon, or late. */
  leaveOpen(): void {
    const { random, time } = this.#world
    time.after(random.chance(0.7) ? random.between(0.1, 5) : random.between(10, 80), () => this.#disconnect())
  }

  /** The server ends it: its machine is down, or somebody has killed the connection. */
  lose(): void {
    if (this.#isLost) return
    this.#disconnect()
    this.#process.after(this.#world.random.between(0.1, 3), () => this.#noticeLost())
  }

  async #end(verb: Verb): Promise<boolean> {
    const { sessions, live } = this.resource
    this.#stage = 'ended'
    await this.#delay(0.05, 0.3)
    // Who ends it meanwhile was told the same; but nobody says so here.
    const isTheirs = sessions.endingOf(this.#xid) !== undefined || !live.prepared.has(this.#xid)
    if (isTheirs || !this.#isConnected) {
      this.leaveOpen()
      return false
    }
    sessions.beginEnding(this.#xid, verb)
    const tookMs = this.#tookMs()
    if (this.#fails('branch_connection_lost')) {
      this.#goOn(tookMs, () => this.#finish(verb))
      await this.#lost.promise
      return false
    }
    const done = (await this.#atServer(tookMs, () => this.#finish(verb))) && (await this.#forced())
    this.#disconnect()
    return done
  }

  /** Runs at the server in one piece. Why not, if it doesn't. */
  #pledge(): PledgedError | undefined {
    const { live, sessions, syncs } = this.resource
    const key = this.#key
    if (key === undefined || !sessions.isConnected(this)) return unavailable('the connection was lost')
    if (!syncs) return unavailable('the server does not sync')
    // R4: whoever has ended it here first has left a witness.
    if (live.witnesses.has(this.#xid)) return unavailable('it has ended here: the prepare comes too late')
    const holder = this.resource.holderOf(key)
    if (holder !== undefined) return unavailable(`${key} is held by ${holder}`)
    this.resource.pledge(this.#xid, { key, timeMs: this.#world.time.wallMs })
    this.#see('prepared_early')
    if (this.#isConnected && this.#world.random.chance(0.5)) sessions.hold(this.#xid, this)
    return undefined
  }

  #finish(verb: Verb): boolean {
    const { sessions, live } = this.resource
    if (!sessions.endEnding(this.#xid, this.#life) || !live.prepared.has(this.#xid)) return false
    if (verb === 'commit') this.resource.commit(this.#xid)
    else this.resource.abort(this.#xid)
    return true
  }

  /** The connection is lost, and the server goes on with it, or gives it up. */
  #goOn(tookMs: number, carryOut: () => unknown): void {
    const { random, time } = this.#world
    this.#process.after(random.between(0.1, 3), () => this.#noticeLost())
    time.after(tookMs + random.between(0, 100), () => {
      if (random.chance(0.6)) carryOut()
      this.resource.sessions.endEnding(this.#xid, this.#life)
      this.#disconnect()
    })
  }

  /** What the server does in its time, whether or not its client is paused; where that has died it may be done, or not. */
  #atServer<Done>(tookMs: number, carryOut: () => Done): Promise<Done> {
    return new Promise((resolve) => {
      this.#world.time.after(tookMs, () => {
        if (!this.#process.alive) {
          this.#goOn(0, carryOut)
          return
        }
        const done = carryOut()
        this.#process.after(0, () => resolve(done))
      })
    })
  }

  /** False: the connection was lost before it was on stable storage. */
  #forced(): Promise<boolean> {
    return Promise.race([
      this.resource.forced(this.#process).then(() => true),
      this.#lost.promise.then(() => false),
    ])
  }

  #writeWitness(): void {
    const { sessions, live } = this.resource
    if (!live.witnesses.has(this.#xid)) sessions.beginWriting(this.#xid)
  }

  #noticeLost(): void {
    this.#isLost = true
    this.#lost.resolve()
  }

  #disconnect(): void {
    this.#stage = 'ended'
    this.resource.sessions.disconnect(this, this.#xid)
    this.resource.sessions.endWriting(this.#xid, this.#life)
  }

  get #isConnected(): boolean {
    return !this.#isLost && this.resource.sessions.isConnected(this)
  }

  #requireConnection(): void {
    if (!this.#isConnected) throw unavailable('the connection was lost')
  }

  #tookMs(): number {
    const { random } = this.#world
    return this.#fails('branch_hung') ? random.between(30, 200) : random.between(0.1, 3)
  }

  #see(type: 'prepared_early' | 'committed_early' | 'rolled_back_early' | 'left_early'): void {
    this.#world.see({ type, participant: this.resource.name, xid: this.#xid })
  }

  #fails(kind: Parameters<World['fails']>[0]): boolean {
    return this.#world.fails(kind, this.resource.name)
  }

  #delay(lowMs: number, highMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#process.after(this.#world.random.between(lowMs, highMs), resolve)
    })
  }
}

/** Of the resource, and perhaps gone at the next try. */
function unavailable(message: string): PledgedError {
  return new PledgedError('UNAVAILABLE', message)
}
