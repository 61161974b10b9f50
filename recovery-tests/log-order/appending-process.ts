/**
 * Opens the log in the directory of its first argument, makes some appends one after the other, and says on stdout
 * that each was answered. With `unsynced` as the second argument, the log is told not to sync its commits.
 */
import { writeSync } from 'node:fs'
import { formatXid } from '../../src/base/ids.ts'
import { SqliteLog } from '../../src/log/sqlite/index.ts'
import { APPENDS, answerOf, tokenOf } from './markers.ts'

const [directory = '', mode = ''] = process.argv.slice(2)
const log = new SqliteLog({ directory, faults: { synchronousNormal: mode === 'unsynced' } })
const { logId, epoch } = await log.open()
for (let sequence = 1; sequence <= APPENDS; sequence += 1) {
  await new Promise<void>((resolve, reject) => {
    const xid = formatXid({ logId, epoch, sequence })
    const times = { createTimeMs: 1, decideTimeMs: 2 }
    const record = {
      type: 'decision',
      xid,
      branches: ['sink'],
      readOnly: [],
      owner: tokenOf(epoch, sequence),
    } as const
    log.append([{ ...record, ...times }], (failure) => {
      if (failure !== undefined) return reject(failure)
      writeSync(1, `${answerOf(epoch, sequence)}\n`)
      resolve()
    })
  })
}
writeSync(1, `epoch ${epoch}\n`)
await log.close()
