/**
 * Files that are replaced while we run: certificates and tokens are rotated without a restart. They are looked at again
 * and again rather than subscribed to: what mounts secrets swaps a symbolic link somewhere above the file, of which a
 * subscription to the file learns nothing.
 */
import { type BigIntStats, statSync } from 'node:fs'
import { stat } from 'node:fs/promises'

export interface WatchedFilesOptions {
  readonly files: readonly string[]
  readonly everyMs: number
  /** These aren't what they were: one may be gone, or half written, and then changes again. */
  readonly changed: (files: readonly string[]) => void
}

export class WatchedFiles {
  readonly #options: WatchedFilesOptions
  #seen: readonly string[]
  #timer: NodeJS.Timeout | undefined

  /** What is read after this is seen to change, also before `start`. */
  constructor(options: WatchedFilesOptions) {
    this.#options = options
    this.#seen = options.files.map(fingerprintOf)
  }

  /** Doesn't keep the process alive. */
  start(): void {
    if (this.#timer !== undefined) return
    this.#timer = setTimeout(() => void this.#look(), this.#options.everyMs).unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  async #look(): Promise<void> {
    const timer = this.#timer
    const { files, changed } = this.#options
    const looked = await Promise.all(
      files.map((file) => stat(file, { bigint: true }).then(fingerprint, () => 'missing')),
    )
    // It was stopped meanwhile, and perhaps started again.
    if (timer !== this.#timer) return
    this.#timer = undefined
    this.start()
    const before = this.#seen
    this.#seen = looked
    const others = files.filter((_file, index) => looked[index] !== before[index])
    if (others.length > 0) changed(others)
  }
}

/** Another one whenever the file is another one, or has been written to. */
export function fingerprintOf(file: string): string {
  try {
    return fingerprint(statSync(file, { bigint: true }))
  } catch {
    return 'missing'
  }
}

/** A pipe, say, is read once: to read it again would wait for ever. */
export const NOT_A_FILE = 'not a file'

function fingerprint(found: BigIntStats): string {
  if (!found.isFile()) return NOT_A_FILE
  return `${found.dev} ${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`
}
