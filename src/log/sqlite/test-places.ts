/** Directories for the tests of the SQLite log. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { systemClock, systemRandom } from '../../base/ports.ts'
import type { LogRecord } from '../../protocol/records.ts'
import { appendLines } from './append-lines.ts'
import type { SqliteLogFaults } from './database.ts'
import type { Engine } from './engine.ts'
import { logFiles } from './files.ts'
import { openEngine } from './opening.ts'
import type { SqliteLogOptions } from './sqlite-log.ts'
import { SqliteLog } from './sqlite-log.ts'
import { smallTuning } from './test-tuning.ts'

/** A directory that doesn't exist yet, removed after the test. */
export function place(): string {
  const parent = mkdtempSync(join(tmpdir(), 'pledged-test-'))
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }))
  return join(parent, 'data')
}

export function logIn(directory: string, options: Partial<SqliteLogOptions> = {}): SqliteLog {
  return new SqliteLog({ directory, tuning: smallTuning, ...options })
}

/**
 * What a kill would leave of an open log's directory now. By another process: this one must not open the files
 * (R8). The log's thread may be writing meanwhile, to purge: two copies that are the same show one moment.
 */
export function crashedCopy(directory: string): string {
  const copies = [place(), place()] as const
  for (;;) {
    for (const copy of copies) {
      rmSync(copy, { recursive: true, force: true })
      execFileSync('cp', ['-r', directory, copy])
    }
    if (contentOf(copies[0]) === contentOf(copies[1])) return copies[0]
  }
}

function contentOf(directory: string): string {
  return readdirSync(directory)
    .map((file) => `${file} ${readFileSync(join(directory, file), 'latin1')}`)
    .join('\n')
}

/** The log without its thread: what it does is done when the call returns. */
export function openIn(directory: string, faults: SqliteLogFaults = {}) {
  const ports = { random: systemRandom, clock: systemClock }
  return openEngine({ files: logFiles(directory), tuning: smallTuning, faults, ...ports }, () => {})
}

/** One forced write. */
export function write(engine: Engine, ...records: LogRecord[]): void {
  engine.append(appendLines(records))
}
