/** What the threads of a simulation say to each other. */
import type { Failure } from '../simulate.ts'
import type { Counts } from '../tally.ts'

export interface ThreadData {
  readonly seed: number
  readonly breakName: string | undefined
}

/** Histories from `from` on. */
export interface Share {
  readonly from: number
  readonly histories: number
}

export interface ShareDone {
  readonly share: Share
  readonly counts: Counts
  readonly failure: Failure | undefined
}
