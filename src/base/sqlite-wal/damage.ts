/** What SQLite would drop of a WAL, and whether that was ever answered. */
import { type Checksum, isSame, WalFile, type WalFrame } from './frames.ts'

export interface WalDamage {
  /** The first that doesn't fit, counted from 1; 0: the header. */
  readonly frame: number
  /** A commit behind it, which shows that it was on disk when the next transaction began. */
  readonly commitFrame: number
}

/** Sizes of the database that are tried in the place of one that may have been overwritten. */
const SIZES_TRIED_MAX = 4_096

export function findWalDamage(path: string): WalDamage | undefined {
  return WalFile.read(path, (wal) => (wal.header.valid ? judgeFrames(wal) : judgeWithoutHeader(wal)))
}

function judgeFrames(wal: WalFile): WalDamage | undefined {
  const broken = firstBroken(wal)
  return broken === undefined ? undefined : new Behind(wal, broken).damage()
}

/** What is known where the first frame stands that doesn't fit. */
interface Broken {
  readonly number: number
  readonly frame: WalFrame
  /** Of the frame before it. */
  readonly after: Checksum
  /** Pages of the transaction that was not committed yet when the broken frame came. */
  readonly pages: ReadonlySet<number>
  /** The size of the database at the last commit before it. */
  readonly databasePages: number | undefined
}

function firstBroken(wal: WalFile): Broken | undefined {
  let after = wal.header.stored
  let pages = new Set<number>()
  let databasePages: number | undefined
  for (let number = 1; number <= wal.frameCount; number += 1) {
    const frame = wal.frame(number)
    const fits = frame.salts === wal.header.salts && isSame(frame.computed(after), frame.stored)
    if (!fits) return { number, frame, after, pages, databasePages }
    after = frame.stored
    pages.add(frame.pageNumber)
    if (frame.databasePages === 0) continue
    pages = new Set()
    databasePages = frame.databasePages
  }
  return undefined
}

/** The frames behind the broken one that were written in the same run of the file and are whole. */
class Behind {
  readonly #wal: WalFile
  readonly #broken: Broken

  constructor(wal: WalFile, broken: Broken) {
    this.#wal = wal
    this.#broken = broken
  }

  /**
   * Damage is what was followed by another transaction: with FULL, that one was begun when this one was on disk. Else
   * it is the last one, which may have been torn.
   */
  damage(): WalDamage | undefined {
    const { number } = this.#broken
    const commitFrame = this.#isFollowedCommit() ? number : this.#laterFollowedCommit()
    return commitFrame === undefined ? undefined : { frame: number, commitFrame }
  }

  /** Whether the broken frame ended a transaction, and another one follows. */
  #isFollowedCommit(): boolean {
    const { number, frame } = this.#broken
    if (number >= this.#wal.frameCount) return false
    const next = this.#wal.frame(number + 1)
    return this.#isNext(next) && this.#endedTransaction(frame, next)
  }

  /** The next frame goes on from what the broken one says of itself, or from what it comes to. */
  #isNext(next: WalFrame): boolean {
    if (next.salts !== this.#wal.header.salts) return false
    const { frame, after } = this.#broken
    return [frame.stored, frame.computed(after)].some((seed) => isSame(next.computed(seed), next.stored))
  }

  /** By the number that fits its checksum, where there is one; the stored number may be what was changed. */
  #endedTransaction({ computed, stored, databasePages }: WalFrame, next: WalFrame): boolean {
    const { after } = this.#broken
    if (isSame(computed(after, 0), stored)) return false
    if (databasePages !== 0) return true
    const until = this.#nextSize(next)
    const from = Math.max(1, Math.min(this.#broken.databasePages ?? 1, until), until - SIZES_TRIED_MAX)
    for (let pages = from; pages <= until; pages += 1) if (isSame(computed(after, pages), stored)) return true
    return false
  }

  #nextSize(next: WalFrame): number {
    let size = next.databasePages
    for (let number = this.#broken.number + 2; size === 0 && number <= this.#wal.frameCount; number += 1) {
      size = this.#wal.frame(number).databasePages
    }
    return Math.max(size, this.#broken.databasePages ?? 0)
  }

  /**
   * A commit behind the broken frame, which a further frame goes on from. Or one of a transaction that has written a
   * page for the second time: then it is another transaction than the broken frame's, whose commit is what was lost.
   */
  #laterFollowedCommit(): number | undefined {
    const { number: broken, pages } = this.#broken
    const { salts } = this.#wal.header
    let previous: WalFrame | undefined
    let writesAgain = false
    for (let number = broken + 1; number <= this.#wal.frameCount; number += 1) {
      const frame = this.#wal.frame(number)
      const isWhole = previous === undefined ? this.#isNext(frame) : goesOn(frame, previous, salts)
      if (isWhole && previous !== undefined && previous.databasePages !== 0) return number - 1
      writesAgain = isWhole && (writesAgain || pages.has(frame.pageNumber))
      if (writesAgain && frame.databasePages !== 0) return number
      previous = frame
    }
    return undefined
  }
}

function goesOn(frame: WalFrame, previous: WalFrame, salts: string): boolean {
  if (frame.salts !== salts || previous.salts !== salts) return false
  return isSame(frame.computed(previous.stored), frame.stored)
}

/**
 * SQLite takes a WAL with a broken header for an empty one. The header is written, and synced, before the first frame
 * that follows it: with a whole commit behind it, it was changed afterwards.
 */
function judgeWithoutHeader(wal: WalFile): WalDamage | undefined {
  for (const candidate of wal.inEveryLayout()) {
    const commitFrame = firstWholeCommit(candidate)
    if (commitFrame !== undefined) return { frame: 0, commitFrame }
  }
  return undefined
}

function firstWholeCommit(wal: WalFile): number | undefined {
  let seeds: readonly Checksum[] = [wal.header.stored, wal.header.computed]
  for (let number = 1; number <= wal.frameCount; number += 1) {
    const frame = wal.frame(number)
    const isWhole = seeds.some((seed) => isSame(frame.computed(seed), frame.stored))
    if (isWhole && frame.databasePages !== 0) return number
    seeds = [frame.stored]
  }
  return undefined
}
