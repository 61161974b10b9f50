/**
 * What the histories reached: of the core, each event in each phase that its transaction can be in, each change of
 * phase, and each effect, record, cause and refusal; of recovery, each event in each state of its machine. What is
 * reached is counted in the tally; `expected.ts` says what there is, and why some of it can't be reached.
 */
export { observedStep } from './observed-step.ts'
export { countRecoveryIn } from './recovery.ts'
export { type Coverage, coverageOf, formatCoverage } from './report.ts'
