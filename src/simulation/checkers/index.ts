/** Every checker; all judge every history. */
import { acknowledgements } from './acknowledgements.ts'
import { answers } from './answers.ts'
import type { Checker, FinishedHistory } from './checker.ts'
import { commitTold } from './commit-told.ts'
import { fencing, noBugs } from './fencing.ts'
import { healed } from './healed.ts'
import { heuristics } from './heuristics.ts'
import { oneEnding } from './one-ending.ts'
import { pledges } from './pledges.ts'
import { presumption } from './presumption.ts'
import { values } from './values.ts'

export type { Checker, FinalParticipant, FinishedHistory } from './checker.ts'

const CHECKERS: readonly Checker[] = [
  noBugs,
  oneEnding,
  commitTold,
  answers,
  pledges,
  healed,
  presumption,
  acknowledgements,
  values,
  heuristics,
  fencing,
]

export function violationsOf(history: FinishedHistory): string[] {
  return CHECKERS.flatMap((check) => check(history))
}
