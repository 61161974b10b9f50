/**
 * Counts the events of the recovery machines by the state that each was in. The coordinator makes its machines by
 * itself, and nothing outside needs to see them but this: so they are watched where they are defined.
 */
import { ParticipantRecovery, type ParticipantRecoveryEvent } from '../../recovery/index.ts'
import type { Tally } from '../tally.ts'

const SIGNALS = {
  link_up: 'recovery link_up',
  link_down: 'recovery link_down',
  impostor: 'recovery impostor',
  owed: 'recovery owed',
  scanned: 'recovery scanned',
  scan_failed: 'recovery scan_failed',
  delivery_failed: 'recovery delivery_failed',
  session_broken: 'recovery session_broken',
  settled: 'recovery settled',
  paused: 'recovery paused',
  resumed: 'recovery resumed',
  retry: 'recovery retry',
  dial_failed: 'recovery dial_failed',
  timer: 'recovery timer',
} as const satisfies Record<ParticipantRecoveryEvent['type'], string>

let tally: Tally | undefined
let isWatched = false

/** From now on, until it is called again. Histories of one thread run one after another. */
export function countRecoveryIn(of: Tally): void {
  tally = of
  if (isWatched) return
  isWatched = true
  // oxlint-disable-next-line typescript/unbound-method -- it is called below, on what it is called on here
  const { send } = ParticipantRecovery.prototype
  ParticipantRecovery.prototype.send = function (event) {
    const { state } = this
    const actions = send.call(this, event)
    tally?.reach(SIGNALS[event.type], state)
    return actions
  }
}
