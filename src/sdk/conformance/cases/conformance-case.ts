/** What one case is made of. */
import type { Bench } from '../bench.ts'
import type { ConformanceWeight } from '../report.ts'

/**
 * What a case can't run without: calls that the participant may leave out, something that whoever runs the suite has
 * to give, or what another case has found.
 */
export type Need = 'evidence' | 'one_phase' | 'restart' | 'conflicting' | 'refused' | 'epochs'

export interface ConformanceCase {
  readonly name: string
  readonly weight: ConformanceWeight
  readonly rule: string
  readonly why: string
  /** What to do where it isn't kept. */
  readonly advice: string
  readonly needs?: readonly Need[]
  /** Answers with what was seen; throws Violation, NotApplicable or Gone. */
  run(bench: Bench): Promise<string>
}
