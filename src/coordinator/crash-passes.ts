/** The crash points that the coordinator itself passes; the log's and the links' are passed where they are. */
import { type CrashPoints, noCrashPoints } from '../base/crash-points.ts'
import type { Timers } from '../base/ports.ts'
import type { Event } from '../protocol/events.ts'
import type { ParticipantMessage } from '../protocol/messages.ts'

export class CrashPasses {
  readonly #crashPoints: CrashPoints
  readonly #timers: Timers

  constructor(crashPoints: CrashPoints, timers: Timers) {
    this.#crashPoints = crashPoints
    this.#timers = timers
  }

  replayed(): void {
    this.#crashPoints.pass('coordinator.opening.replayed')
  }

  received(event: Event): void {
    switch (event.type) {
      case 'message':
        return this.#receivedMessage(event.message)
      case 'enlist':
        return this.#crashPoints.pass('coordinator.enlist.received')
      case 'commit':
        if ((event.request.preparedBranches?.length ?? 0) > 0)
          this.#crashPoints.pass('coordinator.commit.received')
        return
      case 'ended_by_application':
        return this.#crashPoints.pass('coordinator.ending.received')
      case 'session_closed':
        return this.#crashPoints.pass('coordinator.session.closed')
      default:
        return
    }
  }

  #receivedMessage(message: ParticipantMessage): void {
    if (message.type === 'vote') this.#crashPoints.pass('coordinator.vote.received')
    if (message.type === 'held') this.#crashPoints.pass('coordinator.held.received')
    if (message.type === 'result' && message.verb === 'commit') {
      this.#crashPoints.pass('coordinator.acknowledgement.received')
    }
  }

  /** An answer leaves in a later turn than the one that gives it. */
  answered(outcome: string): void {
    if (outcome !== 'committed' || this.#crashPoints === noCrashPoints) return
    this.#timers.soon(() => this.#timers.soon(() => this.#crashPoints.pass('coordinator.answer.sent')))
  }
}
