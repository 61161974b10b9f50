/** Bugs of those who stand around the coordinator: a participant's, the SDK's, and its gate for applications. For --break. */
import type { Sessions } from '../sdk/client/session/sessions.ts'
import type { BranchOpening } from '../sdk/client/transaction/branch.ts'
import type { EndingStore } from './server-store.ts'

export interface Slips {
  /** An abort that found nothing prepared leaves no witness, and a prepare doesn't look for one (R4). */
  readonly acceptsLatePrepare?: boolean | undefined
  /** The yes leaves before the pledge is on stable storage (I4). */
  readonly votesBeforeForce?: boolean | undefined
  /** What it believes of its server, and in which order it looks (R3). */
  readonly looks?: ((store: EndingStore) => EndingStore) | undefined
  /** The witness of an xid goes with those of all that are older (R5). */
  readonly sweepsByRange?: boolean | undefined
  /** Whoever finds a key held waits for it, older or younger (R13). */
  readonly waitsAlways?: boolean | undefined
  /** Work that commits on its own is voted yes (R14). */
  readonly trustsWork?: boolean | undefined
  /** It attaches with a resource that doesn't sync (R16). */
  readonly pledgesUnsynced?: boolean | undefined
  /** A unary commit may bring branches that its application has prepared (R12). */
  readonly takesPreparedBranches?: boolean | undefined
  /** What the SDK makes of its session's answers. */
  readonly sessions?: ((sessions: Sessions) => Sessions) | undefined
  /** What it does with its branches. */
  readonly branches?: (<Handle>(opening: BranchOpening<Handle>) => BranchOpening<Handle>) | undefined
  /** R11 undone: whoever speaks for a log is let in, whatever epoch was seen of it before. */
  readonly admitsOlderEpochs?: boolean | undefined
}
