import { describeLog } from '../conformance/index.ts'
import type { Log } from '../log.ts'
import { crashedCopy, logIn, place } from './test-places.ts'

const places = new WeakMap<Log, string>()

function logOn(directory: string): Log {
  const log = logIn(directory)
  places.set(log, directory)
  return log
}

describeLog('SqliteLog', {
  create: () => logOn(place()),
  reopen: (log) => logOn(places.get(log) ?? ''),
  crash: (log) => logOn(crashedCopy(places.get(log) ?? '')),
})
