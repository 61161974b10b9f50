/** What is searched, and what is found. docs/model.md shows the same as a table. */
import type { SearchOptions } from './spin.ts'

export interface Search extends SearchOptions {
  /** The invariant that is broken; undefined: all hold, in every state that can be reached. */
  readonly violates?: string
  readonly states: number
}

/** The protocol as it is, all of it. */
export const PROTOCOL: Search = { kind: 'everything', switches: [], states: 548_905 }

/** With a log that loses a decision, where less can be asked for; and for ever, where less can happen. */
export const VARIATIONS: readonly Search[] = [
  { kind: 'everything', switches: ['LOST_DECISION'], states: 464_640 },
  { kind: 'liveness', switches: ['LIVENESS'], states: 273_418 },
]

/** The protocol with one rule taken away. */
export const UNDONE: readonly Search[] = [
  undone(['UNDO_R1'], 'I3_a_decision_never_changes', 2515),
  undone(['UNDO_R1', 'ONLY_I1'], 'I1_branches_end_alike', 14_200),
  undone(['UNDO_R2_REVOKED'], 'I3_a_decision_never_changes', 3067),
  undone(['UNDO_R2_REVOKED', 'ONLY_I1'], 'I1_what_is_reported_is_so', 70_488),
  undone(['UNDO_R2_EPOCH', 'ONLY_I1'], 'I1_branches_end_alike', 66_942),
  undone(['UNDO_R4_BAR'], 'I3_a_decision_never_changes', 6938),
  undone(['UNDO_R4_QUESTION', 'LOST_DECISION'], 'I1_a_difference_is_reported', 130_406),
  undone(['UNDO_R6'], 'I3_a_decision_never_changes', 2503),
  undone(['UNDO_R11'], 'I3_a_decision_never_changes', 80_683),
  undone(['UNDO_I6', 'ONLY_I1'], 'I1_branches_end_alike', 36_900),
  undone(['UNDO_FENCE', 'ONLY_I1'], 'I1_branches_end_alike', 32_040),
  undone(['UNDO_FORCE'], 'I2_disk_before_network', 1027),
  undone(['UNDO_VOTES'], 'I2_commit_needs_every_vote', 2380),
  undone(['UNDO_SCAN'], 'I5_nothing_is_left_in_doubt', 6586),
  { ...undone(['UNDO_SCAN', 'LIVENESS'], 'I5_every_transaction_ends', 22), kind: 'liveness' },
  { ...undone(['UNDO_RETRY', 'LIVENESS'], 'I5_every_transaction_ends', 37), kind: 'liveness' },
]

/** Where the protocol rests on what it doesn't enforce. */
export const LIMITS: readonly Search[] = [
  undone(['PERSON'], 'I1_a_difference_is_reported', 191_670),
  undone(['PREPARE_TWICE'], 'I3_a_decision_never_changes', 4703),
  undone(['PREPARE_TWICE', 'ONLY_I1'], 'I1_a_branch_commits_once', 40_692),
]

/** What would lift the first of them. It takes half a minute, and most of a gigabyte. */
export const PROPOSED: Search = {
  kind: 'everything',
  switches: ['PERSON', 'SHOW_WITNESSES'],
  states: 4_550_440,
}

function undone(switches: readonly string[], violates: string, states: number): Search {
  return { kind: 'shortest', switches, violates, states }
}
