/** Bugs of participants, and of the gate for applications. */
import type { Break } from './break.ts'

export const latePrepareAccepted: Break = {
  name: 'late-prepare-accepted',
  does: 'an abort that finds nothing prepared leaves no witness: a prepare that comes late pledges (R4)',
  caughtAs: /^R4: .* had acknowledged the abort of .*, then pledged it/,
  slips: { acceptsLatePrepare: true },
}

export const voteBeforeForce: Break = {
  name: 'vote-before-force',
  does: 'a participant votes yes before its pledge is on stable storage (I4)',
  caughtAs: /^I4: .* before its pledge was durable/,
  slips: { votesBeforeForce: true },
}

/** As a DELETE by age: what is older than one that has ended need not have ended. */
export const witnessSweptByRange: Break = {
  name: 'witness-swept-by-range',
  does: 'with the witness of an xid those of all older ones are removed (R5)',
  caughtAs: /^R5: /,
  slips: { sweepsByRange: true },
}

/** The list that an application brings may lack a branch: nobody but the application ever knew of it. */
export const preparedBranchesAccepted: Break = {
  name: 'prepared-branches-accepted',
  does: 'a unary commit may bring branches that were prepared without being enlisted (R12)',
  caughtAs: /^R12: /,
  slips: { takesPreparedBranches: true },
}

export const waitsForAnybody: Break = {
  name: 'waits-for-anybody',
  does: 'who finds a key held waits for it, the younger for the older too: two wait for one another (R13)',
  caughtAs: /^R13: /,
  slips: { waitsAlways: true },
}

/** An abort leaves what the work has committed by itself. */
export const workEndsItself: Break = {
  name: 'work-ends-itself',
  does: 'work that ends its own transaction is voted yes (R14)',
  caughtAs: /^values: .* applied .*, undecided/,
  slips: { trustsWork: true },
}

export const unsyncedAdmitted: Break = {
  name: 'unsynced-admitted',
  does: 'a resource that does not sync is let in, and loses its pledges with the power (R16)',
  caughtAs: /^I4: .* before its pledge was durable/,
  slips: { pledgesUnsynced: true },
}
