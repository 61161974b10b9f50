/** A known bug, put in through the ports that the production code has anyway: its core, its log, a participant. */
import type { Log } from '../../log/log.ts'
import type { Step } from '../../protocol/step.ts'
import type { Slips } from '../model-participant.ts'

export interface Break {
  readonly name: string
  /** In words, for --break list. */
  readonly does: string
  readonly step?: ((step: Step) => Step) | undefined
  readonly log?: ((log: Log) => Log) | undefined
  readonly slips?: Slips | undefined
}
