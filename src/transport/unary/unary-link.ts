/** The link to a participant that listens, from its welcome to the end of its connection. */
import type { Xid } from '../../base/ids.ts'
import { Lanes, Slots } from '../../base/lanes.ts'
import type { Limits } from '../../base/limits.ts'
import type { Clock, Timers } from '../../base/ports.ts'
import type { CoordinatorMessage, ParticipantIdentity, ParticipantMessage } from '../../protocol/messages.ts'
import type { Link, LinkListener, Welcome } from '../link.ts'
import { BranchCalls, noVote, type PrepareMessage } from './branch-calls.ts'
import type { ChannelLimits, ParticipantChannel } from './participant-channel.ts'

export type UnaryLimits = ChannelLimits &
  Pick<
    Limits,
    'unaryCallsMax' | 'unaryCallTimeoutMs' | 'batchItemsMax' | 'linkQueueBytesMax' | 'linkCloseTimeoutMs'
  >

export interface UnaryLinkOptions {
  readonly identity: ParticipantIdentity
  readonly channel: ParticipantChannel
  readonly listener: LinkListener
  readonly limits: UnaryLimits
  readonly clock: Clock
  readonly timers: Timers
}

/** A prepare whose vote isn't there yet. */
interface Outstanding {
  readonly message: PrepareMessage
  readonly sentMs: number
  /** Aborted, with the reason, when its vote isn't wanted any more. */
  readonly givenUp: AbortController
  cancel?: () => void
}

export class UnaryLink implements Link {
  readonly identity: ParticipantIdentity
  /** Resolves when the connection is put away. */
  readonly ended: Promise<void>
  readonly #options: UnaryLinkOptions
  readonly #calls: BranchCalls
  readonly #resolveEnded: () => void
  readonly #lanes = new Lanes()
  /** Of their own, so that prepares that hang hold no decision back. */
  readonly #prepareSlots: Slots
  readonly #otherSlots: Slots
  readonly #outstanding = new Map<Xid, Set<Outstanding>>()
  #outbox: CoordinatorMessage[] = []
  #replies: ParticipantMessage[] = []
  /** Bytes of work that are not on their way yet. */
  #waitingBytes = 0
  #welcomed = false
  #open = true

  constructor(options: UnaryLinkOptions) {
    const { identity, channel, limits } = options
    this.identity = identity
    this.#options = options
    this.#calls = new BranchCalls(identity.name, channel, limits.unaryCallTimeoutMs)
    this.#prepareSlots = new Slots(limits.unaryCallsMax)
    this.#otherSlots = new Slots(limits.unaryCallsMax)
    const ended = Promise.withResolvers<void>()
    this.ended = ended.promise
    this.#resolveEnded = ended.resolve
  }

