/** A sink and an offset store in a test's folder: what is done to them, and what is in them. Not part of the program. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { readOffset } from '../../participants/offsets/index.ts'
import type { Branches } from '../sdk/client/index.ts'

export function batch(from: number, to: number): Branches {
  const sql = 'INSERT INTO event VALUES (?, ?)'
  const statements = Array.from({ length: to - from }, (_, index) => ({ sql, params: [from + index, 'x'] }))
  const advance = [{ topic: 't', partition: 0, from, to }]
  return [
    { participant: 'sink', work: { statements } },
    { participant: 'offsets', work: { group: 'g', owner_epoch: 1, advance } },
  ]
}

/** Only while no coordinator has the files open. */
export function stored(folder: string): { rows: unknown; offset: number } {
  const sink = new DatabaseSync(join(folder, 'sink.db'))
  const rows = sink.prepare('SELECT count(*) AS rows FROM event').get()?.['rows']
  sink.close()
  const offset = readOffset({ file: join(folder, 'offsets.db'), group: 'g', topic: 't', partition: 0 })
  return { rows, offset }
}
