/** A file that somebody wrote by hand. What has no end, a device say, must not be read to its end. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

export interface SmallFile {
  readonly text: string
  /** Its permissions. */
  readonly mode: number
}

const READABLE_BY_OTHERS = 0o004

/** A sentence about a file with a secret, where others than its owner and its group can read it. */
export function exposureOf(file: string, mode: number, secret: string): string | undefined {
  if ((mode & READABLE_BY_OTHERS) === 0) return undefined
  return `${file} can be read by every user of this machine, and holds ${secret}: chmod o-r ${file}`
}

/** Takes pipes, too. Throws what the system throws, or that there are more bytes than there may be. */
export function readSmallFile(file: string, bytesMax: number): SmallFile {
  const descriptor = openSync(file, 'r')
  try {
    const { mode } = fstatSync(descriptor)
    const bytes = Buffer.alloc(bytesMax + 1)
    let length = 0
    for (let read = -1; read !== 0; length += read)
      read = readSync(descriptor, bytes, length, bytes.length - length, null)
    if (length > bytesMax) throw new Error(`it has more than ${bytesMax} bytes`)
    return { text: bytes.toString('utf8', 0, length), mode }
  } finally {
    closeSync(descriptor)
  }
}
