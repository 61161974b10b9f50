/**
 * R8: one owner. A tiny SQLite file, locked exclusively for as long as its connection lives: the kernel lets the
 * lock go with the process. It also remembers which log belongs here, so that a log that was lost is not taken
 * for one that never was.
 */
import Database from 'better-sqlite3'
import type { LogId } from '../../base/ids.ts'
import { isLogId } from '../../base/ids.ts'
import { codeOf, inUse } from './failures.ts'
import type { LogFiles } from './files.ts'
import { damaged } from './files.ts'

export class DirectoryLock {
  readonly #database: Database.Database
  readonly #files: LogFiles

  /** Throws LOG_IN_USE. */
  static take(files: LogFiles): DirectoryLock {
    const database = new Database(files.lock, { timeout: 0 })
    try {
      // In this mode the lock that a transaction took stays when it ends.
      database.pragma('locking_mode = EXCLUSIVE')
      database.pragma('synchronous = FULL')
      database.exec('BEGIN EXCLUSIVE')
      database.exec('CREATE TABLE IF NOT EXISTS log (id TEXT NOT NULL) STRICT')
      database.exec('COMMIT')
    } catch (error) {
      database.close()
      const code = codeOf(error)
      if (code.startsWith('SQLITE_BUSY')) throw inUse(files, error)
      if (code.startsWith('SQLITE_NOTADB') || code.startsWith('SQLITE_CORRUPT')) {
        throw damaged(files, `${files.lock} is not what Pledged wrote there`, error)
      }
      throw error
    }
    return new DirectoryLock(database, files)
  }

  private constructor(database: Database.Database, files: LogFiles) {
    this.#database = database
    this.#files = files
  }

  /** The log that belongs here; undefined: none was made yet. */
  logId(): LogId | undefined {
    const id = this.#database.prepare<[], string>('SELECT id FROM log').pluck().get()
    if (id !== undefined && !isLogId(id)) throw damaged(this.#files, `${this.#files.lock} names no log`)
    return id
  }

  /** Durable when it returns. Called once the log itself is. */
  rememberLogId(id: LogId): void {
    this.#database.prepare('INSERT INTO log (id) VALUES (?)').run(id)
  }

  release(): void {
    this.#database.close()
  }
}
