/** What every scenario is asked, and gives. */
import type { Report } from '../report.ts'

export interface ScenarioOptions {
  readonly scenario: string
  readonly inflight: number
  readonly rounds: number
  readonly seconds: number
  readonly progress: (line: string) => void
}

export interface Scenario {
  /** In one line, for the list. */
  readonly measures: string
  run(options: ScenarioOptions): Promise<Report>
}
