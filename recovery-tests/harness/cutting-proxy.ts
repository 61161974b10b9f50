/**
 * A TCP proxy between a participant and its database, or an application and its daemon, which cuts connections on order:
 * when a text passes in a request, before it is forwarded, after it was forwarded but before its answer passes, or after the
 * answer. A cut is a reset on both sides, as from a firewall or a machine that lost its power. Or it lets nothing pass back any
 * more, as a network that has lost one direction.
 */
import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { assert } from '../../src/base/assert.ts'

/**
 * before: the request never arrives. between: it was carried out, and nobody heard so. after: the answer has
 * passed, and the connection is gone.
 */
export const CUT_MOMENTS = ['before', 'between', 'after'] as const
export type CutMoment = (typeof CUT_MOMENTS)[number]

export interface Cut {
  /** As it stands in the request, byte for byte. */
  readonly text: string
  readonly moment: CutMoment
}

interface OrderedCut extends Cut {
  readonly done: () => void
}

export class CuttingProxy {
  readonly #target: number | string
  readonly #server: Server
  readonly #pairs = new Set<ConnectionPair>()
  #order: OrderedCut | undefined
  #muting: { readonly text: string; readonly done: () => void } | undefined
  #denied: string | undefined
  #attempts = 0
  #openAtOnceMax = 0

  private constructor(target: number | string) {
    this.#target = target
    this.#server = createServer({ noDelay: true }, (client) => this.#accept(client))
  }

  /** Towards a port of 127.0.0.1, or the path of a unix socket. */
  static async start(target: number | string): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(target)
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject)
      proxy.#server.listen(0, '127.0.0.1', resolve)
    })
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** The URL with this proxy in the server's place. */
  through(url: string): string {
    const changed = new URL(url)
    changed.port = String(this.port)
    return changed.href
  }

  /** How many connections were asked for since the start. */
  get attempts(): number {
    return this.#attempts
  }

  /** The most connections that were open at the same time since `resetOpenAtOnceMax`. */
  get openAtOnceMax(): number {
    return this.#openAtOnceMax
  }

  resetOpenAtOnceMax(): void {
    this.#openAtOnceMax = this.#pairs.size
  }

  /** Cuts the next connection on which it applies; resolves when that is done. A new order replaces an old one. */
  cutNext(cut: Cut): Promise<void> {
    assert(cut.text.length > 0 && cut.text.length <= TEXT_MAX, 'a text that can be found')
    return new Promise((done) => {
      this.#order = { ...cut, done }
    })
  }

  /**
   * The next connection on which the text passes carries nothing back any more, from then on; resolves when the text was
   * forwarded. It stays open until `cutAll`.
   */
  muteNext(text: string): Promise<void> {
    assert(text.length > 0 && text.length <= TEXT_MAX, 'a text that can be found')
    return new Promise((done) => {
      this.#muting = { text, done }
    })
  }

  /** Takes back an order that hasn't been carried out; true where there was one. */
  countermand(): boolean {
    const open = this.#order !== undefined
    this.#order = undefined
    return open
  }

  /** Until `permit`, every request with this text is cut before it is forwarded. */
  deny(text: string): void {
    this.#denied = text
  }

  permit(): void {
    this.#denied = undefined
  }

  /** All that are open now. */
  cutAll(): void {
    for (const pair of this.#pairs) pair.cut()
  }

  async close(): Promise<void> {
    this.cutAll()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #accept(client: Socket): void {
    this.#attempts += 1
    const target = this.#target
    const place = typeof target === 'string' ? { path: target } : { port: target, host: '127.0.0.1' }
    const pair = new ConnectionPair(client, dial({ ...place, noDelay: true }), {
      cutFor: (passing) => this.#cutFor(passing),
      mutedBy: (passing) => this.#mutedBy(passing),
      // A unix socket has no reset.
      drop: (socket) => (typeof target === 'string' ? socket.destroy() : socket.resetAndDestroy()),
      closed: () => this.#pairs.delete(pair),
    })
    this.#pairs.add(pair)
    this.#openAtOnceMax = Math.max(this.#openAtOnceMax, this.#pairs.size)
  }

  /** The order that applies to what passes; it is taken, so that it applies once. */
  #cutFor(passes: (text: string) => boolean): Ordered | undefined {
    if (this.#denied !== undefined && passes(this.#denied)) return { moment: 'before', done: () => {} }
    const order = this.#order
    if (order === undefined || !passes(order.text)) return undefined
    this.#order = undefined
    return order
  }

  #mutedBy(passes: (text: string) => boolean): (() => void) | undefined {
    const muting = this.#muting
    if (muting === undefined || !passes(muting.text)) return undefined
    this.#muting = undefined
    return muting.done
  }
}

type Ordered = Pick<OrderedCut, 'moment' | 'done'>

interface PairEvents {
  readonly cutFor: (passes: (text: string) => boolean) => Ordered | undefined
  readonly mutedBy: (passes: (text: string) => boolean) => (() => void) | undefined
  /** Of the database's side. */
  readonly drop: (socket: Socket) => void
  readonly closed: () => void
}

/** Longer texts aren't ordered. */
const TEXT_MAX = 200

/** One connection: the participant's (or application's) side, and the database's (or daemon's). */
class ConnectionPair {
  readonly #client: Socket
  readonly #database: Socket
  readonly #events: PairEvents
  #tail = ''
  #pending: Ordered | undefined
  #muted = false

  constructor(client: Socket, database: Socket, events: PairEvents) {
    this.#client = client
    this.#database = database
    this.#events = events
    client.on('data', (bytes) => this.#request(bytes))
    database.on('data', (bytes) => this.#answer(bytes))
    client.on('end', () => database.end())
    database.on('end', () => client.end())
    for (const socket of [client, database]) {
      // What breaks one side breaks the other; 'close' follows each error.
      socket.on('error', () => {})
      socket.on('close', () => this.cut())
    }
  }

  cut(): void {
    this.#client.resetAndDestroy()
    this.#events.drop(this.#database)
    this.#events.closed()
  }

  #request(bytes: Buffer): void {
    const chunk = bytes.toString('latin1')
    const tail = this.#tail
    this.#tail = (tail + chunk).slice(-TEXT_MAX)
    // A text can be split between two packets. So much of the tail is looked at that a text that passed whole, before
    // the order, isn't found again.
    const passes = (text: string): boolean => {
      const before = text.length === 1 ? '' : tail.slice(1 - text.length)
      return (before + chunk).includes(text)
    }
    const ordered = this.#pending === undefined ? this.#events.cutFor(passes) : undefined
    if (ordered?.moment === 'before') {
      this.cut()
      ordered.done()
      return
    }
    this.#pending ??= ordered
    const muted = this.#events.mutedBy(passes)
    if (muted !== undefined) this.#muted = true
    this.#database.write(bytes)
    muted?.()
  }

  #answer(bytes: Buffer): void {
    if (this.#muted) return
    const pending = this.#pending
    if (pending?.moment === 'between') {
      this.cut()
      pending.done()
      return
    }
    if (pending === undefined) {
      this.#client.write(bytes)
      return
    }
    this.#pending = undefined
    // A reset towards the client could overtake the answer, which has to arrive.
    this.#client.end(bytes)
    this.#events.drop(this.#database)
    this.#events.closed()
    pending.done()
  }
}
