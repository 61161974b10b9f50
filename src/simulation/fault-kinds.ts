/**
 * Every fault that a history may meet. A history enables a random part of them (swarm testing: Groce et al.,
 * 2012), because a system under all faults at once gets nowhere near its rarer states.
 */

/** Chance each time that the thing may happen. */
export const CHANCE_FAULTS = {
  message_slow: 0.03,
  message_overtaken: 0.15,
  message_duplicated: 0.1,
  in_flight_lost: 0.5,
  clock_drifts: 0.5,
  dial_failed: 0.2,
  request_lost: 0.05,
  request_duplicated: 0.15,
  request_late: 0.05,
  answer_lost: 0.12,
  owner_silent: 0.2,
  lookup_slow: 0.2,
  lookup_failed: 0.03,
  sync_slow: 0.06,
  sync_failed: 0.02,
  prepare_hung: 0.08,
  prepare_threw: 0.04,
  result_unknown_before: 0.08,
  result_unknown_after: 0.08,
  result_threw: 0.04,
  result_slow: 0.06,
  scan_failed: 0.06,
  evidence_failed: 0.3,
  zombie_prepare: 0.9,
  zombie_verb: 0.7,
  connection_lost: 0.08,
  verb_lost: 0.25,
  branch_failed: 0.08,
  branch_hung: 0.08,
  branch_connection_lost: 0.15,
  resource_unsynced: 0.1,
  coordinator_crash_point: 0.006,
  participant_crash_point: 0.025,
  application_crash_point: 0.05,
} as const

/**
 * How often at most in one history; the moment is drawn. Paused: for as long as some timeouts; stopped: for so long that
 * all have passed, and everybody has given it up.
 */
export const TIMED_FAULTS = {
  coordinator_killed: 3,
  coordinator_power_lost: 3,
  coordinator_paused: 2,
  coordinator_stopped: 1,
  coordinator_drained: 1,
  participant_killed: 4,
  participant_paused: 2,
  participant_stopped: 1,
  link_cut: 5,
  partition_one_way: 3,
  session_broken: 4,
  session_half_open: 3,
  application_killed: 3,
  application_paused: 2,
  wall_clock_jumped: 3,
  batch_torn: 1,
  disk_full: 1,
  log_damaged: 1,
  log_copied_back: 1,
  log_cloned: 1,
  second_coordinator: 2,
  branch_planted: 4,
  impostor: 2,
  pledge_broken: 2,
  pledge_expired: 2,
  operator_resolved: 2,
  operator_retried: 2,
  operator_acknowledged: 2,
  operator_gave_up: 1,
  operator_ended_foreign: 1,
  operator_paused: 2,
  operator_compared: 2,
} as const

export type ChanceFault = keyof typeof CHANCE_FAULTS
export type TimedFault = keyof typeof TIMED_FAULTS
export type OperatorFault = Extract<TimedFault, `operator_${string}`>
export type FaultKind = ChanceFault | TimedFault

export const CHANCE_FAULT_KINDS = Object.keys(CHANCE_FAULTS) as ChanceFault[]
export const TIMED_FAULT_KINDS = Object.keys(TIMED_FAULTS) as TimedFault[]
