/** Many histories from one seed, until a violation is found. */
import type { Break } from './breaks/index.ts'
import { runHistory } from './history.ts'
import type { Observed } from './observations.ts'
import { Tally } from './tally.ts'

export interface SimulationOptions {
  readonly seed: number
  readonly histories: number
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
  const { seed, broken } = options
  const tally = new Tally()
  const first = options.only ?? 0
  const end = options.only === undefined ? options.histories : options.only + 1
  let observed: readonly Observed[] = []
  for (let index = first; index < end; index += 1) {
    const result = await runHistory({ seed, index, broken, tally })
    observed = result.observed
    if (result.violations.length === 0) continue
    const replay = `npm run simulate -- --seed ${seed} --only ${index}${broken ? ` --break ${broken.name}` : ''}`
    const failure = { index, violations: result.violations, replay }
    return { histories: index - first + 1, tally, failure, observed }
  }
  return { histories: end - first, tally, failure: undefined, observed }
}
