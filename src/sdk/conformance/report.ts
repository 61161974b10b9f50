/** What a run found, for a stranger: which rule, what was seen, what to do. */

export type ConformanceResult = 'passed' | 'warning' | 'failed' | 'skipped'

/**
 * safety: a transaction could end half. liveness: one could stay in doubt until a person looks. robustness: what
 * comes from outside could stop the participant.
 */
export type ConformanceWeight = 'safety' | 'liveness' | 'robustness'

export interface CaseResult {
  /** The same in every run of this version. */
  readonly number: number
  readonly name: string
  readonly weight: ConformanceWeight
  /** What a participant has to do, in a sentence. */
  readonly rule: string
  /** What goes wrong where it doesn't, with the rule's number in the design. */
  readonly why: string
  readonly result: ConformanceResult
  /** What the participant did; or why the case was skipped. */
  readonly seen: string
  /** What to do about it; empty where it passed. */
  readonly advice: string
}

/** What the participant said of itself. */
export interface ParticipantFacts {
  readonly kind: string
  readonly resourceId: string
  readonly keepsWitnesses: boolean
  readonly onePhase: boolean
}

export interface ConformanceReport {
  readonly address: string
  readonly branch: string
  /** Under which the suite's xids were issued: what is found later under it is the suite's. */
  readonly logId: string
  readonly epoch: string
  /** Undefined: it doesn't serve DescribeParticipant. */
  readonly participant: ParticipantFacts | undefined
  readonly passed: number
  readonly warnings: number
  readonly failed: number
  readonly skipped: number
  /** In the order in which they ran. */
  readonly cases: readonly CaseResult[]
  /** Failures, then warnings; in each the safety of transactions first. */
  readonly toFix: readonly CaseResult[]
  /** Xids of the suite that could not be ended, and are held still. */
  readonly left: readonly string[]
}

const WEIGHT_ORDER: Readonly<Record<ConformanceWeight, number>> = { safety: 0, liveness: 1, robustness: 2 }

/** Failures, then warnings, the gravest first. */
export function orderToFix(cases: readonly CaseResult[]): readonly CaseResult[] {
  const of = (result: ConformanceResult): CaseResult[] =>
    cases
      .filter((one) => one.result === result)
      .toSorted((left, right) => WEIGHT_ORDER[left.weight] - WEIGHT_ORDER[right.weight])
  return [...of('failed'), ...of('warning')]
}

export function countOf(cases: readonly CaseResult[], result: ConformanceResult): number {
  return cases.filter((one) => one.result === result).length
}
