/** All cases, in the order in which they run: the simple ones first, since the later ones rest on them. */
import type { ConformanceCase } from './conformance-case.ts'
import { crashingCases } from './crashing.ts'
import { endingCases } from './ending.ts'
import { epochCases } from './epochs.ts'
import { hostileCases } from './hostile.ts'
import { racingCases } from './racing.ts'
import { scanningCases } from './scanning.ts'
import { votingCases } from './voting.ts'
import { witnessCases } from './witnesses.ts'

export type { ConformanceCase, Need } from './conformance-case.ts'

export const conformanceCases: readonly ConformanceCase[] = [
  ...votingCases,
  ...endingCases,
  ...racingCases,
  ...scanningCases,
  ...witnessCases,
  ...epochCases,
  ...hostileCases,
  ...crashingCases,
]

export const conformanceCaseNames: readonly string[] = conformanceCases.map(({ name }) => name)
