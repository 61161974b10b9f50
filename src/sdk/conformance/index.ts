/**
 * The conformance suite: what `pledged.v1.ParticipantService` promises, asked of anyone's participant by plain unary
 * calls. It knows nothing of how the participant is written, and only what the proto says of what it must do.
 *
 * - `runConformance` calls a participant that serves its resource for this purpose: it pledges, commits and aborts
 *   branches under the name of a log of its own, drawn anew in each run, and kills the participant by way of
 *   `restart`. It leaves committed work behind, and nothing prepared.
 * - It throws UNAVAILABLE where nothing answers at the address. Whatever is found after that is in the report.
 * - A case passes, passes with a warning (allowed, but it costs something), fails, or is skipped with the reason.
 */
export { conformanceCaseNames } from './cases/index.ts'
export type {
  CaseResult,
  ConformanceReport,
  ConformanceResult,
  ConformanceWeight,
  ParticipantFacts,
} from './report.ts'
export { type ConformanceOptions, runConformance } from './run-conformance.ts'
export { type WorkTemplate, type WorkTemplates, workTemplateOf } from './works.ts'
