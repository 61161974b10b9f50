/** A filesystem of a few megabytes, to be filled up. Only root can mount one. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export class SmallDisk implements Disposable {
  readonly place: string

  /** Throws where nothing can be mounted. */
  constructor(place: string, megabytes: number) {
    mkdirSync(place, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=777`, 'tmpfs', place], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.place = place
  }

  fill(leftBytes: number): void {
    this.makeRoom()
    const { bavail, bsize } = statfsSync(this.place)
    writeFileSync(this.#ballast, Buffer.alloc(Math.max(0, bavail * bsize - leftBytes)))
  }

  makeRoom(): void {
    rmSync(this.#ballast, { force: true })
  }

  [Symbol.dispose](): void {
    execFileSync('umount', ['-l', this.place])
  }

  get #ballast(): string {
    return join(this.place, 'ballast')
  }
}

/** Why none can be mounted here; undefined: one can. */
export function whyNoSmallDisk(place: string): string | undefined {
  try {
    new SmallDisk(place, 1)[Symbol.dispose]()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
