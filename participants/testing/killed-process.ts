/** A process that serves one verb of a participant and is killed at a given moment. Run by `runUntilKilled`. */
import { type Participant, xidOf } from '../../src/sdk/participant/index.ts'
import { openOffsetsFile } from '../offsets/offsets-file.ts'
import { offsetsResourceKind } from '../offsets/offsets-resource.ts'
import { defaultParticipantLimits as limits } from '../shared/files/limits.ts'
import { createPledgeParticipant } from '../shared/files/pledge-participant.ts'
import { openNodeSqlite } from '../sqlite/node-sqlite.ts'
import { sqliteResourceKind } from '../sqlite/sqlite-resource.ts'
import { bytes, type KilledRun, prepareRequest, type Watch, watched } from './kit.ts'

const run = JSON.parse(process.argv[2] ?? '') as KilledRun
let armed = false
const watch: Watch = {
  before: (sql) => dieAt(sql === 'COMMIT' && run.moment === 'before COMMIT'),
  after: (sql) => dieAt(sql === 'COMMIT' && run.moment === 'after COMMIT'),
}
const participant = open()
await participant.describe()
armed = true
if (run.verb === 'prepare') {
  const vote = await participant.prepare(prepareRequest(xidOf(run.xid), bytes(run.work)))
  dieAt(vote.vote === 'yes')
} else {
  const ending = await participant[run.verb](xidOf(run.xid))
  dieAt(ending.result === 'done')
}

function dieAt(now: boolean): void {
  if (armed && now) process.kill(process.pid, 'SIGKILL')
}

function open(): Participant {
  const { kind, file } = run
  if (kind === 'sqlite') {
    const openDatabase = (path: string) => watched(openNodeSqlite(path), watch)
    return createPledgeParticipant({
      resourceKind: sqliteResourceKind({ file, limits, openDatabase }),
      limits,
    })
  }
  const openDatabase = (options: Parameters<typeof openOffsetsFile>[0]) =>
    watched(openOffsetsFile(options), watch)
  return createPledgeParticipant({
    resourceKind: offsetsResourceKind({ file, limits, openDatabase }),
    limits,
  })
}
