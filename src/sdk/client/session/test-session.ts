/** A coordinator in memory, whose every word a test says itself, and time that stands still until it is told. */
import { PledgedError } from '../../../base/errors.ts'
import type { Epoch, LogId, Xid } from '../../../base/ids.ts'
import { defaultLimits, type Limits } from '../../../base/limits.ts'
import type { Clock, Timers } from '../../../base/ports.ts'
import type { ExecuteRequest } from '../../../protocol/requests.ts'
import type {
  SessionAdmission,
  SessionAnswer,
  SessionCall,
  SessionGreeting,
} from '../../../protocol/session-messages.ts'
import { Scope } from '../scope.ts'
import { SessionClient } from './session-client.ts'
import type { SessionStreamListener } from './session-stream.ts'

interface Timer {
  readonly atMs: number
  fire: (() => void) | undefined
}

class ManualTime implements Clock, Timers {
  #nowMs = 1_000
  #timers: Timer[] = []

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, fire: () => void): () => void {
    const timer: Timer = { atMs: this.#nowMs + delayMs, fire }
    this.#timers.push(timer)
    return () => {
      timer.fire = undefined
    }
  }

  soon(run: () => void): void {
    setImmediate(run)
  }

  /** Timers that are armed. */
  get armed(): number {
    return this.#timers.filter((timer) => timer.fire !== undefined).length
  }

  async pass(durationMs: number): Promise<void> {
    const untilMs = this.#nowMs + durationMs
    for (;;) {
      this.#timers = this.#timers.filter((timer) => timer.fire !== undefined)
      const due = this.#timers.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      this.#nowMs = Math.max(this.#nowMs, due.atMs)
      const { fire } = due
      due.fire = undefined
      fire?.()
      await settled()
    }
    this.#nowMs = untilMs
    await settled()
  }
}

/** Every promise that can settle has. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** One stream, seen from the coordinator's end. */
export class FakeStream {
  readonly greeting: SessionGreeting
  readonly listener: SessionStreamListener
  readonly sent: SessionCall[] = []
  closed = false

  constructor(greeting: SessionGreeting, listener: SessionStreamListener) {
    this.greeting = greeting
    this.listener = listener
  }

  send(calls: readonly SessionCall[]): void {
    this.sent.push(...calls)
  }

  close(): void {
    this.closed = true
  }

  admit(overrides: Partial<SessionAdmission> = {}): void {
    this.listener.admitted({
      logId: 'k3f9qa7m2xw4' as LogId,
      epoch: '7-q3f9' as Epoch,
      workBytesMax: 1_000,
      batchBytesMax: 10_000,
      messageBytesMax: 0,
      callsMax: 100,
      lease: { firstSequence: 1, count: 8 },
      ...overrides,
    })
  }

  /** Answers the call that was sent as the `index`th of those that have an id. */
  answer(index: number, overrides: Partial<SessionAnswer> = {}): void {
    this.listener.received([{ type: 'answer', callId: this.callId(index), answer: answerWith(overrides) }])
  }

  callId(index: number): number {
    const call = this.calls[index]
    if (call === undefined) throw new Error(`no call ${index} was sent`)
    return call.callId
  }

  get calls(): Extract<SessionCall, { callId: number }>[] {
    return this.sent.filter((call) => call.type !== 'lease' && call.type !== 'acknowledgement')
  }

  get leasesAsked(): number[] {
    return this.sent.flatMap((call) => (call.type === 'lease' ? [call.count] : []))
  }

  lease(firstSequence: number, count: number): void {
    this.listener.received([{ type: 'lease', lease: { firstSequence, count } }])
  }

  die(retryAfterMs?: number, code: ConstructorParameters<typeof PledgedError>[0] = 'UNAVAILABLE'): void {
    this.listener.ended({ error: new PledgedError(code, `died with ${code}`), retryAfterMs })
  }
}

export function answerWith(overrides: Partial<SessionAnswer> = {}): SessionAnswer {
  return {
    xid: 'k3f9qa7m2xw4.7-q3f9.1' as Xid,
    state: 'committing',
    outcome: 'committed',
    abortMessage: '',
    retryable: false,
    heuristic: false,
    replayed: false,
    ...overrides,
  }
}

export class FakeCoordinator {
  readonly time = new ManualTime()
  readonly streams: FakeStream[] = []
  readonly client: SessionClient
  readonly crashed: string[] = []

  constructor(limits: Partial<Limits> = {}) {
    this.client = new SessionClient({
      address: 'here:1',
      dial: (greeting, listener) => {
        const stream = new FakeStream(greeting, listener)
        this.streams.push(stream)
        return stream
      },
      limits: { ...defaultLimits, backoffMinMs: 10, backoffMaxMs: 1_000, ...limits },
      clock: this.time,
      timers: this.time,
      // The longest of what may be drawn: back-off is at its ceiling.
      random: { below: (limit) => limit - 1 },
      crashPoints: { pass: (point) => this.crashed.push(point) },
    })
  }

  /** The stream that was dialled last. */
  get stream(): FakeStream {
    const stream = this.streams.at(-1)
    if (stream === undefined) throw new Error('nothing was dialled')
    return stream
  }

  scope(timeoutMs = 10_000, signal?: AbortSignal): Scope {
    return new Scope({ timeoutMs, signal, clock: this.time, timers: this.time })
  }

  request(requestId: string, bytes = 1): ExecuteRequest {
    return {
      caller: '',
      name: { requestId, attempt: 1, firstSentTimeMs: 1 },
      branches: [{ participant: 'sink', work: new Uint8Array(bytes) }],
      waitFor: 'decision',
    }
  }
}
