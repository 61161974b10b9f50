/**
 * The host turns what a coordinator sends into calls of a participant's verbs, and their results into replies.
 * It outlives its links: verbs of a link that broke may still be running when the next one attaches, and the
 * order within an xid holds across both.
 *
 * - Calls for different xids overlap; those for one xid run in the order they came.
 * - At most `participantConcurrencyMax` prepares run at once. Commits and aborts never wait for a slot, since
 *   what holds a slot may be waiting for a lock that one of them gives back.
 * - Replies of one turn of the event loop leave together.
 * - Whatever arrives and whatever the participant throws: nothing is thrown out of here, except by `describe`.
 */
import { assert } from '../../base/assert.ts'
import { type CrashPoints, noCrashPoints } from '../../base/crash-points.ts'
import { messageOf, PledgedError } from '../../base/errors.ts'
import { isParticipantName, tryParseXid, type Xid } from '../../base/ids.ts'
import { defaultLimits, type Limits } from '../../base/limits.ts'
import {
  type Clock,
  type Random,
  systemClock,
  systemRandom,
  systemTimers,
  type Timers,
} from '../../base/ports.ts'
import type { CoordinatorMessage, ParticipantIdentity } from '../../protocol/messages.ts'
import { type Job, Lanes, Slots } from './lanes.ts'
import type { Participant } from './participant.ts'
import { type HostListener, type HostSession, Session } from './session.ts'
import * as verbs from './verbs.ts'

export interface HostOptions {
  readonly name: string
  readonly participant: Participant
  readonly limits?: Pick<Limits, 'participantConcurrencyMax' | 'linkCloseTimeoutMs'> | undefined
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
  readonly #closeTimeoutMs: number
  readonly #lanes = new Lanes()
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #crashPoints: CrashPoints
  #session: Session | undefined
  #preparing = 0

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
    assert(this.#prepareMax >= 1, 'participantConcurrencyMax is at least 1')
    this.#prepareSlots = new Slots(this.#prepareMax)
    this.#clock = options.clock ?? systemClock
    this.#timers = options.timers ?? systemTimers
    this.#crashPoints = options.crashPoints ?? noCrashPoints
    this.#instanceId = drawInstanceId(options.random ?? systemRandom)
  }

  /** Asked before each attach. Throws what the participant throws: the sentence that mends what is wrong. */
  async describe(): Promise<ParticipantIdentity> {
    const { kind, resourceId, keepsWitnesses } = await this.#participant.describe()
    if (typeof kind !== 'string' || typeof resourceId !== 'string' || resourceId === '') {
      throw new PledgedError(
        'INVALID_REQUEST',
        `participant "${this.name}" described itself without a kind or a resourceId: a resource needs a durable name of its own`,
      )
    }
    return { name: this.name, instanceId: this.#instanceId, kind, resourceId, keepsWitnesses }
  }

  /** Serves a link that the coordinator has admitted. It takes the place of an earlier one. */
  attach(listener: HostListener): HostSession {
    this.#session?.close()
    this.#session = new Session(listener, this.#timers, this.#crashPoints, (session, messages) =>
      this.#receive(session, messages),
    )
    if (this.#preparing >= this.#prepareMax) listener.saturated?.()
    return this.#session
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

  #receive(session: Session, messages: readonly CoordinatorMessage[]): void {
    for (const message of messages) this.#take(session, message)
  }

  #take(session: Session, message: CoordinatorMessage): void {
    if (message.type === 'list_prepared') {
      this.#run(session, 'scan', async () =>
        session.reply(await verbs.listPrepared(this.#participant, message.pageSize, message.pageToken)),
      )
      return
    }
    // An xid becomes part of file names, gids and SQL: participants are never shown a malformed one.
    if (tryParseXid(message.xid) === undefined) {
      refuseMalformed(session, message)
      return
    }
    switch (message.type) {
      case 'prepare':
        this.#takePrepare(session, message)
        return
      case 'commit':
      case 'abort':
        this.#takeDecision(session, message.type, message.xid)
        return
      case 'evidence_question':
        this.#run(session, message.xid, async () =>
          session.reply(await verbs.giveEvidence(this.#participant, message.xid)),
        )
        return
      case 'forget':
        this.#run(session, message.xid, () => verbs.forget(this.#participant, message.xid))
        return
      default:
        // A newer coordinator's message: nothing here can answer it.
        message satisfies never
    }
  }

  #takePrepare(session: Session, message: CoordinatorMessage & { type: 'prepare' }): void {
    this.#crashPoints.pass('participant.prepare.received')
    const receivedMs = this.#clock.monotonicMs()
    this.#preparing += 1
    if (this.#preparing === this.#prepareMax) session.listener.saturated?.()
    this.#lanes.run(message.xid, async () => {
      await this.#prepareSlots.take()
      try {
        await this.#prepare(session, message, receivedMs)
      } finally {
        this.#prepareSlots.give()
        this.#preparing -= 1
        if (this.#preparing === this.#prepareMax - 1) this.#session?.listener.drained?.()
      }
    })
  }

  async #prepare(
    session: Session,
    { xid, work, timeoutMs }: CoordinatorMessage & { type: 'prepare' },
    receivedMs: number,
  ): Promise<void> {
    // The coordinator aborts what was under way on a link that broke: don't pledge for nothing.
    if (session.closed) return
    const waitedMs = this.#clock.monotonicMs() - receivedMs
    if (waitedMs >= timeoutMs) {
      session.reply(verbs.noVote(xid, 'the prepare timed out while it waited for its turn', true))
      return
    }
    const vote = await verbs.prepare(this.#participant, { xid, work, timeoutMs: timeoutMs - waitedMs })
    // A pledge made after the next link's scan would be found only by a later one. Told at once, as a late
    // yes, it is answered with abort. No other kind of reply may cross over: they answer what that link asked.
    const target = session.closed ? this.#session : session
    target?.reply(vote)
  }

  #takeDecision(session: Session, verb: 'commit' | 'abort', xid: Xid): void {
    if (verb === 'commit') this.#crashPoints.pass('participant.decision.received')
    this.#run(session, xid, async () => {
      const reply = await verbs.end(this.#participant, verb, xid)
      const applied = verb === 'commit' && reply.type === 'result' && reply.result !== 'unknown'
      if (applied) this.#crashPoints.pass('participant.decision.applied')
      session.reply(reply)
    })
  }

  /** A job of a link that has gone by the time of its turn is dropped: the coordinator sends it again. */
  #run(session: Session, lane: string, job: Job): void {
    this.#lanes.run(lane, async () => {
      if (!session.closed) await job()
    })
  }
}

function refuseMalformed(
  session: Session,
  message: Exclude<CoordinatorMessage, { type: 'list_prepared' }>,
): void {
  const text = `${JSON.stringify(message.xid)} is not an xid`
  if (message.type === 'prepare') session.reply(verbs.noVote(message.xid, text, false))
  if (message.type === 'commit' || message.type === 'abort') {
    session.reply(verbs.unknownResult(message.type, message.xid, text))
  }
  if (message.type === 'evidence_question') {
    session.reply({ type: 'evidence_answer', xid: message.xid, evidence: 'none', message: text })
  }
}

function drawInstanceId(random: Random): string {
  let text = ''
  for (let index = 0; index < 16; index += 1) text += random.below(16).toString(16)
  return text
}
