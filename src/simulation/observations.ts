/**
 * What can be seen of a history from outside: what reached stable storage, what left whom, what arrived where.
 * The checkers judge by this alone.
 */
import type { Epoch, LogId } from '../base/ids.ts'
import type { StoredRecord } from '../log/stored-record.ts'
import type { CoordinatorMessage, ParticipantMessage, Verb } from '../protocol/messages.ts'
import type { OperatorRequest } from '../protocol/operators/index.ts'
import type { AbortCause } from '../protocol/records.ts'
import type { BranchState, Outcome, TransactionState } from '../protocol/requests.ts'
import type { VirtualTime } from './virtual-time.ts'

/** A call as the client made it. */
export interface Call {
  readonly number: number
  readonly verb: 'execute' | 'begin' | 'commit' | 'abort' | 'get'
  readonly caller: string
  readonly xid?: string | undefined
  readonly requestId?: string | undefined
  readonly attempt?: number | undefined
  readonly waitFor?: 'decision' | 'completion' | undefined
  /** By which session it went. */
  readonly session?: number | undefined
  /** The branches that it names as prepared by its application. */
  readonly prepared?: readonly { readonly participant: string; readonly readOnly: boolean }[] | undefined
}

/** What an answer said. */
export interface Said {
  readonly xid: string
  readonly state: TransactionState
  readonly outcome: Outcome
  readonly cause: AbortCause | undefined
  readonly requestId: string
  readonly attempt: number
  readonly replayed: boolean
  readonly branches: readonly { readonly participant: string; readonly state: BranchState }[]
}

/** Why a planted branch is none of the coordinator's business, or that it is ('orphan'). */
export type Planted = 'other_log' | 'unknown_epoch' | 'malformed' | 'not_issued' | 'forgotten' | 'orphan'

export type BranchChange =
  | 'pledged'
  | 'committed'
  | 'aborted'
  /** An abort found nothing prepared, and its witness closes the xid. */
  | 'closed'
  /** The witness went. */
  | 'swept'

export type Observation =
  | {
      readonly type: 'opened'
      readonly logId: LogId
      readonly epoch: Epoch
      readonly epochs: readonly Epoch[]
    }
  /** Written, not yet on stable storage; then on stable storage. */
  | { readonly type: 'written'; readonly record: StoredRecord }
  | { readonly type: 'durable'; readonly record: StoredRecord }
  /** Left the coordinator; reached the coordinator. */
  | { readonly type: 'sent'; readonly participant: string; readonly message: CoordinatorMessage }
  | { readonly type: 'heard'; readonly participant: string; readonly message: ParticipantMessage }
  /** Between a participant and a coordinator on an old copy of the log; each as it left (R11). */
  | { readonly type: 'sent_by_copy'; readonly participant: string; readonly message: CoordinatorMessage }
  | { readonly type: 'said_to_copy'; readonly participant: string; readonly message: ParticipantMessage }
  /** Left the participant. */
  | { readonly type: 'said'; readonly participant: string; readonly message: ParticipantMessage }
  /** On the stable storage of a participant. */
  | {
      readonly type: 'branch'
      readonly participant: string
      readonly xid: string
      readonly change: BranchChange
    }
  | {
      readonly type: 'planted'
      readonly participant: string
      readonly xid: string
      readonly why: Planted
    }
  /** A person ended a prepared branch by hand; on the stable storage of the participant. */
  | {
      readonly type: 'ended_by_hand'
      readonly participant: string
      readonly xid: string
      readonly ended: Verb
    }
  /** A prepare waits at its participant until another transaction lets go of what it needs; it waits no more (R13). */
  | {
      readonly type: 'waits' | 'waited'
      readonly participant: string
      readonly xid: string
      readonly holder: string
    }
  /**
   * An application prepared a branch over its own connection; it went to commit it there, to take it back, or left it as it
   * was, for the daemon to end (R1, R12).
   */
  | {
      readonly type: 'prepared_early' | 'committed_early' | 'rolled_back_early' | 'left_early'
      readonly participant: string
      readonly xid: string
    }
  /** As the coordinator hears it: a session begins, and is over. `client`: whose newer session ends the older; or empty. */
  | {
      readonly type: 'session'
      readonly session: number
      readonly change: 'opened' | 'closed'
      readonly client: string
    }
  /** Left the coordinator: so many xids in a row, of one log and epoch, are the session's (R2). */
  | {
      readonly type: 'leased'
      readonly session: number
      readonly within: string
      readonly firstSequence: number
      readonly count: number
    }
  /** Left the coordinator. */
  | {
      readonly type: 'enlisted'
      readonly session: number
      readonly xid: string
      readonly participant: string
    }
  /** Reached the coordinator. */
  | { readonly type: 'commit_arrived'; readonly session: number; readonly xid: string }
  /** Reached the client, that the call was not accepted. */
  | { readonly type: 'told_refused'; readonly call: Call; readonly code: string }
  /** The SDK began a transaction for its application. */
  | { readonly type: 'begun_early'; readonly work: number; readonly xid: string }
  /**
   * What the SDK told its application in the end. failed: nothing of it has happened, and nothing will, because its own work
   * threw, or because it was refused.
   */
  | {
      readonly type: 'application_told'
      readonly work: number
      readonly outcome: 'committed' | 'aborted' | 'failed' | 'unknown'
      readonly xid: string | undefined
      readonly message: string
    }
  | { readonly type: 'called'; readonly call: Call }
  /** Left the coordinator; reached the client. */
  | { readonly type: 'answered'; readonly call: Call; readonly said: Said }
  /** By a coordinator on an old copy of its log; `isFoundOut`: a participant has told it so (R11). */
  | {
      readonly type: 'answered_by_copy'
      readonly call: Call
      readonly said: Said
      readonly isFoundOut: boolean
    }
  | { readonly type: 'told'; readonly call: Call; readonly said: Said }
  | { readonly type: 'refused'; readonly call: Call; readonly code: string; readonly message: string }
  /** An operator asked for it; it was done, or refused. */
  | { readonly type: 'ordered' | 'order_carried_out'; readonly request: OperatorRequest }
  | { readonly type: 'order_refused'; readonly request: OperatorRequest; readonly message: string }
  | { readonly type: 'fault'; readonly kind: string; readonly party: string }
  /** Another resource under the participant's name got further than to its door (R10). */
  | { readonly type: 'impostor'; readonly participant: string; readonly met: 'admitted' | 'told something' }
  /** Production code threw where it must not. */
  | { readonly type: 'bug'; readonly message: string }
  | { readonly type: 'phase'; readonly phase: 'healing' | 'asking' }

export type Observed = Observation & { readonly atMs: number }

export class Recorder {
  readonly #time: VirtualTime
  readonly #observed: Observed[] = []

  constructor(time: VirtualTime) {
    this.#time = time
  }

  add(observation: Observation): void {
    this.#observed.push({ atMs: this.#time.nowMs, ...observation })
  }

  get observed(): readonly Observed[] {
    return this.#observed
  }
}

/** One line of a trace. */
export function formatObserved({ atMs, ...observation }: Observed): string {
  return `${atMs.toFixed(3).padStart(9)} ${JSON.stringify(observation, shortened)}`
}

function shortened(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : value
}
