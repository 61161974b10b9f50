/** The same stream with two plain commits. The first kill is aimed between them: that is all it takes. */

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { DemoRun } from './demo-run.ts'
import { unexpectedEnd } from './fleet.ts'
import { offsetIn, siblingOf } from './input.ts'
import { WindowCounts } from './kill-plan.ts'
import { ManagedProcess } from './managed-process.ts'
import { SINK_SCHEMA } from './names.ts'
import { countSink, discrepancies, type Proof, proofAsJson, proofAsText, queryOne } from './proof.ts'

export async function runNaive(run: DemoRun): Promise<number> {
  const { reporter, input } = run
  const files = { sink: join(run.directory, 'sink.db'), offsets: join(run.directory, 'offsets.db') }
  createDatabases(files)
  const count = input.events.length.toLocaleString('en-US')
  reporter.line(`${count} ${input.noun} -> sink.db, then offsets.db: two plain commits per ${run.batch}`)
  // It must be shown at least once, whatever --kills says.
  const kills = Math.max(1, run.kills)
  for (let kill = 1; kill <= kills; kill += 1) {
    const threshold = Math.floor((input.events.length * kill) / (kills + 2))
    if (!(await runUntilKilled(run, files, threshold))) break
    reporter.killedAt('processor', 'between the two commits', 0)
  }
  await runUntilKilled(run, files, undefined)
  reporter.end()
  return report(run, files, kills)
}

interface Files {
  readonly sink: string
  readonly offsets: string
}

function createDatabases({ sink, offsets }: Files): void {
  const statements: [string, string[]][] = [
    [sink, [SINK_SCHEMA]],
    [
      offsets,
      ['CREATE TABLE naive_offset (position INTEGER NOT NULL)', 'INSERT INTO naive_offset VALUES (0)'],
    ],
  ]
  for (const [file, sqls] of statements) {
    const database = new DatabaseSync(file)
    for (const sql of sqls) database.exec(sql)
    database.close()
  }
}

/** False when it came to the end of the input alive. */
async function runUntilKilled(run: DemoRun, files: Files, dieAt: number | undefined): Promise<boolean> {
  let told = false
  const processor = new ManagedProcess({
    name: 'processor',
    arguments: [
      siblingOf(import.meta.url, 'naive-processor'),
      run.input.file,
      files.sink,
      files.offsets,
      String(run.batch),
    ],
    onMessage: (message) => {
      const offset = offsetIn(message)
      if (offset === undefined) return
      run.reporter.progress(offset)
      if (dieAt === undefined || offset < dieAt || told) return
      told = true
      processor.send({ type: 'die' })
    },
  })
  const exit = await processor.exited
  if (exit.signal === 'SIGKILL' && told) return true
  if (exit.code === 0) return false
  throw unexpectedEnd(processor, exit.code)
}

function report(run: DemoRun, files: Files, kills: number): number {
  const { reporter, input } = run
  const { rows, distinct } = countSink(files.sink)
  const proof: Proof = {
    events: input.events.length,
    sinkRows: rows,
    distinct,
    offset: Number(queryOne(files.offsets, 'SELECT position FROM naive_offset')['position']),
    inDoubt: 0,
    kills,
    windows: new WindowCounts(),
  }
  const { missing, duplicates } = discrepancies(proof)
  reporter.line(`proof    ${proofAsText(proof)}`)
  reporter.json(proofAsJson(proof))
  reporter.line(
    duplicates + missing > 0
      ? 'wrong    each death between the two commits made the restarted processor insert its batch again'
      : 'wrong    no kill landed between the two commits: nothing is shown; give a longer input',
  )
  return 1
}
