/**
 * A process for the tests to kill: opens the log in the directory of its first argument and does what the second
 * says. Every answer is a line on stdout, written before the next thing happens.
 */
import { writeSync } from 'node:fs'
import { formatXid } from '../../base/ids.ts'
import type { OpenedLog } from '../log.ts'
import { decision, end } from '../sample-records.ts'
import { SqliteLog } from './sqlite-log.ts'
import { smallTuning } from './test-tuning.ts'

const [directory = '', mode = ''] = process.argv.slice(2)
const log = new SqliteLog({
  directory,
  tuning: smallTuning,
  faults: mode === 'full' ? { pageCountMax: 30 } : undefined,
})
const opened = await log.open()
say(`opened ${opened.epoch}`)
switch (mode) {
  case 'append':
  case 'full':
    appendForEver(opened)
    break
  case 'exit':
    await appendOne(opened)
    process.exit(0)
    break
  case 'throw':
    await appendOne(opened)
    throw new Error('on purpose')
  case 'hold':
    setInterval(() => {}, 60_000)
    break
  default:
    throw new Error(`no such mode: ${mode}`)
}

/** Some in flight at any time; each third one never ends. */
function appendForEver({ logId, epoch }: OpenedLog): void {
  let sequence = 0
  const next = (): void => {
    sequence += 1
    const xid = formatXid({ logId, epoch, sequence })
    const ends = sequence % 3 !== 0
    log.append([decision(xid)], (failure) => {
      if (failure !== undefined) throw failure
      say(`decided ${xid}`)
      if (!ends) return next()
      log.append([end(xid)], (lost) => {
        if (lost !== undefined) throw lost
        say(`ended ${xid}`)
        next()
      })
    })
  }
  for (let count = 0; count < 8; count += 1) next()
}

function appendOne({ logId, epoch }: OpenedLog): Promise<void> {
  const xid = formatXid({ logId, epoch, sequence: 1 })
  return new Promise((resolve, reject) => {
    log.append([decision(xid)], (failure) => {
      if (failure !== undefined) return reject(failure)
      say(`decided ${xid}`)
      resolve()
    })
  })
}

function say(line: string): void {
  writeSync(1, `${line}\n`)
}
