/** R7: what an opening did not read is verified while the log serves, a slice at a time. */
import { PledgedError } from '../../base/errors.ts'
import type { Engine } from './engine.ts'

/** Throws LOG_DAMAGED. Made at the opening; verifies what the log held then. */
export function* checkRecords(engine: Engine): Generator<void> {
  const { replay, tail } = engine
  let link = engine.anchor
  while (link.position < tail.position) {
    // A purge has moved the anchor, and has verified what it dropped.
    if (link.position < engine.anchor.position) link = engine.anchor
    const through = link.position < replay.position ? replay.position : tail.position
    const rows = engine.table.rowsAfter(link.position, engine.tuning.sliceRecords, through)
    if (rows.length === 0 && link.position < through) {
      throw new PledgedError('LOG_DAMAGED', `the records from ${link.position + 1} to ${through} are missing`)
    }
    link = engine.table.checkChain(rows, link)
    for (const row of rows) engine.table.checkColumns(row)
    if (link.position === replay.position && link.chain !== replay.chain) {
      throw new PledgedError('LOG_DAMAGED', `the records up to ${link.position} are another log's`)
    }
    yield
  }
}
