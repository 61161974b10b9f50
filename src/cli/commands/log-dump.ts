import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { DumpedRecord } from '../../daemon/offline-log.ts'
import { EXIT } from '../exit-codes.ts'
import { describe } from '../help.ts'
import { DUMP_HEADING, dumpedRecordJson, dumpedRecordRow } from '../log-records.ts'
import type { Register, Session } from '../session.ts'
import { renderTable } from '../table.ts'

/** Enough for columns that hold from one screen to the next, and little memory for a long log. */
const ROWS_PER_TABLE = 500

export function addLogDump(log: Command, register: Register): void {
  const command = describe(log.command('dump'), {
    summary: 'every record of the log in a directory, the oldest first',
    description:
      'The daemon has to be stopped. The log is read from a copy, and not changed. A record that is damaged is shown as far as it can be. With --json: one record a line.',
    examples: [
      'pledged log dump ./pledged-data',
      'pledged log dump ./pledged-data --json | jq \'select(.type == "decision")\'',
    ],
    exitCodes: {
      done: '',
      badNews: 'a record is damaged',
      usage: '',
      internal: '',
      log: "the log can't be read, is in use, or there is none",
    },
  }).argument('<dir>', 'the data directory')
  register(command, async (session, _options, [directory = '']) => {
    const { dumpLog } = await import('../../daemon/offline-log.ts')
    const damaged = print(dumpLog(resolve(directory)), session)
    return damaged === 0 ? EXIT.done : EXIT.badNews
  })
}

/** How many of them are damaged. */
function print(records: Iterable<DumpedRecord>, session: Session): number {
  let damaged = 0
  let rows: DumpedRecord[] = []
  let heading: typeof DUMP_HEADING | undefined = DUMP_HEADING
  const flush = (): void => {
    session.terminal.out(renderTable({ heading, rows: rows.map(dumpedRecordRow) }, session.layout))
    rows = []
    heading = undefined
  }
  for (const record of records) {
    if (record.problem !== undefined) damaged += 1
    if (session.terminal.isGone()) break
    if (session.settings.json) {
      session.terminal.out(`${JSON.stringify(dumpedRecordJson(record))}\n`)
      continue
    }
    rows.push(record)
    if (rows.length === ROWS_PER_TABLE) flush()
  }
  if (rows.length > 0) flush()
  return damaged
}
