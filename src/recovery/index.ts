/**
 * Recovery: what resolves the work that a fault left in doubt. Pure: each machine is told events and answers
 * with actions as data; the coordinator carries them out. It switches on what is persisted, never on what is
 * likely.
 */
export { Boot, type BootState } from './boot-machine.ts'
export {
  ParticipantRecovery,
  type ParticipantRecoveryAction,
  type ParticipantRecoveryEvent,
  type ParticipantRecoveryState,
} from './participant-machine.ts'
