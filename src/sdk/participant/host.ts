/**
 * The host turns what a coordinator sends, on a link or by unary calls, into calls of a participant's verbs, and
 * their results into replies. It outlives its links: verbs of a link that broke may still be running when the next
 * one attaches, and the order within an xid holds across both.
 *
 * - Calls for different xids overlap; those for one xid run in the order they came.
 * - At most `participantConcurrencyMax` prepares run at once. Commits and aborts never wait for a slot, since
 *   what holds a slot may be waiting for a lock that one of them gives back.
 * - An abort waits for the prepare of its xid, whose signal it fires.
 * - Replies of one turn of the event loop leave together.
 * - Whatever arrives and whatever the participant throws: nothing is thrown out of here, except by `describe`.
 */
import { assert } from '../../base/assert.ts'
import { type CrashPoint, type CrashPoints, noCrashPoints } from '../../base/crash-points.ts'
import { messageOf, PledgedError } from '../../base/errors.ts'
import { isParticipantName, isXid, type Xid } from '../../base/ids.ts'
import { type Job, Lanes, Slots } from '../../base/lanes.ts'
import { defaultLimits, type Limits } from '../../base/limits.ts'
import {
  type Clock,
  type Random,
  systemClock,
  systemRandom,
  systemTimers,
  type Timers,
} from '../../base/ports.ts'
import type {
  CoordinatorMessage,
  ParticipantIdentity,
  ParticipantMessage,
  Verb,
} from '../../protocol/messages.ts'
import { Call, type Caller } from './caller.ts'
import type { CoordinatorIdentity, Participant } from './participant.ts'
import { Preparation, Preparations, type PrepareMessage } from './preparation.ts'
import { type AdmissionRefusal, type HostListener, type HostSession, Session } from './session.ts'
import * as verbs from './verbs.ts'

export type HostLimits = Pick<
  Limits,
  'participantConcurrencyMax' | 'participantWorkBytesMax' | 'linkCloseTimeoutMs'
>

export interface HostOptions {
  readonly name: string
  readonly participant: Participant
  readonly limits?: HostLimits | undefined
  readonly clock?: Clock | undefined
  readonly timers?: Timers | undefined
  readonly random?: Random | undefined
  readonly crashPoints?: CrashPoints | undefined
}

export class ParticipantHost {
  readonly name: string
  readonly #instanceId: string
  readonly #participant: Participant
  readonly #prepareSlots: Slots
  readonly #prepareMax: number
  readonly #workBytesMax: number
  readonly #closeTimeoutMs: number
  readonly #lanes = new Lanes()
  readonly #preparations = new Preparations<Caller>()
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #crashPoints: CrashPoints
  #session: Session | undefined
  #preparing = 0
  /** Of all that are running or waiting. */
  #workBytes = 0

