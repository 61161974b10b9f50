/** A session as its protocol has it, without the SDK: calls by number, and leased xids for whoever asks. */
import { formatXid, type Xid } from '../../base/ids.ts'
import type { SessionAdmission, SessionCall, SessionReply } from '../../protocol/session-messages.ts'
import type { DialSession, SessionStream } from '../../sdk/client/session/session-stream.ts'

/** Undefined: none came, and none will. */
export type Replied = (reply: SessionReply | undefined) => void

export class RawSession {
  readonly #stream: SessionStream
  readonly #pending = new Map<number, Replied>()
  readonly #leased: Xid[] = []
  readonly #opened: (session: RawSession) => void
  readonly #ended: () => void
  #admission: SessionAdmission | undefined
  #lastCallId = 0
  #isOver = false

  constructor(options: {
    readonly dial: DialSession
    readonly clientId: string
    readonly leaseSize: number
    readonly opened: (session: RawSession) => void
    readonly ended: () => void
  }) {
    this.#opened = options.opened
    this.#ended = options.ended
    const { clientId, leaseSize } = options
    this.#stream = options.dial(
      { clientId, leaseSize },
      {
        admitted: (admission) => this.#admitted(admission),
        received: (replies) => {
          for (const reply of replies) this.#receive(reply)
        },
        ended: () => this.#end(),
      },
    )
  }

  get open(): boolean {
    return this.#admission !== undefined && !this.#isOver
  }

  takeXid(): Xid | undefined {
    return this.#leased.shift()
  }

  /** `together`: what leaves with it, in the same message. */
  ask(call: (callId: number) => SessionCall, replied: Replied, together: readonly SessionCall[] = []): void {
    if (!this.open) {
      replied(undefined)
      return
    }
    this.#lastCallId += 1
    this.#pending.set(this.#lastCallId, replied)
    this.#stream.send([call(this.#lastCallId), ...together])
  }

  say(call: SessionCall): void {
    if (this.open) this.#stream.send([call])
  }

  close(): void {
    this.#stream.close()
    this.#end()
  }

  #admitted(admission: SessionAdmission): void {
    this.#admission = admission
    this.#lease(admission.lease)
    this.#opened(this)
  }

  #lease({ firstSequence, count }: SessionAdmission['lease']): void {
    const admission = this.#admission
    if (admission === undefined) return
    const { logId, epoch } = admission
    for (let index = 0; index < count; index += 1)
      this.#leased.push(formatXid({ logId, epoch, sequence: firstSequence + index }))
  }

  #receive(reply: SessionReply): void {
    if (reply.type === 'lease') {
      this.#lease(reply.lease)
      return
    }
    const replied = this.#pending.get(reply.callId)
    this.#pending.delete(reply.callId)
    replied?.(reply)
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const replied of this.#pending.values()) replied(undefined)
    this.#pending.clear()
    this.#ended()
  }
}
