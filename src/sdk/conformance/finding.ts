/** How a case ends other than by passing. */

/** The participant does something else than the rule says. */
export class Violation extends Error {
  /** What to do, where it is something else than the case's own advice. */
  readonly advice: string | undefined

  constructor(seen: string, advice?: string) {
    super(seen)
    this.advice = advice
  }
}

/** The case can't show anything here. */
export class NotApplicable extends Error {}

/** The participant no longer answers. */
export class Gone extends Error {}

export function ensure(condition: boolean, seen: string, advice?: string): asserts condition {
  if (!condition) throw new Violation(seen, advice)
}
