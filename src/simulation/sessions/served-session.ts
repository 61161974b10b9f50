/** The coordinator's end of a session's stream: what arrives goes to the production Session, what that answers goes back. */
import { PledgedError } from '../../base/errors.ts'
import type { Limits } from '../../base/limits.ts'
import type { Answer, Session, XidLease } from '../../protocol/requests.ts'
import type {
  SessionAdmission,
  SessionCall,
  SessionGreeting,
  SessionReply,
} from '../../protocol/session-messages.ts'
import { sessionAnswerOf } from '../../wire/index.ts'
import type { CoordinatorLife } from '../coordinator-life.ts'
import type { Call } from '../observations.ts'
import type { World } from '../world.ts'
import { type NumberedCall, saidIn } from './session-calls.ts'

export interface ServedSessionOptions {
  readonly world: World
  readonly life: CoordinatorLife
  readonly limits: Limits
  readonly caller: string
  readonly number: number
  readonly admitted: (admission: SessionAdmission) => void
  /** `arrived` is to be called when it has reached its application. */
  readonly replied: (reply: SessionReply, arrived: () => void) => void
  readonly ended: (error: PledgedError) => void
}

type AnsweredCall = Extract<SessionCall, { readonly type: 'execute' | 'commit' | 'abort' | 'get' }>

export class ServedSession {
  readonly #options: ServedSessionOptions
  #session: Session | undefined
  #admitted = false
  #over = false

  constructor(options: ServedSessionOptions) {
    this.#options = options
  }

  open(greeting: SessionGreeting): void {
    const { life, caller, world, number, ended } = this.#options
    if (this.#over) return
    const { clientId } = greeting
    world.see({
      type: 'session',
      session: number,
      change: 'opened',
      client: clientId && `${caller}/${clientId}`,
    })
    try {
      this.#session = life.coordinator.openSession({
        ...greeting,
        caller,
        listener: {
          leased: (lease) => this.#leased(lease),
          ended: (reason) => {
            this.#closed()
            ended(new PledgedError('UNAVAILABLE', reason))
          },
        },
      })
    } catch (error) {
      this.#closed()
      ended(PledgedError.from(error))
    }
  }

  /** Nothing is read before the application was admitted: it has nothing to say before. */
  receive({ call, described }: NumberedCall): void {
    const session = this.#session
    if (session === undefined || this.#over) return
    const { caller, number, world } = this.#options
    switch (call.type) {
      case 'lease':
        return session.lease(call.count)
      case 'acknowledgement':
        return session.acknowledge(call.ending)
      case 'enlist': {
        const { xid, branch, callId } = call
        const enlisted = () => {
          const { participant } = branch
          world.see({ type: 'enlisted', session: number, xid, participant })
          this.#reply({ type: 'enlisted', callId })
        }
        session
          .enlist({ xid, branch })
          .then(enlisted, (error: unknown) => this.#refuse(callId, undefined, error))
        return
      }
      case 'execute': {
        const request = { ...call.request, caller }
        return this.#answer(call, described, session.execute(request))
      }
      case 'commit': {
        const request = { ...call.request, caller }
        world.see({ type: 'commit_arrived', session: number, xid: request.xid })
        return this.#answer(call, described, session.commit(request))
      }
      case 'abort':
        return this.#answer(call, described, session.abort({ caller, xid: call.xid }))
      case 'get':
        return this.#answer(call, described, session.get({ ...call.request, caller }))
    }
  }

  close(reason: string): void {
    if (this.#over) return
    this.#closed()
    this.#session?.close(reason)
  }

  #closed(): void {
    if (this.#over) return
    this.#over = true
    this.#options.world.see({ type: 'session', session: this.#options.number, change: 'closed', client: '' })
  }

  #leased(lease: XidLease): void {
    const session = this.#session
    if (session === undefined || this.#over) return
    const { world, number, limits, admitted } = this.#options
    const { logId, epoch } = session
    world.see({ type: 'leased', session: number, within: `${logId}.${epoch}`, ...lease })
    if (this.#admitted) {
      this.#reply({ type: 'lease', lease })
      return
    }
    this.#admitted = true
    const { workBytesMax, batchBytesMax, sessionCallsMax: callsMax } = limits
    admitted({ logId, epoch, workBytesMax, batchBytesMax, messageBytesMax: 0, callsMax, lease })
  }

  #answer(asked: AnsweredCall, call: Call | undefined, answered: Promise<Answer>): void {
    const { callId } = asked
    answered.then(
      (answer) => {
        const { life, world } = this.#options
        if (!life.process.alive) return
        const said = saidIn(answer)
        if (call !== undefined) world.see({ type: 'answered', call, said })
        const reply = { type: 'answer', callId, answer: sessionAnswerOf(asked, answer) } as const
        this.#options.replied(reply, () => {
          if (call !== undefined) world.see({ type: 'told', call, said })
        })
      },
      (error: unknown) => this.#refuse(callId, call, error),
    )
  }

  #refuse(callId: number, call: Call | undefined, cause: unknown): void {
    const { life, world } = this.#options
    if (!life.process.alive) return
    const error = PledgedError.from(cause)
    const { code, message } = error
    if (call !== undefined) world.see({ type: 'refused', call, code, message })
    this.#options.replied({ type: 'refusal', callId, error }, () => {
      if (call !== undefined) world.see({ type: 'told_refused', call, code })
    })
  }

  #reply(reply: SessionReply): void {
    if (this.#options.life.process.alive) this.#options.replied(reply, () => {})
  }
}
