/** What an operator asks for, and what the core makes of it before anything happens. */
import type { SendEffect } from '../effects.ts'
import type { ReplyTo } from '../events.ts'
import type { Verb } from '../messages.ts'
import type { LogRecord, OperatorAction } from '../records.ts'
import type { Turn } from '../state.ts'

/** An xid that this log may not have issued: it is checked by whoever plans. */
type Named = string

export type OperatorRequest =
  | { readonly action: 'resolve_transaction'; readonly xid: Named; readonly decision: Verb }
  | { readonly action: 'retry_transaction'; readonly xid: Named }
  | { readonly action: 'acknowledge_transaction'; readonly xid: Named }
  | {
      readonly action: 'forget_branch'
      readonly xid: Named
      readonly participant: string
      /** For a branch of a lost log: how it ends. */
      readonly decision?: Verb | undefined
    }
  | { readonly action: 'pause_participant'; readonly participant: string }
  | { readonly action: 'resume_participant'; readonly participant: string }

export type RequestOf<Action extends OperatorAction> = Extract<OperatorRequest, { readonly action: Action }>

export interface OperatorEvent {
  readonly type: 'operator'
  readonly replyTo: ReplyTo
  readonly who: string
  readonly why: string
  /** Say what would happen, and do nothing. */
  readonly dryRun: boolean
  readonly request: OperatorRequest
}

export interface Plan {
  /** What it means, in sentences. */
  readonly consequences: readonly string[]
  /** For the audit, in words. */
  readonly result: string
  /** What has the effect; the audit's record goes with them. */
  readonly records: readonly LogRecord[]
  /** At the posting of the records: from here on only the log's answer counts (R1). */
  readonly begin?: ((turn: Turn) => void) | undefined
  /** When the records are durable; much may have happened meanwhile. */
  readonly apply: (turn: Turn) => void
  /** The records could not be written. */
  readonly fail?: ((turn: Turn) => void) | undefined
  /** Messages that may leave only with the durable records. */
  readonly then?: readonly SendEffect[] | undefined
  /** Its effect needs no record: it is carried out at once, and the audit follows. */
  readonly atOnce?: boolean | undefined
}

export function quoted(participant: string): string {
  return `"${participant}"`
}