  constructor(options: HostOptions) {
    if (!isParticipantName(options.name)) {
      throw new PledgedError(
        'INVALID_REQUEST',
        `${JSON.stringify(options.name)} is not a participant's name: use 1 to 32 of a-z, 0-9 and '-', not starting with '-'`,
      )
    }
    this.name = options.name
    this.#participant = options.participant
    const limits = options.limits ?? defaultLimits
    this.#closeTimeoutMs = limits.linkCloseTimeoutMs
    this.#prepareMax = limits.participantConcurrencyMax
    this.#workBytesMax = limits.participantWorkBytesMax
    assert(this.#prepareMax >= 1, 'participantConcurrencyMax is at least 1')
    this.#prepareSlots = new Slots(this.#prepareMax)
    this.#clock = options.clock ?? systemClock
    this.#timers = options.timers ?? systemTimers
    this.#crashPoints = options.crashPoints ?? noCrashPoints
    this.#instanceId = drawInstanceId(options.random ?? systemRandom)
  }

  /** Asked before each attach. Throws what the participant throws: the sentence that mends what is wrong. */
  async describe(): Promise<ParticipantIdentity> {
    const { kind, resourceId, keepsWitnesses, onePhase = false } = await this.#participant.describe()
    if (typeof kind !== 'string' || typeof resourceId !== 'string' || resourceId === '') {
      throw new PledgedError(
        'INVALID_REQUEST',
        `participant "${this.name}" described itself without a kind or a resourceId: a resource needs a durable name of its own`,
      )
    }
    if (onePhase && !keepsWitnesses) {
      throw new PledgedError(
        'INVALID_REQUEST',
        `participant "${this.name}" says onePhase without keepsWitnesses: without a witness nobody could learn how a transaction ended whose vote was lost`,
      )
    }
    const identity = { name: this.name, instanceId: this.#instanceId, kind, resourceId, keepsWitnesses }
    return onePhase ? { ...identity, onePhase } : identity
  }

  /**
   * Serves a link on which the coordinator has said who it is. It takes the place of an earlier one. What comes on it
   * waits until the participant admits the coordinator (R11).
   */
  attach(listener: HostListener, coordinator: CoordinatorIdentity): HostSession {
    this.#session?.close()
    const session = new Session({
      listener,
      timers: this.#timers,
      crashPoints: this.#crashPoints,
      receive: (asking, messages) => {
        for (const message of messages) this.#take(asking, message)
      },
      ended: (gone) => this.#preparations.abandonOf(gone, 'the link to the coordinator is gone'),
    })
    this.#session = session
    if (this.#participant.admit === undefined) session.admit()
    else void this.#introduce(session, coordinator)
    return session
  }

  /** R11: why the participant doesn't admit the coordinator; undefined where it does. One at a time. */
  admit(coordinator: CoordinatorIdentity): Promise<AdmissionRefusal | undefined> {
    return new Promise((resolve) => {
      this.#lanes.run('admission', async () => resolve(await verbs.admit(this.#participant, coordinator)))
    })
  }

  /**
   * One message, outside of any link, and its answer: undefined where there is none to give. `signal`: the caller has
   * hung up. Whoever asks has seen to the coordinator's admission.
   */
  ask(message: CoordinatorMessage, signal: AbortSignal): Promise<ParticipantMessage | undefined> {
    const call = new Call({ timers: this.#timers, crashPoints: this.#crashPoints })
    const hangUp = (): void => {
      call.close()
      this.#preparations.abandonOf(call, 'the coordinator has given up the call')
    }
    if (signal.aborted) hangUp()
    else signal.addEventListener('abort', hangUp, { once: true })
    this.#take(call, message)
    return call.answered.finally(() => signal.removeEventListener('abort', hangUp))
  }

  /** Prepares that are running or waiting for a slot have reached the limit. */
  get saturated(): boolean {
    return this.#preparing >= this.#prepareMax
  }

  /**
   * Lets what runs end, for `linkCloseTimeoutMs` at most, then closes the participant. Resolves with the reason
   * where that failed.
   */
  async close(): Promise<string | undefined> {
    this.#session?.close()
    await this.#idleOrTimeout()
    try {
      await this.#participant.close()
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  }

  async #idleOrTimeout(): Promise<void> {
    const timeout = Promise.withResolvers<void>()
    const cancel = this.#timers.after(this.#closeTimeoutMs, timeout.resolve)
    await Promise.race([this.#lanes.idle(), timeout.promise])
    cancel()
  }

  async #introduce(session: Session, coordinator: CoordinatorIdentity): Promise<void> {
    const refusal = await this.admit(coordinator)
    if (refusal === undefined) session.admit()
    else session.refuse(refusal)
  }

  #take(caller: Caller, message: CoordinatorMessage): void {
    if (message.type === 'list_prepared') {
      this.#run(caller, 'scan', async () =>
        caller.reply(await verbs.listPrepared(this.#participant, message.pageSize, message.pageToken)),
      )
      return
    }
    // An xid becomes part of file names, gids and SQL: participants are never shown a malformed one.
    if (!isXid(message.xid)) {
      refuseMalformed(caller, message)
      return
    }
    switch (message.type) {
      case 'prepare':
        this.#takePrepare(caller, message)
        return
      case 'commit':
      case 'abort':
        this.#takeDecision(caller, message.type, message.xid)
        return
      case 'evidence_question':
        this.#run(caller, message.xid, async () =>
          caller.reply(await verbs.giveEvidence(this.#participant, message.xid)),
        )
        return
      case 'forget':
        this.#run(caller, message.xid, async () => {
          await verbs.forget(this.#participant, message.xid)
          this.#crashPoints.pass('participant.witness.swept')
        })
        return
      default:
        // A newer coordinator's message: nothing here can answer it.
        message satisfies never
    }
  }

  #takePrepare(caller: Caller, message: PrepareMessage): void {
    this.#crashPoints.pass('participant.prepare.received')
    const workBytes = message.work.byteLength
    // To stop reading would hold back the decisions that make room, too: what is beyond the bound is refused.
    if (this.saturated && this.#workBytes + workBytes > this.#workBytesMax) {
      caller.reply(verbs.noVote(message.xid, `${this.#workBytesMax} bytes of work wait here already`, true))
      caller.finished()
      return
    }
    this.#workBytes += workBytes
    const preparation = new Preparation(message, { clock: this.#clock, timers: this.#timers })
    this.#preparations.add(preparation, caller)
    this.#preparing += 1
    this.#lanes.run(message.xid, async () => {
      const slot = await this.#prepareSlots.take(() => preparation.signal)
      try {
        await this.#prepare(caller, preparation)
      } finally {
        if (slot) this.#prepareSlots.give()
        preparation.ended()
        this.#preparations.remove(preparation)
        this.#preparing -= 1
        this.#workBytes -= workBytes
        caller.finished()
      }
    })
  }

  async #prepare(caller: Caller, preparation: Preparation): Promise<void> {
    // The coordinator aborts what was under way on a link that broke: don't pledge for nothing.
    if (caller.closed) return
    const { pointless } = preparation
    if (pointless !== undefined) {
      caller.reply(verbs.noVote(preparation.message.xid, pointless, true))
      return
    }
    const answer = await verbs.prepare(this.#participant, preparation.request())
    // A pledge made after the next link's scan would be found only by a later one. Told at once, as a late
    // yes, it is answered with abort. No other kind of reply may cross over: they answer what that link asked.
    const crossing = caller.closed && answer.type === 'vote'
    ;(crossing ? this.#session : caller)?.reply(answer)
  }

  #takeDecision(caller: Caller, verb: Verb, xid: Xid): void {
    if (verb === 'commit') this.#crashPoints.pass('participant.decision.received')
    else this.#preparations.abandon(xid, 'the transaction is being aborted')
    this.#run(caller, xid, async () => {
      const reply = await verbs.end(this.#participant, verb, xid)
      const applied = reply.type === 'result' && reply.result !== 'unknown'
      if (applied) this.#crashPoints.pass(APPLIED[verb])
      caller.reply(reply)
    })
  }

  /** A job of a caller that has gone by the time of its turn is dropped: the coordinator asks again. */
  #run(caller: Caller, lane: string, job: Job): void {
    this.#lanes.run(lane, async () => {
      if (!caller.closed) await job()
      caller.finished()
    })
  }
}

const APPLIED = {
  commit: 'participant.decision.applied',
  abort: 'participant.abort.applied',
} as const satisfies Record<Verb, CrashPoint>

function refuseMalformed(
  caller: Caller,
  message: Exclude<CoordinatorMessage, { type: 'list_prepared' }>,
): void {
  const text = `${JSON.stringify(message.xid)} is not an xid`
  if (message.type === 'prepare') caller.reply(verbs.noVote(message.xid, text, false))
  if (message.type === 'commit' || message.type === 'abort') {
    caller.reply(verbs.unknownResult(message.type, message.xid, text))
  }
  if (message.type === 'evidence_question') {
    caller.reply({ type: 'evidence_answer', xid: message.xid, evidence: 'none', message: text })
  }
  caller.finished()
}

function drawInstanceId(random: Random): string {
  let text = ''
  for (let index = 0; index < 16; index += 1) text += random.below(16).toString(16)
  return text
}
