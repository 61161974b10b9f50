import type { Input } from './input.ts'
import type { Reporter } from './reporter.ts'

/** What both ways of running the demo are given. */
export interface DemoRun {
  readonly directory: string
  readonly cliFile: string
  readonly input: Input
  readonly kills: number
  readonly batch: number
  readonly reporter: Reporter
}
