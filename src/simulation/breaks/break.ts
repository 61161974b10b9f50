/** A known bug, put in through the ports that the production code has anyway: its core, its log, a participant. */
import type { Log } from '../../log/log.ts'
import type { Step } from '../../protocol/step.ts'
import type { DiskSlips } from '../sim-disk.ts'
import type { Slips } from '../slips.ts'

export interface Break {
  readonly name: string
  /** In words, for --break list. */
  readonly does: string
  /**
   * What the checker says that has to find it. A bug that trips an assertion on its way, or leaves a mess that another
   * checker sees, is caught by accident: the next one like it might not be.
   */
  readonly caughtAs: RegExp
  readonly step?: ((step: Step) => Step) | undefined
  readonly log?: ((log: Log) => Log) | undefined
  readonly slips?: Slips | undefined
  readonly disk?: DiskSlips | undefined
}
