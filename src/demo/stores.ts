/**
 * The two databases of the job, whatever they are: the sink, where the events go, and the store of the consumer's
 * offset. The demo sees them as `Stores`: it brings them up, may kill them, and counts in them at the end. The processor,
 * an application in a process of its own, sees them as a `Job`: where to go on from, and the work of a batch.
 */
import type { JsonObject } from '../sdk/client/index.ts'
import type { DatabaseServer } from './servers/index.ts'

export type StoreParty = 'sink' | 'offsets'
export type ServerParty = 'postgres' | 'mariadb'
export type StoresKind = 'files' | 'databases'

/** How to start the program that serves one of them: `pledged participant serve ...`. */
export interface ServeArguments {
  readonly kind: string
  readonly flags: readonly string[]
}

export interface Counts {
  readonly sinkRows: number
  readonly distinct: number
  readonly offset: number
  /** Branches that are prepared still, by the databases' own lists. */
  readonly held: number
}

export interface Stores {
  readonly kind: StoresKind
  /** For people: `sink.db + offsets.db`. */
  readonly title: string
  /** Servers that kills can be aimed at; files have none. */
  readonly servers: Readonly<Partial<Record<ServerParty, DatabaseServer>>>
  /** The file that tells the processor where the offset is. */
  readonly offsetsFile: string
  /** Makes the job's own tables; Pledged's are the participants' to make. */
  start(): Promise<void>
  serve(party: StoreParty): ServeArguments
  /** After everybody has ended. */
  count(): Promise<Counts>
  /** Lets go of servers that were started. */
  stop(): Promise<void>
}

export interface Move {
  readonly ownerEpoch: number
  readonly from: number
  readonly to: number
}

export interface Job {
  /** A zombie of this processor, paused and continued, is refused from then on. */
  claimOwnerEpoch(): Promise<number>
  storedOffset(): Promise<number>
  /** The work of the sink's branch. */
  insert(from: number, batch: readonly string[]): JsonObject
  /** The work of the offset's branch: a no vote unless the offset is `from`, and the owner epoch is the newest. */
  advance(move: Move): JsonObject
}
