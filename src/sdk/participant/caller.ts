/** Who asks a host: a link that says many things, or one unary call. And how an answer leaves. */
import type { CrashPoints } from '../../base/crash-points.ts'
import type { Timers } from '../../base/ports.ts'
import type { ParticipantMessage } from '../../protocol/messages.ts'

export interface Caller {
  /** Nobody is there any more: what has not started is dropped, what runs is answered to nobody. */
  readonly closed: boolean
  reply(message: ParticipantMessage): void
  /** What one message asked for is over, be it answered or dropped. */
  finished(): void
}

export interface SendingPorts {
  readonly timers: Timers
  readonly crashPoints: CrashPoints
}

/** Sends the replies, past the crash points before and behind. */
export function sendReplies(
  replies: readonly ParticipantMessage[],
  { timers, crashPoints }: SendingPorts,
  send: () => void,
): void {
  const votes = replies.some((reply) => reply.type === 'vote')
  const acknowledgements = replies.some((reply) => reply.type === 'result' && reply.verb === 'commit')
  if (votes) crashPoints.pass('participant.vote.before-send')
  send()
  if (!votes && !acknowledgements) return
  // A batched stream writes in the turn after this one, and the socket in the turn after that.
  timers.soon(() =>
    timers.soon(() => {
      if (votes) crashPoints.pass('participant.vote.after-send')
      if (acknowledgements) crashPoints.pass('participant.acknowledgement.sent')
    }),
  )
}

/** A unary call: one message, one answer. */
export class Call implements Caller {
  readonly answered: Promise<ParticipantMessage | undefined>
  readonly #ports: SendingPorts
  readonly #resolve: (message: ParticipantMessage | undefined) => void
  #closed = false

  constructor(ports: SendingPorts) {
    this.#ports = ports
    const answered = Promise.withResolvers<ParticipantMessage | undefined>()
    this.answered = answered.promise
    this.#resolve = answered.resolve
  }

  get closed(): boolean {
    return this.#closed
  }

  reply(message: ParticipantMessage): void {
    if (!this.#closed) sendReplies([message], this.#ports, () => this.#resolve(message))
  }

  finished(): void {
    this.#resolve(undefined)
  }

  /** The caller has hung up. */
  close(): void {
    this.#closed = true
    this.#resolve(undefined)
  }
}
