/**
 * Which branches this participant prepares and holds prepared, in memory: how many there may be at once, and
 * whether a prepare is the repetition of one. It is never asked whether a branch is prepared: that is for the
 * database to say.
 */
import { type Patience, Places } from './places.ts'

export type Entry =
  | 'entered'
  /** The same work is prepared under this xid already. */
  | 'repeated'
  /** Other work is prepared under this xid, or being prepared. */
  | 'taken'
  /** No place became free in time. */
  | 'full'

export interface Entering extends Patience {
  readonly xid: string
  readonly workDigest: string
}

interface Scan {
  readonly heldBefore: ReadonlySet<string>
  readonly listed: Set<string>
}

export class HeldBranches {
  readonly #places: Places
  readonly #preparing = new Set<string>()
  /** With the digest of the work. */
  readonly #held = new Map<string, string>()
  #scan: Scan | undefined

  constructor(max: number) {
    this.#places = new Places(max)
  }

  /** Those that voted yes and have not ended. */
  get count(): number {
    return this.#held.size
  }

  setMax(max: number): void {
    this.#places.setMax(Math.max(1, Math.trunc(max)))
  }

  /** After `entered`, `left` or `kept` must follow. */
  async enter({ xid, workDigest, ...patience }: Entering): Promise<Entry> {
    const held = this.#held.get(xid)
    if (held !== undefined) return held === workDigest ? 'repeated' : 'taken'
    if (this.#preparing.has(xid)) return 'taken'
    this.#preparing.add(xid)
    if (await this.#places.take(patience)) return 'entered'
    this.#preparing.delete(xid)
    return 'full'
  }

  /** The vote was yes: the place is held until the branch ends. */
  kept(xid: string, workDigest: string): void {
    this.#preparing.delete(xid)
    this.#held.set(xid, workDigest)
  }

  left(xid: string): void {
    this.#preparing.delete(xid)
    this.#places.give()
  }

  ended(xid: string): void {
    if (this.#held.delete(xid)) this.#places.give()
  }

  scanBegins(): void {
    this.#scan = { heldBefore: new Set(this.#held.keys()), listed: new Set() }
  }

  scanned(xids: Iterable<string>): void {
    for (const xid of xids) this.#scan?.listed.add(xid)
  }

  /** What was held before the scan and isn't listed by it was ended by somebody else: its place is free. */
  scanEnds(): void {
    const scan = this.#scan
    this.#scan = undefined
    if (scan === undefined) return
    for (const xid of scan.heldBefore) if (!scan.listed.has(xid)) this.ended(xid)
  }
}
