/** What a participant's file is, whatever it is called: two owners of one SQLite file destroy it (R8). */
import { realpathSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** One file has one identity, whatever the links that lead to it. */
export function identityOf(file: string): string {
  try {
    const { dev, ino } = statSync(file, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return canonical(file)
  }
}

export function isLogFile(file: string, dataDirectory: string): boolean {
  return dirname(canonical(file)) === canonical(dataDirectory) && basename(file).startsWith('pledged.')
}

/** With the symbolic links of the part that exists resolved. */
function canonical(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    const folder = dirname(path)
    return folder === path ? path : join(canonical(folder), basename(path))
  }
}
