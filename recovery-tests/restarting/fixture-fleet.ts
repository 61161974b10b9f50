/** The processes over a fixture's files. Two sinks: each serves one branch at a time, and two are in doubt. */
import { AttachedFleet } from '../harness/attached-fleet.ts'

const KINDS = { sink: 'sqlite', archive: 'sqlite', offsets: 'offsets' } as const

export type FixtureFleet = AttachedFleet<keyof typeof KINDS>

export const SERVED = ['sink', 'archive', 'offsets'] as const satisfies readonly (keyof typeof KINDS)[]

export function fixtureFleet(options: {
  readonly directory: string
  readonly cliFile: string
}): FixtureFleet {
  return new AttachedFleet({ ...options, served: KINDS })
}