  welcome(welcome: Welcome): void {
    if (this.#welcomed || !this.#open) return
    this.#welcomed = true
    this.#options.channel.introduce(welcome)
    if (this.#outbox.length > 0) this.#dispatchSoon()
  }

  send(messages: readonly CoordinatorMessage[]): void {
    if (!this.#open || messages.length === 0) return
    if (this.#welcomed && this.#outbox.length === 0) this.#dispatchSoon()
    for (const message of messages) {
      this.#outbox.push(message)
      if (message.type === 'prepare') this.#waitingBytes += message.work.byteLength
    }
  }

  /** The calls under way that are no prepares may end; nobody hears of it. */
  close(): void {
    if (this.#open) void this.#putAway()
  }

  /** The connection is gone. */
  lost(reason: string): void {
    if (!this.#open) return
    this.#options.channel.close()
    void this.#putAway()
    this.#options.listener.closed(this, reason)
  }

  async #putAway(): Promise<void> {
    this.#open = false
    this.#outbox = []
    this.#replies = []
    for (const xid of this.#outstanding.keys()) this.#giveUp(xid, 'the link is closed')
    const { timers, limits, channel } = this.#options
    const timeout = Promise.withResolvers<void>()
    const cancel = timers.after(limits.linkCloseTimeoutMs, timeout.resolve)
    await Promise.race([this.#lanes.idle(), timeout.promise])
    cancel()
    channel.close()
    this.#resolveEnded()
  }

  #dispatchSoon(): void {
    this.#options.timers.soon(() => this.#dispatch())
  }

  #dispatch(): void {
    if (!this.#open) return
    const { limits } = this.#options
    if (this.#waitingBytes > limits.linkQueueBytesMax) {
      this.lost(`participant "${this.identity.name}" takes its prepares too slowly: too much waits for it`)
      return
    }
    const messages = this.#outbox
    this.#outbox = []
    const forgotten: Xid[] = []
    for (const message of messages) {
      if (message.type === 'forget') forgotten.push(message.xid)
      else this.#take(message)
    }
    for (let first = 0; first < forgotten.length; first += limits.batchItemsMax) {
      const xids = forgotten.slice(first, first + limits.batchItemsMax)
      this.#run(`forget ${first}`, () => this.#calls.forget(xids))
    }
  }

  #take(message: Exclude<CoordinatorMessage, { type: 'forget' }>): void {
    switch (message.type) {
      case 'prepare':
        this.#prepare(message)
        return
      case 'abort':
        this.#giveUp(message.xid, 'the transaction is being aborted')
        this.#run(message.xid, () => this.#calls.end(message))
        return
      case 'commit':
        this.#run(message.xid, () => this.#calls.end(message))
        return
      case 'evidence_question':
        this.#run(message.xid, () => this.#calls.giveEvidence(message))
        return
      case 'list_prepared':
        this.#run('scan', () => this.#calls.listPrepared(message))
        return
      default:
        message satisfies never
    }
  }

  #prepare(message: PrepareMessage): void {
    const { xid } = message
    const outstanding: Outstanding = {
      message,
      sentMs: this.#options.clock.monotonicMs(),
      givenUp: new AbortController(),
    }
    const same = this.#outstanding.get(xid) ?? new Set<Outstanding>()
    this.#outstanding.set(xid, same.add(outstanding))
    this.#lanes.run(xid, async () => {
      const slot = await this.#prepareSlots.take(() => outstanding.givenUp.signal)
      this.#waitingBytes -= message.work.byteLength
      const answer = await this.#voteOf(outstanding)
      if (slot) this.#prepareSlots.give()
      if (same.delete(outstanding) && same.size === 0) this.#outstanding.delete(xid)
      this.#reply(answer)
    })
  }

  async #voteOf(outstanding: Outstanding): Promise<ParticipantMessage> {
    const { message, sentMs, givenUp } = outstanding
    const remainingMs = message.timeoutMs - (this.#options.clock.monotonicMs() - sentMs)
    // It was never sent, so that a no is the truth, also of a one-phase prepare.
    if (givenUp.signal.aborted) return noVote(message.xid, String(givenUp.signal.reason), true)
    if (remainingMs <= 0) {
      return noVote(message.xid, 'the prepare timed out while it waited for its turn', true)
    }
    const { response, cancel } = this.#calls.prepare(message, remainingMs)
    outstanding.cancel = cancel
    return await response
  }

  #giveUp(xid: Xid, why: string): void {
    for (const outstanding of this.#outstanding.get(xid) ?? []) {
      outstanding.givenUp.abort(why)
      outstanding.cancel?.()
    }
  }

  /** What has not begun when the link ends is dropped: the next link asks again. */
  #run(lane: string, call: () => Promise<ParticipantMessage | undefined>): void {
    this.#lanes.run(lane, async () => {
      await this.#otherSlots.take()
      const answer = this.#open ? await call() : undefined
      this.#otherSlots.give()
      if (answer !== undefined) this.#reply(answer)
    })
  }

  #reply(message: ParticipantMessage): void {
    if (!this.#open) return
    if (this.#replies.length === 0) this.#options.timers.soon(() => this.#flush())
    this.#replies.push(message)
  }

  #flush(): void {
    const replies = this.#replies
    if (replies.length === 0) return
    this.#replies = []
    const refusal = replies.find((reply) => reply.type === 'admission_refused')
    this.#options.listener.received(
      this,
      refusal === undefined
        ? replies
        : [...replies.filter((reply) => reply.type !== 'admission_refused'), refusal],
    )
    // Nothing follows a refusal, unless the owner has ended the link by now.
    if (refusal !== undefined) this.lost(refusal.message)
  }
}
