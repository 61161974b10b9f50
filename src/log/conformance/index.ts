/**
 * The log port's conformance suite: what every backend must hold, in tests that know nothing of any. A backend's
 * own test file calls `describeLog` with how its logs are made, reopened, and killed.
 */
import { describe } from 'vitest'
import type { Log } from '../log.ts'
import { testAppending, testOpening } from './appending.ts'
import { type LogBackend, opened } from './bench.ts'
import { testExpiry, testForgetting, testForgettingAround } from './forgetting.ts'
import { testEnded, testKept, testKeptForTheOpening, testListing, testRequests } from './keeping.ts'
import { testAcknowledging, testOperated } from './operating.ts'

export { appended, type LogBackend, refused, xidsOf } from './bench.ts'

export function describeLog(name: string, backend: LogBackend): void {
  const create = async () => opened(backend.create())
  const closeAndReopen = async (log: Log) => {
    await log.close()
    return opened(backend.reopen(log))
  }
  const crashAndReopen = async (log: Log) => opened(backend.crash(log))

  describe(`${name} is a log`, () => {
    describe('open', () => {
      testOpening(backend)
    })
    describe('append', () => {
      testAppending(create, closeAndReopen, crashAndReopen)
    })
    describe('what is kept', () => {
      testEnded(create, closeAndReopen, crashAndReopen)
      testKept(create, closeAndReopen, crashAndReopen)
      testKeptForTheOpening(create, closeAndReopen, crashAndReopen)
      testRequests(create, closeAndReopen, crashAndReopen)
    })
    describe('what operators did', () => {
      testAcknowledging(create, closeAndReopen, crashAndReopen)
      testOperated(create, closeAndReopen, crashAndReopen)
    })
    describe('listEnded', () => {
      testListing(create)
    })
    describe('forget', () => {
      testExpiry(create)
      testForgetting(create, closeAndReopen, crashAndReopen)
      testForgettingAround(create, closeAndReopen, crashAndReopen)
    })
  })
}
