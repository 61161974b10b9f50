/** Every checker; all judge every history. */
import { acknowledgements } from './acknowledgements.ts'
import { answers } from './answers.ts'
import { applications } from './applications.ts'
import type { Checker, FinishedHistory } from './checker.ts'
import { commitTold } from './commit-told.ts'
import { earlyEndings } from './early-endings.ts'
import { earlyPledges } from './early-pledges.ts'
import { fencing, noBugs } from './fencing.ts'
import { healed } from './healed.ts'
import { heuristics } from './heuristics.ts'
import { impostors } from './impostors.ts'
import { lateCommits } from './late-commits.ts'
import { leaks } from './leaks.ts'
import { leases } from './leases.ts'
import { oldCopies } from './old-copies.ts'
import { oneEnding } from './one-ending.ts'
import { operators } from './operators.ts'
import { pledges } from './pledges.ts'
import { pointOfNoReturn } from './point-of-no-return.ts'
import { presumption } from './presumption.ts'
import { values } from './values.ts'
import { waits } from './waits.ts'
import { witnesses } from './witnesses.ts'

export type { Checker, FinalParticipant, FinishedHistory, Left } from './checker.ts'

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
  pointOfNoReturn,
  lateCommits,
  witnesses,
  earlyPledges,
  earlyEndings,
  leases,
  applications,
  waits,
  operators,
  oldCopies,
  impostors,
  leaks,
]

export function violationsOf(history: FinishedHistory): string[] {
  return CHECKERS.flatMap((check) => check(history))
}
