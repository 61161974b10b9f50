/** One thread of a simulation: shares in, counts out, until it is ended. */
import { parentPort, workerData } from 'node:worker_threads'
import { assert, present } from '../../base/assert.ts'
import { breakNamed } from '../breaks/index.ts'
import { simulate } from '../simulate.ts'
import type { Share, ShareDone, ThreadData } from './messages.ts'

// Refusals are part of most histories, and nobody reads where in the code each was made.
Error.stackTraceLimit = 0

const { seed, breakName } = workerData as ThreadData
const broken = breakName === undefined ? undefined : breakNamed(breakName)
assert(breakName === undefined || broken !== undefined, `there is a break "${breakName}"`)
const port = present(parentPort, 'this module is run as a thread')

port.on('message', (share: Share) => {
  void simulate({ ...share, seed, broken }).then(({ tally, failure }) => {
    const done: ShareDone = { share, counts: tally.counts, failure }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    port.postMessage(done)
  })
})
