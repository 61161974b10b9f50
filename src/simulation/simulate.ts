/** Histories from one seed, one after another, until a violation is found. */
import type { Break } from './breaks/index.ts'
import { runHistory } from './history.ts'
import type { Observed } from './observations.ts'
import { Tally } from './tally.ts'

export interface SimulationOptions {
  readonly seed: number
  readonly histories: number
  /** The first of them; 0 unless said otherwise. */
  readonly from?: number | undefined
  /** Runs this history alone. */
  readonly only?: number | undefined
  readonly broken?: Break | undefined
}

export interface Failure {
  readonly index: number
  readonly violations: readonly string[]
  /** Runs this history again, with its trace. */
  readonly replay: string
}

export interface Simulation {
  readonly histories: number
  readonly tally: Tally
  readonly failure: Failure | undefined
  /** Of the last history. */
  readonly observed: readonly Observed[]
}

export async function simulate(options: SimulationOptions): Promise<Simulation> {
  const { seed, broken, only, from = 0 } = options
  const tally = new Tally()
  const first = only ?? from
  const end = only === undefined ? from + options.histories : only + 1
  let observed: readonly Observed[] = []
  for (let index = first; index < end; index += 1) {
    const result = await runHistory({ seed, index, broken, tally })
    tally.histories += 1
    observed = result.observed
    if (result.violations.length === 0) continue
    const failure = { index, violations: result.violations, replay: replayOf(seed, index, broken) }
    return { histories: tally.histories, tally, failure, observed }
  }
  return { histories: tally.histories, tally, failure: undefined, observed }
}

function replayOf(seed: number, index: number, broken: Break | undefined): string {
  return `npm run simulate -- --seed ${seed} --only ${index}${broken ? ` --break ${broken.name}` : ''}`
}
