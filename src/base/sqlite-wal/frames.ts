/** SQLite's write-ahead log as bytes: https://www.sqlite.org/fileformat2.html, 4.1. Reads, and judges nothing. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
const MAGIC = 0x37_7f_06_82
const VERSION = 3_007_000
const PAGE_SIZES: readonly number[] = [512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536]
const PAGE_BYTES_USUAL = 4_096

/** Each frame's goes on from the one before it; the first goes on from the header's. */
export interface Checksum {
  readonly first: number
  readonly second: number
}

export interface WalHeader {
  /** Its own checksum is right, so that SQLite reads what follows it. */
  readonly valid: boolean
  readonly layout: Layout
  /** Drawn anew each time the file is written from its beginning: what is left behind from before has others. */
  readonly salts: string
  readonly stored: Checksum
  /** What its bytes come to. */
  readonly computed: Checksum
}

export interface WalFrame {
  readonly pageNumber: number
  /** The database's pages, in a frame that ends a transaction; else 0. */
  readonly databasePages: number
  readonly salts: string
  readonly stored: Checksum
  /** What its bytes come to, after a given frame; with another number of pages in the place of its own, if given. */
  readonly computed: (after: Checksum, databasePages?: number) => Checksum
}

/** What must be known to find the frames, and to check them. */
export interface Layout {
  readonly pageBytes: number
  readonly bigEndian: boolean
}

export class WalFile {
  readonly header: WalHeader
  readonly layout: Layout
  readonly #descriptor: number
  readonly #bytes: number

  /** Runs `look`, unless the file is missing or too short to hold a header. */
  static read<T>(path: string, look: (wal: WalFile) => T): T | undefined {
    let descriptor: number
    try {
      descriptor = openSync(path, 'r')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    try {
      const bytes = fstatSync(descriptor).size
      return bytes < HEADER_BYTES ? undefined : look(new WalFile(descriptor, bytes))
    } finally {
      closeSync(descriptor)
    }
  }

  private constructor(descriptor: number, bytes: number, layout?: Layout) {
    this.#descriptor = descriptor
    this.#bytes = bytes
    this.header = readHeader(this.#read(0, HEADER_BYTES))
    this.layout = layout ?? this.header.layout
  }

  /** The same file with every layout that there is: where the header can't be believed. */
  *inEveryLayout(): Generator<WalFile, void> {
    for (const pageBytes of PAGE_SIZES) {
      for (const bigEndian of [false, true]) {
        yield new WalFile(this.#descriptor, this.#bytes, { pageBytes, bigEndian })
      }
    }
  }

  /** Whole frames; one that was cut short isn't counted. */
  get frameCount(): number {
    return Math.floor((this.#bytes - HEADER_BYTES) / (FRAME_HEADER_BYTES + this.layout.pageBytes))
  }

  /** Frames count from 1, as in SQLite. */
  frame(number: number): WalFrame {
    const { pageBytes, bigEndian } = this.layout
    const frameBytes = FRAME_HEADER_BYTES + pageBytes
    const view = this.#read(HEADER_BYTES + (number - 1) * frameBytes, frameBytes)
    const pageNumber = view.getUint32(0)
    const storedPages = view.getUint32(4)
    const summed = new DataView(new ArrayBuffer(8))
    return {
      pageNumber,
      databasePages: storedPages,
      salts: saltsAt(view, 8),
      stored: { first: view.getUint32(16), second: view.getUint32(20) },
      computed: (after, databasePages = storedPages) => {
        summed.setUint32(0, pageNumber)
        summed.setUint32(4, databasePages)
        const afterHeader = checksum(summed, { from: 0, to: 8, bigEndian, after })
        return checksum(view, { from: FRAME_HEADER_BYTES, to: frameBytes, bigEndian, after: afterHeader })
      },
    }
  }

  #read(position: number, bytes: number): DataView {
    const buffer = Buffer.alloc(bytes)
    readSync(this.#descriptor, buffer, 0, bytes, position)
    return new DataView(buffer.buffer, buffer.byteOffset, bytes)
  }
}

export function isSame(left: Checksum, right: Checksum): boolean {
  return left.first === right.first && left.second === right.second
}

function readHeader(view: DataView): WalHeader {
  const magic = view.getUint32(0)
  const bigEndian = (magic & 1) === 1
  const pageBytes = view.getUint32(8)
  const stored = { first: view.getUint32(24), second: view.getUint32(28) }
  const computed = checksum(view, { from: 0, to: 24, bigEndian, after: { first: 0, second: 0 } })
  const isPageSize = PAGE_SIZES.includes(pageBytes)
  return {
    valid: (magic & ~1) === MAGIC && view.getUint32(4) === VERSION && isPageSize && isSame(stored, computed),
    layout: { pageBytes: isPageSize ? pageBytes : PAGE_BYTES_USUAL, bigEndian },
    salts: saltsAt(view, 16),
    stored,
    computed,
  }
}

function saltsAt(view: DataView, position: number): string {
  return `${view.getUint32(position)} ${view.getUint32(position + 4)}`
}

function checksum(
  view: DataView,
  { from, to, bigEndian, after }: { from: number; to: number; bigEndian: boolean; after: Checksum },
): Checksum {
  let { first, second } = after
  for (let at = from; at < to; at += 8) {
    first = (first + view.getUint32(at, !bigEndian) + second) >>> 0
    second = (second + view.getUint32(at + 4, !bigEndian) + first) >>> 0
  }
  return { first, second }
}
